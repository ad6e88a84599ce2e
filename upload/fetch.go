package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// DownloadBytes is how much of an object a restore asks for at once, and how much memory each of its downloads takes.
const DownloadBytes = 4 << 20

// wanted is an object that is to be downloaded.
type wanted struct {
	key   string
	bytes int64
}

// fetcher downloads objects in parts, several beside one another and ahead of whoever reads them. What it keeps in memory is its buffers. Several queues
// may share one: each part that has a buffer is read in its turn, so that buffers always become free again.
type fetcher struct {
	store   Store
	buffers chan []byte
	fetched atomic.Int64
	report  func(fetched int64)
}

func newFetcher(store Store, parallelism int, report func(int64)) *fetcher {
	f := &fetcher{store: store, buffers: make(chan []byte, parallelism), report: report}
	for range parallelism {
		f.buffers <- nil
	}
	return f
}

// part is a range of an object on its way. ready is closed when data or err is set.
type part struct {
	obj   wanted
	at    int64
	ready chan struct{}
	data  []byte // before it is ready, a buffer
	err   error
}

// queue returns the parts of objects in order. It ends when ctx does, or when all of g's functions are told to.
func (f *fetcher) queue(ctx context.Context, g *errgroup.Group, objects []wanted) <-chan *part {
	q := &queue{f: f, parts: make(chan *part, cap(f.buffers)), asked: make(chan *part)}
	g.Go(func() error {
		defer close(q.parts)
		defer close(q.asked)
		for _, obj := range objects {
			for at := int64(0); at == 0 || at < obj.bytes; at += DownloadBytes {
				if err := q.ask(ctx, g, &part{obj: obj, at: at, ready: make(chan struct{})}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return q.parts
}

// queue is objects in parts. Who downloads stays for the parts that follow: a request needs a large stack, which costs more than a small object if it is made anew.
type queue struct {
	f       *fetcher
	parts   chan *part // in order
	asked   chan *part // to be downloaded
	workers int
}

// ask begins the download of one part as soon as there is a buffer.
func (q *queue) ask(ctx context.Context, g *errgroup.Group, p *part) error {
	select {
	case p.data = <-q.f.buffers:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case q.parts <- p:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case q.asked <- p:
		return nil
	default:
	}
	if q.workers < cap(q.f.buffers) {
		q.workers++
		g.Go(func() error { return q.download(ctx, p) })
		return nil
	}
	select {
	case q.asked <- p:
		return nil
	case <-ctx.Done():
		p.err = context.Cause(ctx)
		close(p.ready) // whoever reads has it already, and waits
		return p.err
	}
}

// download downloads one part, and then what is asked for.
func (q *queue) download(ctx context.Context, p *part) error {
	for ok := true; ok; p, ok = <-q.asked {
		p.data, p.err = q.f.get(ctx, p.obj, p.at, p.data)
		close(p.ready)
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

// get reads one part.
func (f *fetcher) get(ctx context.Context, obj wanted, at int64, buf []byte) (data []byte, err error) {
	n := min(DownloadBytes, obj.bytes-at)
	if n == 0 {
		return buf[:0], nil
	}
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	r, info, err := f.store.Get(ctx, obj.key, at, n)
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", obj.key, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if info.Size != obj.bytes {
		return nil, &DamagedError{Key: obj.key, What: fmt.Sprintf("it had %d bytes when it was listed, and has %d", obj.bytes, info.Size)}
	}
	data = buf[:n]
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("download %s: %w", obj.key, err)
	}
	f.report(f.fetched.Add(n))
	return data, nil
}

// errGivenUp ends what waits for a part that will not come: another part failed, or the context ended, and that is the error to tell.
var errGivenUp = errors.New("the download was given up")

// objects reads one object after another from a queue.
type objects struct {
	f     *fetcher
	parts <-chan *part
	have  []byte // of the present part
	whole []byte // its buffer
	held  bool   // there is a present part
	left  int64  // bytes of the object that were not read
	some  bool   // a part of the object was taken: an empty object has one, too
}

// next begins an object, which is the next of the queue. The one before must have been read to its end. Close ends the reading early.
func (o *objects) next(obj wanted) io.Reader {
	o.left, o.some = obj.bytes, false
	return o
}

// Read reads on in the object.
func (o *objects) Read(p []byte) (int, error) {
	for len(o.have) == 0 {
		o.release()
		if o.left == 0 && o.some {
			return 0, io.EOF
		}
		next, ok := <-o.parts
		if !ok {
			return 0, errGivenUp
		}
		<-next.ready
		if next.err != nil {
			return 0, next.err
		}
		o.have, o.whole, o.held, o.some = next.data, next.data, true, true
	}
	n := copy(p, o.have)
	o.have = o.have[n:]
	o.left -= int64(n)
	return n, nil
}

// release gives the buffer of a part back that was read.
func (o *objects) release() {
	if o.held {
		o.f.buffers <- o.whole
		o.whole, o.held = nil, false
	}
}
