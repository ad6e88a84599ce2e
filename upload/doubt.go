package upload

import (
	"fmt"
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Doubtful is what nobody can tell of whether it counts: it was written before an epoch whose record is damaged, and that record may put it aside. The zero value is
// nothing.
type Doubtful struct {
	Record   string // the key of the damaged record
	Bases    []ArchivedBase
	Segments []ArchivedSegment
}

// Len is how many objects there are.
func (d *Doubtful) Len() int { return len(d.Bases) + len(d.Segments) }

// end is the last offset of anything that is there.
func (d *Doubtful) end() stream.Offset {
	t := ArchivedTimeline{Bases: d.Bases, Segments: d.Segments}
	return t.end()
}

// DoubtError says that a target can be restored only from what may be another history.
type DoubtError struct {
	Timeline string
	Record   string // the key of the record of an epoch that is damaged
	Objects  int    // of the timeline that were written before that
}

// Error names the record and the timeline.
func (e *DoubtError) Error() string {
	return fmt.Sprintf("%s is damaged: it may put aside some of the %d objects of timeline %s that were written before it, and the target needs those", e.Record, e.Objects, e.Timeline)
}

// doubt puts aside what was written before an epoch.
func (t *ArchivedTimeline) doubt(epoch int64) {
	t.Bases = slices.DeleteFunc(t.Bases, func(b ArchivedBase) bool {
		if b.Epoch < epoch {
			t.Doubtful.Bases = append(t.Doubtful.Bases, b)
		}
		return b.Epoch < epoch
	})
	t.Segments = slices.DeleteFunc(t.Segments, func(s ArchivedSegment) bool {
		if s.Epoch < epoch {
			t.Doubtful.Segments = append(t.Doubtful.Segments, s)
		}
		return s.Epoch < epoch
	})
	if t.Doubtful.Len() > 0 {
		t.Doubtful.Record = EpochKey(epoch)
	}
}

// trusting is the timeline as it is if all that is doubtful counts.
func (t *ArchivedTimeline) trusting() *ArchivedTimeline {
	if t.Doubtful.Len() == 0 {
		return t
	}
	all := *t
	all.Bases = slices.Concat(t.Bases, t.Doubtful.Bases)
	all.Segments = slices.Concat(t.Segments, t.Doubtful.Segments)
	all.Doubtful = Doubtful{}
	all.sort()
	return &all
}

// wrote reports whether an epoch wrote something of the timeline that is there.
func (t *ArchivedTimeline) wrote(epoch int64) bool {
	return slices.ContainsFunc(t.Bases, func(b ArchivedBase) bool { return b.Epoch == epoch }) ||
		slices.ContainsFunc(t.Segments, func(s ArchivedSegment) bool { return s.Epoch == epoch })
}

// wroteFrom reports whether an epoch from that one on wrote a segment of the timeline that is there.
func (t *ArchivedTimeline) wroteFrom(epoch int64) bool {
	return slices.ContainsFunc(t.Segments, func(s ArchivedSegment) bool { return s.Epoch >= epoch })
}

// lost does without the records of epochs that are damaged. Whose turn such an epoch was, what it wrote tells: its present timeline is the youngest of those.
func (b *builder) lost() {
	for _, epoch := range b.damagedEpochs {
		var present *ArchivedTimeline
		for _, t := range b.timelines {
			if t.wrote(epoch) && (present == nil || timelineNumber(t.ID) > timelineNumber(present.ID)) {
				present = t
			}
		}
		if present != nil {
			present.Taken = max(present.Taken, epoch)
		}
	}
	if len(b.damagedEpochs) == 0 {
		return
	}
	last := slices.Max(b.damagedEpochs)
	for _, t := range b.timelines {
		t.doubt(last)
	}
}
