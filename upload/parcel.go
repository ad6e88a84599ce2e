package upload

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// parcel is a segment on its way, or a gap among them.
type parcel struct {
	h     *history
	seg   Segment
	inc   stream.LogFile // of which it is
	file  *sharedFile
	whole bool // it is a closed increment
	gap   *Gap // instead

	weight int64
	done   chan struct{} // closed when it is stored, or err says why not

	err    error
	key    SegmentKey
	sealed int64
	took   time.Duration
}

// inMemory reports whether the object is kept until it is stored, rather than made again for each try.
func (p *parcel) inMemory() bool { return p.seg.Size() <= p.h.opt.InFlightBytes/4 }

// start waits for a place among what is on its way.
func (p *parcel) start(ctx context.Context) error {
	h := p.h
	if h.lease != nil {
		err := h.persist(ctx, "announce the history", func(err error) bool { return errors.Is(err, ErrLeaseLost) }, func() error {
			confirmed, _ := h.confirmed()
			return h.lease.announce(ctx, h.id, confirmed, p.seg.To.Position.ReplID)
		})
		if err != nil {
			return err
		}
	}
	p.weight = examineBuffer
	if p.inMemory() {
		p.weight += p.seg.Size()
	}
	p.weight = min(p.weight, h.opt.InFlightBytes)
	if err := h.slots.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	if err := h.memory.Acquire(ctx, p.weight); err != nil {
		h.slots.Release(1)
		return context.Cause(ctx)
	}
	return nil
}

func (p *parcel) finish() {
	p.file.release()
	p.h.memory.Release(p.weight)
	p.h.slots.Release(1)
}

// store names the segment, seals it and stores it; it tries again until it is there.
func (p *parcel) store(ctx context.Context) error {
	h := p.h
	x, err := examine(ctx, &p.seg)
	if err != nil {
		return unread(p.inc, err)
	}
	p.key = p.seg.Key(h.id, h.epoch, x.sum, h.opt.Sealer)
	for _, at := range x.moments {
		if err := h.keep(ctx, at); err != nil {
			return err
		}
	}
	plain := plainBytes{name: p.key.String(), reading: x.reading, size: p.seg.Size(), open: p.seg.Plain}
	body := plain.streamed(h.opt.Sealer)
	if p.inMemory() {
		if body, err = plain.inMemory(h.opt.Sealer); err != nil {
			return err
		}
	}
	begun := time.Now()
	p.sealed, err = h.put(ctx, plain.name, body)
	p.took = time.Since(begun)
	return err
}

func (p *parcel) shipped() ShippedSegment {
	return ShippedSegment{Key: p.key, Plain: p.seg.Size(), Sealed: p.sealed, Took: p.took}
}

// put stores an object whose name says what it holds: one that is there already is the same. It tries again until it is there, or ctx ends, or the
// bytes that it is made of turn out not to be what they were. It returns the size, 0 if it was there.
func (t *tenure) put(ctx context.Context, key string, body Body) (int64, error) {
	var obj Object
	var broken error
	if open := body.Open; body.Size < 0 {
		body.Open = func() (io.ReadCloser, error) {
			r, err := open()
			if err != nil {
				return nil, err
			}
			return &brokenBody{ReadCloser: r, broken: &broken}, nil
		}
	}
	final := func(err error) bool { return errors.Is(err, ErrExists) || broken != nil }
	err := t.persist(ctx, "store "+key, final, func() (err error) {
		obj, err = t.store.Put(ctx, key, body, Condition{Absent: true})
		return err
	})
	switch {
	case errors.Is(err, ErrExists):
		return 0, nil
	case broken != nil:
		return 0, broken
	}
	return obj.Size, err
}

// brokenBody remembers that a body could not be read, which no other try will change.
type brokenBody struct {
	io.ReadCloser
	broken *error
}

// Read reads on.
func (b *brokenBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		*b.broken = err
	}
	return n, err
}

// keep writes down that the moment before a FLUSHALL is to be kept.
func (h *history) keep(ctx context.Context, at stream.Offset) error {
	h.mu.Lock()
	room := h.moments < maxMoments
	if room {
		h.moments++
	}
	h.mu.Unlock()
	if !room {
		return nil
	}
	m := Moment{Timeline: h.id, Offset: at}
	exists := func(err error) bool { return errors.Is(err, ErrExists) }
	err := h.persist(ctx, "keep a moment", exists, func() error {
		_, err := putRecord(ctx, h.store, m.String(), PinRecord{Reason: "FLUSHALL", At: time.Now().UTC()}, Condition{Absent: true})
		return err
	})
	if err != nil && !exists(err) {
		return err
	}
	if err == nil && h.opt.Observer.Kept != nil {
		h.opt.Observer.Kept(m)
	}
	return nil
}
