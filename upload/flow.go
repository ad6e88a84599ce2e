package upload

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
)

const (
	// flowBlock is how many bytes go from hand to hand at once: few enough to stay in a processor's cache on their way.
	flowBlock = 256 << 10
	// flowBlocks is how many blocks there are at most: by so much the fastest of those who work beside one another is ahead of the slowest.
	flowBlocks = 12
)

// flow hands the plain bytes of objects, one object after another, to takers that work beside one another. Each gets all bytes, in blocks of a
// bounded pool. One goroutine passes; each taker is one goroutine's. When one of them fails, ctx must end.
type flow struct {
	ctx    context.Context //nolint:containedctx // of the one download that this is part of
	free   chan *block
	made   int
	takers []*taker
}

// block is some bytes of one object.
type block struct {
	buf  []byte
	n    int
	last bool // the object ends with it
	held atomic.Int32
}

func newFlow(ctx context.Context, takers int) *flow {
	f := &flow{ctx: ctx, free: make(chan *block, flowBlocks)}
	for range takers {
		// There is room for every block: who passes waits for free ones only.
		f.takers = append(f.takers, &taker{flow: f, blocks: make(chan *block, flowBlocks)})
	}
	return f
}

// pass hands one object on.
func (f *flow) pass(r io.Reader) error {
	for {
		b, err := f.block()
		if err != nil {
			return err
		}
		if b.n, b.last, err = readFull(r, b.buf); err != nil {
			return err
		}
		b.held.Store(int32(len(f.takers))) //nolint:gosec // a few
		last := b.last
		for _, t := range f.takers {
			t.blocks <- b
		}
		if last {
			return nil
		}
	}
}

// block returns one that nobody has.
func (f *flow) block() (*block, error) {
	select {
	case b := <-f.free:
		return b, nil
	default:
	}
	if f.made < flowBlocks {
		f.made++
		return &block{buf: make([]byte, flowBlock)}, nil
	}
	select {
	case b := <-f.free:
		return b, nil
	case <-f.ctx.Done():
		return nil, context.Cause(f.ctx)
	}
}

// taker is one of those who get the bytes: it reads one object to its end, and then the next.
type taker struct {
	flow   *flow
	blocks chan *block
	have   *block // nil: none
}

// next returns the next bytes of the object, valid until the next call; last says that it ends with them.
func (t *taker) next() (p []byte, last bool, err error) {
	t.release()
	select {
	case t.have = <-t.blocks:
		return t.have.buf[:t.have.n], t.have.last, nil
	case <-t.flow.ctx.Done():
		return nil, false, context.Cause(t.flow.ctx)
	}
}

// object reads the next object, to its end before another one is asked for.
func (t *taker) object() io.Reader { return &taken{t: t} }

// taken is one object.
type taken struct {
	t    *taker
	left []byte
	last bool
}

// Read reads on in the object.
func (o *taken) Read(p []byte) (int, error) {
	for len(o.left) == 0 {
		if o.last {
			o.t.release()
			return 0, io.EOF
		}
		var err error
		if o.left, o.last, err = o.t.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, o.left)
	o.left = o.left[n:]
	return n, nil
}

// release gives the block back that the last call returned.
func (t *taker) release() {
	if t.have != nil && t.have.held.Add(-1) == 0 {
		t.flow.free <- t.have
	}
	t.have = nil
}

// sum reads one object to its end, which must have the sum that its name states.
func (t *taker) sum(key, want string) error {
	sum := NewSum()
	for {
		p, last, err := t.next()
		if err != nil {
			return err
		}
		_, _ = sum.Write(p) // never fails
		if last {
			t.release()
			return sum.check(key, want)
		}
	}
}

// writeTo writes one object to w, unless that is nil, and returns its length.
func (t *taker) writeTo(w io.Writer) (size int64, err error) {
	for {
		p, last, err := t.next()
		if err != nil {
			return size, err
		}
		if w != nil {
			if _, err := w.Write(p); err != nil {
				return size, fmt.Errorf("write base: %w", err)
			}
		}
		size += int64(len(p))
		if last {
			t.release()
			return size, nil
		}
	}
}
