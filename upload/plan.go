package upload

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Target is what is to be restored; the zero value: the newest state there is. Of Offset and Time at most one is set.
type Target struct {
	// Timeline is whose; "": of the newest, or, for a Time, of the newest that had begun then.
	Timeline string
	// Offset: the state at the last boundary at or before it.
	Offset *stream.Offset
	// Time: the state at the last boundary at or above the last mark with this time or an earlier one.
	Time time.Time
}

// String is the target for people.
func (t Target) String() string {
	switch {
	case t.Offset != nil:
		return fmt.Sprintf("offset %d", *t.Offset)
	case !t.Time.IsZero():
		return t.Time.Format(time.RFC3339Nano)
	default:
		return "the newest state"
	}
}

// Plan is what to restore a target from.
type Plan struct {
	Timeline string
	Base     ArchivedBase
	// Segments cover all from the base on without a hole, and are as few as possible. The first may begin before the base does, and each before the
	// end of the one before. If the target is the base itself, one of them states its position, where there is such.
	Segments []ArchivedSegment
	Cut      Cut
	// Window is where the target lies.
	Window Window
	// Hole says, where it is not nil, that there is more of the timeline behind a hole, of which nobody says that it was confirmed: the target was the newest state, and that is
	// before the hole.
	Hole *HoleError
	// Doubt says, where it is not nil, that the timeline was asked for by name and that the plan takes what may not count.
	Doubt *DoubtError
}

// Bytes is the size of the plan's objects.
func (p *Plan) Bytes() int64 {
	n := p.Base.Bytes
	for i := range p.Segments {
		n += p.Segments[i].Bytes
	}
	return n
}

// ErrNoBackup says that there is nothing to restore from: no archive at this place, no such timeline, or no base yet.
var ErrNoBackup = errors.New("no backup found")

// WindowError says that the target is not in the archive.
type WindowError struct {
	Target  Target
	Windows []Window // what is
}

// Error names the windows.
func (e *WindowError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v is outside of what can be restored:", e.Target)
	for i, w := range e.Windows {
		if i > 0 {
			b.WriteByte(';')
		}
		fmt.Fprintf(&b, " %v", w)
	}
	return b.String()
}

// HoleError says that the archive lacks bytes on the way to the target.
type HoleError struct {
	Timeline string
	Missing  stream.Range
	// Window is what can be restored before the hole.
	Window Window
	// Shipped is up to where all was confirmed, as far as somebody said; nil: nobody did.
	Shipped *stream.Offset
}

// Error names the hole, and what is before it.
func (e *HoleError) Error() string {
	said := ""
	if e.Shipped != nil {
		said = fmt.Sprintf(", and all up to %d was confirmed as stored", *e.Shipped)
	}
	return fmt.Sprintf("timeline %s lacks the bytes behind offset %d, up to %d%s; before the hole there is %v",
		e.Timeline, e.Missing.From, e.Missing.To, said, e.Window)
}

// GuardError says that the newest timeline began with next to nothing, and that nobody has said yet that this is right.
type GuardError struct {
	Timeline string // the newest
	Before   string // the one before, which is pinned
	Damaged  bool   // the pin cannot be read: it may be an operator's
}

// Error names both.
func (e *GuardError) Error() string {
	if e.Damaged {
		return fmt.Sprintf("%s is damaged, and may say that timeline %s began almost empty after %s: say which of the two is to be restored", PinKey(e.Before), e.Timeline, e.Before)
	}
	return fmt.Sprintf("timeline %s began almost empty after %s: say which of the two is to be restored", e.Timeline, e.Before)
}

// Guarded returns the newest timeline and the last one before it that the guard has pinned, until somebody unpins that: an upstream that restarts empty
// may do so again and again, and only the first time has something to lose. nil: there is none.
func (c *Catalog) Guarded() *GuardError {
	for n := len(c.Timelines) - 2; n >= 0; n-- {
		if pin := c.Timelines[n].Pin; pin != nil && pin.Reason != PinOperator {
			return &GuardError{Timeline: c.Timelines[len(c.Timelines)-1].ID, Before: c.Timelines[n].ID, Damaged: pin.Reason == PinDamaged}
		}
	}
	return nil
}

// Plan finds what to restore a target from: the newest base at or before it, and the fewest segments from there. Errors: ErrNoBackup, *WindowError,
// *HoleError, *GuardError, *DoubtError, and *DamagedError where the bases are gone of what was confirmed.
//
// What is doubtful is left out. Where that leaves nothing to restore the target from, or is behind the end of what counts, it is taken if the timeline is named, and
// otherwise it is an error.
func (c *Catalog) Plan(target Target) (*Plan, error) {
	t, err := c.choose(target)
	if err != nil {
		return nil, err
	}
	p, err := t.plan(target, c.Archive)
	if t.Doubtful.Len() == 0 || err == nil && !t.doubts(target, p) {
		return p, err
	}
	doubt := &DoubtError{Timeline: t.ID, Record: t.Doubtful.Record, Objects: t.Doubtful.Len()}
	all, allErr := t.trusting().plan(target, c.Archive)
	switch {
	case allErr != nil && err != nil:
		return nil, allErr
	case target.Timeline == "":
		return nil, doubt
	case allErr == nil:
		p = all
	}
	p.Doubt = doubt
	return p, nil
}

// doubts reports whether a plan ends with what counts though the target may be behind it.
func (t *ArchivedTimeline) doubts(target Target, p *Plan) bool {
	toEnd := target.Offset == nil && (target.Time.IsZero() || p.Window.End.UnixMilli() <= target.Time.UnixMilli())
	return toEnd && t.Doubtful.end() > p.Window.To
}

// plan is Plan for one timeline, of what counts.
func (t *ArchivedTimeline) plan(target Target, archive string) (*Plan, error) {
	windows := t.Windows()
	switch {
	case len(windows) == 0 && t.baseLost():
		return nil, t.lostBase()
	case len(windows) == 0:
		return nil, fmt.Errorf("%w: timeline %s of %s has no base", ErrNoBackup, t.ID, archive)
	case target.Offset != nil:
		return t.planOffset(target, windows)
	case !target.Time.IsZero():
		return t.planTime(target, windows)
	default:
		return t.planEnd(windows)
	}
}

// choose returns the timeline of a target.
func (c *Catalog) choose(target Target) (*ArchivedTimeline, error) {
	if target.Timeline != "" {
		for i := range c.Timelines {
			if c.Timelines[i].ID == target.Timeline {
				return &c.Timelines[i], nil
			}
		}
		return nil, fmt.Errorf("%w: %s has no timeline %s", ErrNoBackup, c.Archive, target.Timeline)
	}
	if lost := c.lostBase(target.Time); lost != nil {
		return nil, lost
	}
	with := slices.DeleteFunc(slices.Clone(c.Timelines), func(t ArchivedTimeline) bool { return len(t.Bases)+len(t.Doubtful.Bases) == 0 })
	if len(with) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNoBackup, c.Archive)
	}
	chosen := &with[len(with)-1]
	if !target.Time.IsZero() {
		for i := range slices.Backward(with) {
			if with[i].trusting().Bases[0].UnixMilli <= target.Time.UnixMilli() {
				chosen = &with[i]
				break
			}
		}
	}
	newest := &c.Timelines[len(c.Timelines)-1]
	if guard := c.Guarded(); guard != nil && (chosen.ID == newest.ID || len(newest.trusting().Bases) == 0) {
		return nil, guard
	}
	return chosen, nil
}

// planEnd plans for the end of everything that is there. A hole before it is an error, not an end, unless it begins where the last word is that all was confirmed, or behind:
// segments are stored out of order, so a sidecar that is killed leaves such a hole, and one at work has it. Nothing that was confirmed is behind it, but what was since the last renewal of
// the lease, at most a TTL ago; the same is not missed either where it is the end that somebody removes.
func (t *ArchivedTimeline) planEnd(windows []Window) (*Plan, error) {
	base := t.Bases[len(t.Bases)-1]
	w := windows[len(windows)-1]
	p := &Plan{Timeline: t.ID, Base: base, Window: w}
	for _, seg := range t.Segments {
		if seg.From > w.To {
			p.Hole = &HoleError{Timeline: t.ID, Missing: stream.Range{From: w.To, To: seg.From}, Window: w, Shipped: t.Shipped}
			break
		}
	}
	if p.Hole != nil && !t.unconfirmed(w.To) {
		return nil, p.Hole
	}
	p.Segments, _ = t.cover(base.Offset, w.To)
	return p, nil
}

// unconfirmed reports whether nothing behind an offset had been confirmed when somebody last spoke of the timeline.
func (t *ArchivedTimeline) unconfirmed(behind stream.Offset) bool {
	return t.Shipped != nil && behind >= *t.Shipped
}

// planOffset plans for an offset.
func (t *ArchivedTimeline) planOffset(target Target, windows []Window) (*Plan, error) {
	want := *target.Offset
	i, _ := slices.BinarySearchFunc(t.Bases, want+1, func(base ArchivedBase, o stream.Offset) int { return cmp.Compare(base.Offset, o) })
	if i == 0 || want > t.end() {
		return nil, &WindowError{Target: target, Windows: windows}
	}
	base := t.Bases[i-1]
	p := &Plan{Timeline: t.ID, Base: base, Cut: Cut{Offset: &want}, Window: windowOf(windows, base.Offset)}
	var reached stream.Offset
	if p.Segments, reached = t.cover(base.Offset, want); reached < want {
		return nil, t.hole(reached, p.Window)
	}
	return p, nil
}

// planTime plans for a time. Offsets do not tell where it is; the times in the names do.
func (t *ArchivedTimeline) planTime(target Target, windows []Window) (*Plan, error) {
	want := target.Time.UnixMilli()
	i := len(t.Bases) - 1
	for i >= 0 && t.Bases[i].UnixMilli > want {
		i--
	}
	if i < 0 || want > windows[len(windows)-1].End.UnixMilli() && want > t.endMilli() {
		return nil, &WindowError{Target: target, Windows: windows}
	}
	base := t.Bases[i]
	p := &Plan{Timeline: t.ID, Base: base, Cut: Cut{UnixMilli: want}, Window: windowOf(windows, base.Offset)}
	if want > p.Window.End.UnixMilli() {
		return nil, t.hole(p.Window.To, p.Window)
	}
	to := base.Offset
	for _, seg := range t.Segments {
		if seg.FromMilli <= want && seg.From <= p.Window.To {
			to = max(to, seg.To)
		}
	}
	p.Segments, _ = t.cover(base.Offset, min(to, p.Window.To))
	for n := len(p.Segments); n > 1 && p.Segments[n-1].FromMilli > want; n-- {
		p.Segments = p.Segments[:n-1]
	}
	return p, nil
}

// windowOf returns the window that has a base.
func windowOf(windows []Window, base stream.Offset) Window {
	for _, w := range windows {
		if base >= w.From && base <= w.To {
			return w
		}
	}
	return Window{}
}

// end is the last offset of anything that is there.
func (t *ArchivedTimeline) end() stream.Offset {
	var end stream.Offset
	for _, seg := range t.Segments {
		end = max(end, seg.To)
	}
	for _, base := range t.Bases {
		end = max(end, base.Offset)
	}
	return end
}

// endMilli is the last time of anything that is there.
func (t *ArchivedTimeline) endMilli() int64 {
	var end int64
	for _, seg := range t.Segments {
		end = max(end, seg.ToMilli)
	}
	return end
}

// ClockAhead says, with the next step, that times of the timeline are ahead of now by more than clocks differ; it is empty where they are not. A clock that jumps makes such
// times, and one of them stands for all that came until it was reached again.
func (t *ArchivedTimeline) ClockAhead(now time.Time) string {
	newest := t.endMilli()
	for _, b := range t.Bases {
		newest = max(newest, b.UnixMilli)
	}
	if newest <= now.Add(time.Minute).UnixMilli() {
		return ""
	}
	return fmt.Sprintf("timeline %s has times up to %s, ahead of the clock of this machine: if the sidecar's was wrong, they do not say what came when; restore by --offset instead, see docs/operations.md#a-clock-that-jumps",
		t.ID, time.UnixMilli(newest).UTC().Format(time.RFC3339))
}

// hole is the error for what is missing behind an offset.
func (t *ArchivedTimeline) hole(from stream.Offset, w Window) error {
	to := t.end()
	for _, seg := range t.Segments {
		if seg.From > from {
			to = min(to, seg.From)
		}
	}
	for _, base := range t.Bases {
		if base.Offset > from {
			to = min(to, base.Offset)
		}
	}
	return &HoleError{Timeline: t.ID, Missing: stream.Range{From: from, To: to}, Window: w, Shipped: t.Shipped}
}

// cover returns the fewest segments that have all from one offset to another, and how far they get. Each is the one that reaches farthest of those
// that begin where the one before ended, or earlier. For nothing it is a segment that states the place, if there is one.
func (t *ArchivedTimeline) cover(from, to stream.Offset) (segs []ArchivedSegment, reached stream.Offset) {
	reached = from
	if from >= to {
		return t.stating(from), reached
	}
	next := 0
	var best *ArchivedSegment
	for reached < to {
		for ; next < len(t.Segments) && t.Segments[next].From <= reached; next++ {
			if seg := &t.Segments[next]; best == nil || seg.better(best) {
				best = seg
			}
		}
		if best == nil || best.To <= reached {
			return segs, reached
		}
		segs = append(segs, *best)
		reached = best.To
	}
	return segs, reached
}

// better reports whether s takes a plan further than o: of two that reach the same place the later holder's, and then the shorter one.
func (s *ArchivedSegment) better(o *ArchivedSegment) bool {
	return cmp.Or(cmp.Compare(s.To, o.To), cmp.Compare(s.Epoch, o.Epoch), cmp.Compare(o.Bytes, s.Bytes)) > 0
}

// stating returns the smallest segment that says with which replid and database an offset goes on.
func (t *ArchivedTimeline) stating(at stream.Offset) []ArchivedSegment {
	var best *ArchivedSegment
	for i := range t.Segments {
		seg := &t.Segments[i]
		if seg.From <= at && at <= seg.To && (best == nil || seg.Bytes < best.Bytes) {
			best = seg
		}
	}
	if best == nil {
		return nil
	}
	return []ArchivedSegment{*best}
}
