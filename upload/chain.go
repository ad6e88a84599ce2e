package upload

import (
	"cmp"
	"maps"
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// span is the range of an object.
type span struct{ from, to stream.Offset }

// chain is what the archive has of a timeline, as far as the shipping needs to know.
type chain struct {
	bases map[stream.Offset]bool
	whole map[span]bool // closed increments that are one object
	// Stored without a hole is what is behind since, up to and including end, which had been received at endMilli.
	since, end stream.Offset
	endMilli   int64
	began      bool // there is anything at all
	best       stream.Offset
	hasBest    bool
}

// shipped is the greatest offset ever for which there was a base and all behind it up to there.
func (c *chain) shipped() (stream.Offset, bool) {
	for b := range c.bases {
		at := b
		if b >= c.since && b <= c.end {
			at = c.end
		}
		if !c.hasBest || at > c.best {
			c.best, c.hasBest = at, true
		}
	}
	return c.best, c.hasBest
}

func (c *chain) copyBases() map[stream.Offset]bool { return maps.Clone(c.bases) }

// inventory is what the names in the archive say of a timeline.
type inventory struct {
	bases    []BaseKey    // valid ones
	segments []SegmentKey // valid ones
	moments  int
	last     SegmentKey // the smallest segment that ends at the chain's end
	hasLast  bool
}

// run is a range without a hole.
type run struct {
	since, end stream.Offset
	endMilli   int64
}

// chain finds the end from which on a log is shipped that begins at first. It is the first end that the log reaches: what an
// older epoch has behind a hole that the log can fill is shipped again, for a late write into that hole could be of another history. If the log
// reaches none, there is a gap behind the last.
func (inv *inventory) chain(first stream.Offset) chain {
	c := chain{bases: map[stream.Offset]bool{}, whole: map[span]bool{}}
	runs := inv.runs()
	if len(runs) == 0 {
		return c
	}
	i := slices.IndexFunc(runs, func(r run) bool { return r.end >= first })
	if i < 0 {
		i = len(runs) - 1
	}
	c.began, c.since, c.end, c.endMilli = true, runs[i].since, runs[i].end, runs[i].endMilli
	for _, b := range inv.bases {
		if b.Offset <= c.end {
			c.bases[b.Offset] = true
		}
	}
	for _, s := range inv.segments {
		if s.To <= c.end {
			c.whole[span{s.From, s.To}] = true
		}
		if s.To == c.end && (!inv.hasLast || s.To-s.From < inv.last.To-inv.last.From) {
			inv.last, inv.hasLast = s, true
		}
	}
	return c
}

// runs are the ranges without holes that bases and segments make together, ascending.
func (inv *inventory) runs() []run {
	parts := make([]run, 0, len(inv.bases)+len(inv.segments))
	for _, b := range inv.bases {
		parts = append(parts, run{since: b.Offset, end: b.Offset, endMilli: b.UnixMilli})
	}
	for _, s := range inv.segments {
		parts = append(parts, run{since: s.From, end: s.To, endMilli: s.ToMilli})
	}
	slices.SortFunc(parts, func(a, b run) int { return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(a.end, b.end)) })
	var runs []run
	for _, p := range parts {
		if n := len(runs); n > 0 && p.since <= runs[n-1].end {
			if p.end >= runs[n-1].end {
				runs[n-1].end, runs[n-1].endMilli = p.end, max(runs[n-1].endMilli, p.endMilli)
			}
			continue
		}
		runs = append(runs, p)
	}
	return runs
}
