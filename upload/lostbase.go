package upload

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// baseLost reports whether a timeline had been confirmed, which takes a base, and has none: rules of a bucket that remove what is old take bases first.
func (t *ArchivedTimeline) baseLost() bool {
	return t.Once > 0 && len(t.Bases)+len(t.Doubtful.Bases) == 0
}

// lostBase is the error of a timeline whose bases are gone.
func (t *ArchivedTimeline) lostBase() *DamagedError {
	return &DamagedError{Key: BasePrefix(t.ID), What: fmt.Sprintf("no base is there any more, and all up to offset %d was confirmed (who has removed all of an archive on purpose removes %s, too)", t.Once, LeaseKey())}
}

// lostBase returns the error of the newest state whose bases are gone; nil: they are not. Where at is not zero it is about the state at that time. Of timelines that came
// before one with a base nothing is said: retention takes their bases first, too.
func (c *Catalog) lostBase(at time.Time) *DamagedError {
	var newest, then *DamagedError
	for i := range slices.Backward(c.Timelines) {
		t := &c.Timelines[i]
		if len(t.Bases)+len(t.Doubtful.Bases) > 0 {
			return then
		}
		if !t.baseLost() {
			continue
		}
		newest = cmp.Or(newest, t.lostBase())
		if at.IsZero() || len(t.Segments) > 0 && t.Segments[0].FromMilli <= at.UnixMilli() {
			then = cmp.Or(then, newest)
		}
	}
	if said := &c.Lease; newest == nil && said.Offset > 0 && CheckTimeline(said.Timeline) == nil {
		return (&ArchivedTimeline{ID: said.Timeline, Once: said.Offset}).lostBase()
	}
	return newest
}
