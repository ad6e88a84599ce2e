package upload

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// history is the shipping of one timeline, within one tenure. Four goroutines do it: one cuts the log into segments and sends each on its way
// (shipcut.go), one confirms them in order, one stores bases (base.go), one merges (merge.go).
type history struct {
	*tenure
	id  string
	inv *ArchivedTimeline

	slots  *semaphore.Weighted // segments on their way
	memory *semaphore.Weighted // and the bytes that they keep
	queue  chan *parcel        // in the order of the stream
	cutAll chan struct{}       // closed when nothing more will be confirmed

	mu      sync.Mutex
	chain   chain
	moments int
	unmerge map[span]bool         // closed increments that cannot be merged
	unread  map[stream.Offset]int // how often a base could not be read; maxFailures: it is left out
}

// shipTimeline ships a timeline until it has ended and all of it is stored. The present one does not end: errDrained, or ctx's cause. Other
// errors are of the log's files; inv, which may be nil, is then to be read anew.
func (t *tenure) shipTimeline(ctx context.Context, id string, inv *ArchivedTimeline) error {
	line, _, ok := t.line(id)
	if !ok {
		return nil
	}
	if inv == nil {
		var err error
		if inv, err = t.inventory(ctx, id); err != nil {
			return err
		}
	}
	if err := t.announceTimeline(ctx, &line); err != nil {
		return err
	}
	h := &history{
		tenure: t, id: id, inv: inv, chain: startChain(inv, &line), moments: len(inv.Moments), unmerge: map[span]bool{}, unread: map[stream.Offset]int{},
		slots: semaphore.NewWeighted(int64(t.opt.Parallel)), memory: semaphore.NewWeighted(t.opt.InFlightBytes),
		queue: make(chan *parcel, t.opt.Parallel), cutAll: make(chan struct{}),
	}
	t.progress.ahead("")
	if t.opt.Observer.NewHistory != nil {
		t.opt.Observer.NewHistory(id)
	}
	agreed, err := h.agree(ctx)
	if err != nil || !agreed {
		return err
	}
	return h.run(ctx)
}

func (h *history) run(ctx context.Context) error {
	h.noteStored()
	h.adopt()
	g, ctx := errgroup.WithContext(ctx)
	side, cancelSide := context.WithCancelCause(ctx)
	defer cancelSide(nil)
	g.Go(func() error {
		defer close(h.queue)
		return h.cutSegments(ctx, g)
	})
	g.Go(func() error {
		if err := h.confirmAll(ctx); err != nil {
			return err
		}
		close(h.cutAll)
		if h.drains() && h.restorable() {
			cancelSide(errDrained)
		}
		return nil
	})
	g.Go(func() error { return unlessDrained(side, h.shipBases(side)) })
	g.Go(func() error {
		merging, cancel := context.WithCancelCause(side)
		defer cancel(nil)
		defer whenClosed(merging, h.draining, func() { cancel(errDrained) })()
		return unlessDrained(merging, h.merge(merging))
	})
	if err := g.Wait(); err != nil {
		return err
	}
	line, last, ok := h.line(h.id)
	if ok && last {
		return errDrained
	}
	if err := h.leftOut(&line); err != nil {
		return err // it stays where it is, and the next start looks again
	}
	if ok {
		h.src.Shipped(h.id, line.End.Offset) // where there never was a base there is nothing to keep it for either
	}
	return nil
}

// unlessDrained takes the end of a context for no error if the drain ended it.
func unlessDrained(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errDrained) {
		return nil
	}
	return err
}

// restorable reports whether there is a base.
func (h *history) restorable() bool {
	_, ok := h.confirmed()
	return ok
}

// confirmed is up to where there is a base and all behind it; 0 and false: nowhere. What is on its way does not count, nor what is behind a gap that no base has closed.
func (h *history) confirmed() (stream.Offset, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.chain.shipped()
}

// noteStored tells everybody how far the shipping is.
func (h *history) noteStored() {
	h.mu.Lock()
	off, ok := h.chain.shipped()
	end := h.chain.end
	h.progress.stored(h.id, &h.chain)
	h.mu.Unlock()
	if !ok {
		return
	}
	if h.lease != nil {
		h.lease.shipped(h.id, off)
	}
	off = min(off, end) // a base may be ahead of what is stored before it
	line, _, found := h.line(h.id)
	if !found {
		return
	}
	h.mu.Lock()
	for _, inc := range line.Increments {
		if h.mergeable(inc) {
			off = min(off, inc.From) // the log keeps it until it is merged
		}
	}
	h.mu.Unlock()
	h.src.Shipped(h.id, off)
}

// adopt tells the log which of its bases are stored.
func (h *history) adopt() {
	line, _, _ := h.line(h.id)
	for _, b := range line.Bases {
		h.mu.Lock()
		there := h.chain.bases[b.From]
		h.mu.Unlock()
		if there {
			h.src.BaseShipped(b.Name)
		}
	}
}

// mergeable reports whether an increment is to be stored as one object and is not yet. mu is held.
func (h *history) mergeable(inc stream.LogFile) bool {
	s := span{inc.From, inc.To}
	return inc.Closed && inc.From < inc.To && inc.From >= h.chain.since && !h.chain.whole[s] && !h.unmerge[s]
}

// confirmAll takes what was sent in order.
func (h *history) confirmAll(ctx context.Context) error {
	for p := range h.queue {
		select {
		case <-p.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if p.err != nil {
			return p.err
		}
		h.confirm(p)
	}
	return nil
}

func (h *history) confirm(p *parcel) {
	h.mu.Lock()
	h.chain.began = true
	if p.gap != nil {
		h.chain.since, h.chain.end = p.gap.To, p.gap.To
	} else {
		h.chain.end, h.chain.endMilli = p.key.To, p.key.ToMilli
		if p.whole {
			h.chain.whole[span{p.key.From, p.key.To}] = true
		}
	}
	h.mu.Unlock()
	h.noteStored()
	if p.gap == nil && h.opt.Observer.Shipped != nil {
		h.opt.Observer.Shipped(p.shipped())
	}
}
