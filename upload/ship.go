package upload

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// maxFailures is how often reading a timeline's files may fail, until the ones after it are shipped without it, and reading an increment of the present one until what
// follows it is: the newest state matters most.
const maxFailures = 3

// ship ships the timelines that the log has, oldest first, until ctx ends or all is drained.
func (t *tenure) ship(ctx context.Context) error {
	known, err := t.begin(ctx)
	if err != nil {
		return err
	}
	done := map[string]bool{}
	for _, line := range t.src.Holdings().Timelines {
		done[line.ID] = known.left[line.ID]
	}
	failures := map[string]int{}
	var wait retryDelay
	for {
		changed := t.src.Changed()
		lines := t.src.Holdings().Timelines
		i := slices.IndexFunc(lines, func(l stream.Timeline) bool { return !done[l.ID] })
		if i < 0 {
			if err := t.await(ctx, changed); err != nil {
				return err
			}
			continue
		}
		id := lines[i].ID
		err := t.shipTimeline(ctx, id, known.has[id])
		delete(known.has, id)
		switch {
		case err == nil:
			done[id] = true
			wait = 0
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errDrained):
			return err
		default:
			t.failed("ship "+id, err)
			if unread, ok := errors.AsType[*unreadError](err); ok && i == len(lines)-1 {
				t.failures[unread.name]++
			}
			if failures[id]++; failures[id] >= maxFailures && i < len(lines)-1 {
				done[id] = true // its files are damaged, as it seems; the next start tries again
			}
			if err := pause(ctx, wait.next(t.opt.Retry)); err != nil {
				return err
			}
		}
	}
}

// found is what a holder finds in the archive of the log's timelines.
type found struct {
	has  map[string]*ArchivedTimeline
	left map[string]bool // they are not shipped: what the archive has of them is in doubt
}

// begin waits for a timeline, finds out what the archive has of all that the log has, and writes the epoch down before anything else.
func (t *tenure) begin(ctx context.Context) (*found, error) {
	for {
		changed := t.src.Changed()
		if lines := t.src.Holdings().Timelines; len(lines) > 0 {
			known, rec, err := t.takeStock(ctx, lines)
			if err != nil {
				return nil, err
			}
			if rec.Timeline != "" {
				return known, t.takeOver(ctx, known, rec)
			}
		}
		if err := t.await(ctx, changed); err != nil {
			return nil, err
		}
	}
}

// takeStock finds out from where on each timeline is shipped. The record names none as the present one where that one cannot be: another one was asked for.
func (t *tenure) takeStock(ctx context.Context, lines []stream.Timeline) (*found, EpochRecord, error) {
	known := &found{has: map[string]*ArchivedTimeline{}, left: map[string]bool{}}
	rec := EpochRecord{Epoch: t.epoch, Holder: t.leaser.holder, Host: t.opt.Host, At: time.Now().UTC()}
	if t.lease != nil && t.lease.previous.Timeline != "" {
		rec.confirms(t.lease.previous.Timeline, t.lease.previous.Offset)
	}
	for i := range lines {
		line, last := &lines[i], i == len(lines)-1
		inv, err := t.inventory(ctx, line.ID)
		if err != nil {
			return nil, rec, err
		}
		c := startChain(inv, line)
		if to, ok := c.shipped(); ok {
			rec.confirms(line.ID, to)
		}
		switch doubt := &inv.Doubtful; {
		case doubt.Len() > 0 && doubt.end() > c.end: // to go on from c.end would put them aside
			known.left[line.ID] = true
			err := &DoubtError{Timeline: line.ID, Record: doubt.Record, Objects: doubt.Len()}
			t.failed("ship "+line.ID, err)
			if last {
				t.leave(line.ID, err.Error(), true)
			}
		case last:
			known.has[line.ID], rec.Timeline, rec.Offset = inv, line.ID, c.end
		default:
			known.has[line.ID], rec.Older = inv, append(rec.Older, OlderCut{Timeline: line.ID, Offset: c.end})
		}
	}
	return known, rec, nil
}

// takeOver writes the epoch down.
func (t *tenure) takeOver(ctx context.Context, known *found, rec EpochRecord) error {
	taken := func(err error) bool { return errors.Is(err, errEpochTaken) }
	if err := t.persist(ctx, "write the epoch", taken, func() error { return writeEpoch(ctx, t.store, rec) }); err != nil {
		return err
	}
	for _, inv := range known.has {
		inv.apply([]EpochRecord{rec})
	}
	return nil
}

// await waits for a change of the log. Draining there is nothing to wait for.
func (t *tenure) await(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-t.draining:
		return errDrained
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// drains reports whether Drain was called.
func (u *Uploader) drains() bool {
	select {
	case <-u.draining:
		return true
	default:
		return false
	}
}

// first is where the log's bytes of a timeline begin.
func first(line *stream.Timeline) stream.Offset {
	switch {
	case len(line.Increments) > 0:
		return line.Increments[0].From
	case len(line.Bases) > 0:
		return line.Bases[0].From
	default:
		return line.End.Offset
	}
}

// line finds a timeline among what the log has; last says that it is the present one.
func (u *Uploader) line(id string) (line stream.Timeline, last, ok bool) {
	lines := u.src.Holdings().Timelines
	i := slices.IndexFunc(lines, func(l stream.Timeline) bool { return l.ID == id })
	if i < 0 {
		return stream.Timeline{}, false, false
	}
	return lines[i], i == len(lines)-1, true
}

// announceTimeline writes what is written once for a timeline.
func (t *tenure) announceTimeline(ctx context.Context, line *stream.Timeline) error {
	rec := TimelineRecord{Timeline: line.ID, Epoch: t.epoch, At: time.Now().UTC()}
	exists := func(err error) bool { return errors.Is(err, ErrExists) }
	err := t.persist(ctx, "write timeline "+line.ID, exists, func() error {
		_, err := putRecord(ctx, t.store, TimelineKey(line.ID), rec, Condition{Absent: true})
		return err
	})
	if err != nil && !exists(err) {
		return err
	}
	return t.pin(ctx, line)
}

// pin pins a timeline in the archive that the guard has pinned in the log.
func (t *tenure) pin(ctx context.Context, line *stream.Timeline) error {
	if !line.Pinned {
		return nil
	}
	return t.persist(ctx, "pin timeline "+line.ID, nil, func() error {
		return PinTimeline(ctx, t.store, line.ID, PinRecord{Reason: PinGuard, Note: "the full resync that ended it lost most keys", At: time.Now().UTC()})
	})
}
