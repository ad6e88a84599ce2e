package upload

import (
	"context"
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// inventory lists what the archive has of a timeline; it tries again until it knows, or ctx ends.
func (t *tenure) inventory(ctx context.Context, id string) (*ArchivedTimeline, error) {
	var inv *ArchivedTimeline
	err := t.persist(ctx, "list timeline "+id, nil, func() (err error) {
		inv, err = ReadTimeline(ctx, t.store, id)
		return err
	})
	if err == nil && t.lease != nil {
		inv.Once = max(inv.Once, t.lease.confirmed(id))
	}
	return inv, err
}

// confirmed is up to where a timeline was confirmed, as this lease and the one before say; 0: they say nothing.
func (h *lease) confirmed(timeline string) (to stream.Offset) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.previous.Timeline == timeline {
		to = h.previous.Offset
	}
	if h.end.timeline == timeline {
		to = max(to, h.end.offset)
	}
	return to
}

// startChain finds out from where on a timeline of the log is shipped: where that range of the archive ends in which the log's bytes begin; if they begin in none, there is
// a gap behind what is stored before them. What is stored behind a hole that the log can fill is shipped again, for a late write into that hole could be of
// another history; but not if the log does not have it any more, nor if it was confirmed and nobody else has it, or nothing is stored before it: what comes before was removed by
// retention then, and the log is one that was put back.
func startChain(inv *ArchivedTimeline, line *stream.Timeline) chain {
	c := chain{bases: map[stream.Offset]bool{}, whole: map[span]bool{}}
	runs := inv.Runs()
	begin := first(line)
	again := func(r stream.Range, only bool) bool {
		stays := (only || r.To > line.End.Offset) && inv.confirmed(r)
		return r.From > begin && covers(line, r) && !stays
	}
	i := len(runs) - 1
	for i >= 0 && again(runs[i], i == 0) {
		i--
	}
	if i < 0 {
		return c
	}
	c.began, c.since, c.end = true, runs[i].From, runs[i].To
	for _, b := range inv.Bases {
		if b.Offset <= c.end {
			c.bases[b.Offset] = true
			c.endMilli = max(c.endMilli, b.UnixMilli)
		}
	}
	for _, s := range inv.Segments {
		if s.To <= c.end {
			c.whole[span{s.From, s.To}] = true
			c.endMilli = max(c.endMilli, s.ToMilli)
		}
	}
	return c
}

// confirmed reports whether a range is restored from a base in it that was confirmed.
func (t *ArchivedTimeline) confirmed(r stream.Range) bool {
	return slices.ContainsFunc(t.Bases, func(b ArchivedBase) bool { return r.From <= b.Offset && b.Offset <= min(r.To, t.Once) })
}

// covers reports whether the log has all of a range, as far as it reaches.
func covers(line *stream.Timeline, r stream.Range) bool {
	at, begun := r.From, r.From >= line.End.Offset
	for _, inc := range line.Increments {
		if inc.From <= at && at <= inc.To {
			at, begun = inc.To, true
		}
	}
	return begun && at >= min(r.To, line.End.Offset)
}

// lastSegment is the smallest that ends at an offset.
func lastSegment(inv *ArchivedTimeline, end stream.Offset) (last ArchivedSegment, ok bool) {
	for _, s := range inv.Segments {
		if s.To == end && (!ok || s.Bytes <= last.Bytes) {
			last, ok = s, true
		}
	}
	return last, ok
}
