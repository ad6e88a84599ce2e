package upload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// cutting is where the log is being cut. For one goroutine.
type cutting struct {
	h  *history
	g  *errgroup.Group // of what is on its way
	at stream.Offset   // all up to there is on its way or stored
	// atMilli is when that had been received; times in the archive do not go back.
	atMilli int64

	open   *sharedFile // the increment that is cut; nil: none
	from   stream.Offset
	cutter *Cutter

	last  time.Time // of the last segment
	began bool      // the archive has something of the timeline
}

// errMoved says that a file of the log has gone elsewhere: Holdings tells where.
var errMoved = errors.New("a file of the log has moved")

// cutSegments cuts what becomes durable, and sends it on its way, until the timeline has ended or is drained.
func (h *history) cutSegments(ctx context.Context, g *errgroup.Group) error {
	c := &cutting{h: h, g: g, at: h.chain.end, atMilli: h.chain.endMilli, began: h.chain.began}
	defer c.leave()
	for {
		changed := h.src.Changed()
		draining := h.drains()
		line, last, ok := h.line(h.id)
		if !ok {
			return nil
		}
		if !last {
			if err := h.pin(ctx, &line); err != nil {
				return err
			}
		}
		wait, err := c.advance(ctx, &line, draining || !last)
		moved := errors.Is(err, errMoved)
		switch {
		case moved:
			wait = h.opt.Retry
		case err != nil:
			return err
		case !last || draining:
			return nil
		}
		if err := c.sleep(ctx, changed, wait, moved); err != nil {
			return err
		}
	}
}

// sleep waits until there may be more to do; where a file has moved, draining is not more.
func (c *cutting) sleep(ctx context.Context, changed <-chan struct{}, wait time.Duration, moved bool) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	drained := c.h.draining
	if moved {
		drained = nil
	}
	select {
	case <-changed:
	case <-timer.C:
	case <-drained:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// advance sends all that is due; with all it is. It returns when more will be due if the log does not change.
func (c *cutting) advance(ctx context.Context, line *stream.Timeline, all bool) (time.Duration, error) {
	end := endOf(line)
	for _, inc := range line.Increments {
		if inc.Closed && inc.To <= c.at {
			continue
		}
		if inc.From > c.at {
			if err := c.skip(ctx, inc.From, ""); err != nil {
				return 0, err
			}
		}
		if !inc.Closed {
			return c.sendDue(ctx, inc, end, all)
		}
		if err := c.sendClosed(ctx, inc, end); err != nil {
			return 0, err
		}
	}
	return math.MaxInt64, nil
}

// endOf is what holds at the end of a timeline.
func endOf(line *stream.Timeline) stream.Mark {
	return stream.Mark{Position: line.End, UnixMilli: line.EndUnixMilli, Durable: line.End.Offset}
}

// skip notes that the log does not have what should come next.
func (c *cutting) skip(ctx context.Context, to stream.Offset, why string) error {
	c.leave()
	gap := Gap{Timeline: c.h.id, From: c.at, To: to, Why: why}
	if c.began {
		c.h.progress.gap(gap)
		if c.h.opt.Observer.Gap != nil {
			c.h.opt.Observer.Gap(gap)
		}
	}
	c.at = to
	p := &parcel{gap: &gap, done: make(chan struct{})}
	close(p.done)
	return c.enqueue(ctx, p)
}

// sendClosed sends what is left of an increment that has closed. One that cannot be read is tried a few times, then sent up to where it can be, and then not at all.
func (c *cutting) sendClosed(ctx context.Context, inc stream.LogFile, end stream.Mark) error {
	failed := c.h.failures[inc.Name]
	switch {
	case failed >= 2*maxFailures:
		return c.skip(ctx, inc.To, (&unreadError{name: inc.Name, err: errDamaged}).advice())
	case failed < maxFailures && c.at == inc.From:
		return c.sendWhole(ctx, inc, end)
	}
	err := c.sendRest(ctx, inc, end)
	if unread, ok := errors.AsType[*unreadError](err); ok && failed >= maxFailures {
		return c.skip(ctx, inc.To, unread.advice())
	}
	return err
}

// unreadError says that a base or an increment could not be read.
type unreadError struct {
	name string
	err  error
}

// unread wraps what went wrong with an increment, unless it has only moved.
func unread(inc stream.LogFile, err error) error {
	if errors.Is(err, errMoved) {
		return err
	}
	return &unreadError{name: inc.Name, err: err}
}

// Error names the file.
func (e *unreadError) Error() string { return fmt.Sprintf("read %s: %v", e.name, e.err) }

// Unwrap returns the reason.
func (e *unreadError) Unwrap() error { return e.err }

// advice is what an operator needs to know of it.
func (e *unreadError) advice() string {
	return e.Error() + ": no server boots from it, and no rewrite gets past it; `aofsidecar verify` shows the damage; move the directory away, and the next start takes a fresh snapshot"
}

var errDamaged = errors.New("it is damaged")

// sendWhole sends a closed increment as one object.
func (c *cutting) sendWhole(ctx context.Context, inc stream.LogFile, end stream.Mark) error {
	c.leave()
	f, err := c.h.openShared(inc.Name)
	if err != nil {
		return err
	}
	seg, err := WholeSegment(f.File, inc, end)
	if err != nil {
		f.release()
		return unread(inc, err)
	}
	if seg.From.UnixMilli < c.atMilli { // the object must begin where the one before ended
		seg.From.UnixMilli = c.atMilli
		seg.To.UnixMilli = max(seg.To.UnixMilli, c.atMilli)
	}
	return c.send(ctx, &parcel{seg: seg, inc: inc, file: f, whole: true})
}

// sendRest sends what is left of a closed increment.
func (c *cutting) sendRest(ctx context.Context, inc stream.LogFile, end stream.Mark) error {
	end, err := c.closedEnd(inc, end)
	if err != nil {
		return unread(inc, err)
	}
	if err := c.enter(ctx, inc, end); err != nil {
		return unread(inc, err)
	}
	for c.at < inc.To {
		seg, ok, err := c.cutter.Next(ctx, inc.Bytes, end, c.h.opt.SegmentBytes, true)
		if err != nil {
			return unread(inc, err)
		}
		if !ok {
			return unread(inc, fmt.Errorf("it ends at %d, not %d", c.at, inc.To))
		}
		if err := c.sendCut(ctx, inc, seg); err != nil {
			return err
		}
	}
	c.leave()
	return nil
}

// sendDue sends what is due of the open increment.
func (c *cutting) sendDue(ctx context.Context, inc stream.LogFile, end stream.Mark, all bool) (time.Duration, error) {
	if err := c.enter(ctx, inc, end); err != nil {
		return 0, err
	}
	for {
		since := time.Since(c.last)
		due, idle := all || since >= c.h.opt.Interval, all || since >= idleInterval
		if !due && inc.Bytes-c.cutter.from.file < c.h.opt.SegmentBytes {
			return c.h.opt.Interval - since, nil
		}
		seg, ok, err := c.cutter.Next(ctx, inc.Bytes, end, c.h.opt.SegmentBytes, idle)
		if err != nil {
			return 0, err
		}
		if !ok {
			return max(idleInterval-since, c.h.opt.Interval), nil
		}
		if err := c.sendCut(ctx, inc, seg); err != nil {
			return 0, err
		}
		if seg.To.Position.Offset >= end.Position.Offset {
			c.last = time.Now()
		}
	}
}

// sendCut sends a segment of the increment that is open.
func (c *cutting) sendCut(ctx context.Context, inc stream.LogFile, seg Segment) error {
	return c.send(ctx, &parcel{seg: seg, inc: inc, file: c.open.share()})
}

// closedEnd is the mark that a closed increment ends with.
func (c *cutting) closedEnd(inc stream.LogFile, end stream.Mark) (stream.Mark, error) {
	f, err := c.h.openShared(inc.Name)
	if err != nil {
		return stream.Mark{}, err
	}
	defer f.release()
	whole, err := WholeSegment(f.File, inc, end)
	return whole.To, err
}

// enter opens an increment, at whose durable end end holds, and goes to where the last segment ended.
func (c *cutting) enter(ctx context.Context, inc stream.LogFile, end stream.Mark) error {
	if c.open != nil && c.from == inc.From {
		return nil
	}
	c.leave()
	f, err := c.h.openShared(inc.Name)
	if err != nil {
		return err
	}
	cutter := NewCutter(f.File, inc)
	if err := cutter.Seek(ctx, inc.Bytes, end, c.at, c.atMilli); err != nil {
		f.release()
		return err
	}
	c.open, c.from, c.cutter = f, inc.From, cutter
	return nil
}

// leave closes the increment that is open.
func (c *cutting) leave() {
	if c.open != nil {
		c.open.release()
	}
	c.open, c.cutter = nil, nil
}

// send sends a segment on its way; it waits while too much is on its way already.
func (c *cutting) send(ctx context.Context, p *parcel) error {
	h := c.h
	p.h, p.done, c.began = h, make(chan struct{}), true
	if err := p.start(ctx); err != nil {
		p.file.release()
		return err
	}
	c.g.Go(func() error {
		defer close(p.done)
		defer p.finish()
		p.err = p.store(ctx)
		return p.err
	})
	c.at, c.atMilli = p.seg.To.Position.Offset, p.seg.To.UnixMilli
	return c.enqueue(ctx, p)
}

func (c *cutting) enqueue(ctx context.Context, p *parcel) error {
	select {
	case c.h.queue <- p:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sharedFile is closed when the last who reads it lets go.
type sharedFile struct {
	fsx.File
	users *atomic.Int64
}

func (h *history) openShared(name string) (*sharedFile, error) {
	f, err := h.src.OpenFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errMoved
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	s := &sharedFile{File: f, users: new(atomic.Int64)}
	s.users.Store(1)
	return s, nil
}

func (s *sharedFile) share() *sharedFile {
	s.users.Add(1)
	return s
}

func (s *sharedFile) release() {
	if s.users.Add(-1) == 0 {
		_ = s.Close() // it was only read
	}
}
