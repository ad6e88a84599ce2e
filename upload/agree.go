package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// agree waits until the log has reached the end of what is stored, and finds out whether it is of the same history there: after a kill -9 the log may be
// behind for a moment, and what comes then may come from another upstream that went another way. false: it is not, and the timeline has been left.
func (h *history) agree(ctx context.Context) (bool, error) {
	want, err := h.endHistory(ctx)
	if err != nil || !h.chain.began {
		return err == nil, err
	}
	for {
		changed := h.src.Changed()
		line, last, ok := h.line(h.id)
		if !ok {
			return false, nil
		}
		agreed, why, err := h.judge(ctx, &line, last, want)
		if err != nil || agreed {
			return agreed, err
		}
		if line.Waits { // it may get there with what the upstream sends again, under an id that it does not tell yet
			why = ""
		}
		h.leave(h.id, why, last)
		if why != "" && !last {
			h.src.Shipped(h.id, line.End.Offset) // the archive cannot take it, so it is kept for nothing
			return false, nil
		}
		if err := h.await(ctx, changed); err != nil {
			return false, err
		}
	}
}

// endHistory is the history of the end of what is stored; zero: it cannot be told. A segment there that cannot be read is no part of it: it is shipped once more.
func (h *history) endHistory(ctx context.Context) (want stream.ReplID, err error) {
	final := func(err error) bool {
		_, damaged := errors.AsType[*DamagedError](err)
		return damaged || errors.Is(err, ErrNotFound)
	}
	for h.chain.began {
		err := h.persist(ctx, "read the end of "+h.id, final, func() (err error) {
			want, err = h.endReplID(ctx, h.chain.end)
			return err
		})
		damaged, ok := errors.AsType[*DamagedError](err)
		if !ok {
			return want, err
		}
		h.failed("read the end of "+h.id, err)
		h.inv.Segments = slices.DeleteFunc(h.inv.Segments, func(s ArchivedSegment) bool { return s.String() == damaged.Key })
		line, _, ok := h.line(h.id)
		if !ok {
			return want, err
		}
		h.chain = startChain(h.inv, &line)
	}
	return want, nil
}

// judge compares the log with what is stored, whose end is of the history want; zero: it is not known. why says why the log cannot go on there; if it is empty
// and they do not agree either, that is not known yet.
func (h *history) judge(ctx context.Context, line *stream.Timeline, last bool, want stream.ReplID) (agreed bool, why string, err error) {
	end := h.chain.end
	switch ahead := end > line.End.Offset; {
	case ahead && want.IsZero():
		return false, fmt.Sprintf("the archive has offset %d and the log %d, and nothing says of which history", end, line.End.Offset), nil
	case ahead && want != line.End.ReplID:
		return false, fmt.Sprintf("the archive has offset %d of history %s, and the log is at %v", end, want, line.End), nil
	case ahead:
		return !last, "", nil // of a timeline that has ended only bases may be left to ship
	case want.IsZero():
		return true, "", nil
	}
	ids, err := h.replIDsAt(ctx, line, end)
	switch {
	case errors.Is(err, errMoved):
		return false, "", nil
	case err != nil:
		return false, "", err
	case len(ids) == 0 || slices.Contains(ids, want):
		return true, "", nil
	}
	// What the lease says may have been announced for segments that never arrived: then the end is of the history before, which the log has too.
	switch later, err := h.statesBehind(ctx, line, end, want); {
	case errors.Is(err, errMoved):
		return false, "", nil
	case later || err != nil:
		return later, "", err
	}
	return false, fmt.Sprintf("at offset %d the archive is of history %s, and the log of %s", end, want, ids[0]), nil
}

// leave gives a timeline up that the log cannot go on with; why may be empty: not yet.
func (t *tenure) leave(id, why string, last bool) {
	t.progress.ahead(why)
	if why == "" {
		return
	}
	if t.opt.Observer.Ahead != nil {
		t.opt.Observer.Ahead(id, why)
	}
	if last {
		t.src.NewTimeline(why)
	}
}

// endReplID is the history of what is stored up to end; zero: it cannot be told.
func (h *history) endReplID(ctx context.Context, end stream.Offset) (stream.ReplID, error) {
	last, ok := lastSegment(h.inv, end)
	if ok && !last.Age {
		return lastReplID(ctx, h.store, last)
	}
	if h.lease == nil || h.lease.previous.Timeline != h.id {
		return stream.ReplID{}, nil
	}
	id, err := stream.ParseReplID(h.lease.previous.ReplID)
	if err != nil {
		return stream.ReplID{}, nil //nolint:nilerr // a record that says nothing says nothing
	}
	return id, nil
}

// lastReplID reads the mark at the end of a segment.
func lastReplID(ctx context.Context, store Store, seg ArchivedSegment) (id stream.ReplID, err error) {
	body, _, err := store.Get(ctx, seg.String(), 0, -1)
	if err != nil {
		return id, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	plain, err := NewOpener(nil).Open(seg.String(), body)
	if err != nil {
		return id, err
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	tail, err := readTail(Checked(seg.String(), seg.Sum, plain), markBytes)
	if err != nil {
		return id, err
	}
	return stream.LastMark(tail).Position.ReplID, nil
}

// readTail reads to the end and returns the last n bytes.
func readTail(r io.Reader, n int) ([]byte, error) {
	buf := make([]byte, 0, examineBuffer)
	for {
		if len(buf) == cap(buf) {
			buf = buf[:copy(buf, buf[len(buf)-n:])]
		}
		m, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+m]
		if errors.Is(err, io.EOF) {
			return buf[max(0, len(buf)-n):], nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// replIDsAt returns the ids that the log's marks state at an offset, the one above it first; none: the log does not have that offset any more. At
// one offset there may be several: a failover is marked where it happened.
func (h *history) replIDsAt(ctx context.Context, line *stream.Timeline, at stream.Offset) ([]stream.ReplID, error) {
	var ids []stream.ReplID
	if at == line.End.Offset {
		ids = append(ids, line.End.ReplID)
	}
	for _, inc := range line.Increments {
		if inc.From > at || inc.Closed && inc.To < at || h.failures[inc.Name] >= maxFailures {
			continue
		}
		found, err := h.scanIDs(ctx, inc, at)
		if err != nil {
			return nil, unread(inc, err)
		}
		ids = append(ids, found...)
	}
	return ids, nil
}

// statesBehind reports whether the log states an id at an offset or behind it. Then all that the log has up to the offset is of that history: it came to it by partial resyncs.
func (h *history) statesBehind(ctx context.Context, line *stream.Timeline, at stream.Offset, id stream.ReplID) (bool, error) {
	if line.End.ReplID == id {
		return true, nil
	}
	for _, inc := range line.Increments {
		if inc.Closed && inc.To < at || h.failures[inc.Name] >= maxFailures {
			continue
		}
		states, err := h.scanFor(ctx, inc, at, id)
		if err != nil {
			return false, unread(inc, err)
		}
		if states {
			return true, nil
		}
	}
	return false, nil
}

func (h *history) scanFor(ctx context.Context, inc stream.LogFile, at stream.Offset, id stream.ReplID) (bool, error) {
	file, err := h.openShared(inc.Name)
	if err != nil {
		return false, err
	}
	defer file.release()
	c := NewCutter(file, inc)
	return c.scan(ctx, inc.Bytes, func() bool { return c.f.at.pos.Offset >= at && c.f.at.pos.ReplID == id })
}

func (h *history) scanIDs(ctx context.Context, inc stream.LogFile, at stream.Offset) ([]stream.ReplID, error) {
	file, err := h.openShared(inc.Name)
	if err != nil {
		return nil, err
	}
	defer file.release()
	c := NewCutter(file, inc)
	var ids []stream.ReplID
	var above stream.ReplID
	_, err = c.scan(ctx, inc.Bytes, func() bool {
		now := c.f.at.pos
		if now.Offset >= at && len(ids) == 0 && !above.IsZero() {
			ids = append(ids, above)
		}
		if now.Offset == at {
			ids = append(ids, now.ReplID)
		}
		above = now.ReplID
		return now.Offset > at
	})
	return ids, err
}
