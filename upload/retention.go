package upload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Policy is what retention keeps; the zero value of a field means its default.
type Policy struct {
	// Duration is how far back every moment stays restorable; default 168 h.
	Duration time.Duration
	// MinBases is how many bases stay however old they are, with all that follows them; default 2. The newest always stays.
	MinBases int
	// Grace is how long objects stay that nobody needs: segments that a merged one covers, because a restore may be reading them, and what a holder wrote that
	// had lost its lease; default 24 h.
	Grace time.Duration
	// Sweep is how old an upload gets that never ended; default 24 h.
	Sweep time.Duration
}

func (p Policy) withDefaults() (Policy, error) {
	setDefault(&p.Duration, 7*24*time.Hour)
	setDefault(&p.MinBases, 2)
	setDefault(&p.Grace, 24*time.Hour)
	setDefault(&p.Sweep, 24*time.Hour)
	if p.Duration < 0 || p.MinBases < 0 || p.Grace < 0 || p.Sweep < 0 {
		return p, errors.New("retention: durations and counts must be positive")
	}
	return p, nil
}

// Why an object goes.
const (
	PruneOld    = "old"    // it is behind the retention
	PruneMerged = "merged" // another object has all of it
	PruneVoid   = "void"   // its writer had lost the lease
)

// PruneObject is an object to remove.
type PruneObject struct {
	Key   string `json:"key"`
	Bytes int64  `json:"bytes"`
	Why   string `json:"why"`
}

// PrunePlan is what retention removes, in the order in which it does. In each timeline bases go first: wherever it is interrupted, what can be restored begins
// at a base and has no hole, and the rest is found again.
type PrunePlan struct {
	Objects []PruneObject `json:"objects"`
	Bytes   int64         `json:"bytes"`
}

// PlanPrune decides what of an archive goes. It never is the newest base of all nor what follows it, a pinned timeline, one that is in doubt, or what leads up to a moment that is kept.
func PlanPrune(c *Catalog, policy Policy, now time.Time) (PrunePlan, error) {
	policy, err := policy.withDefaults()
	if err != nil {
		return PrunePlan{}, err
	}
	var plan PrunePlan
	line, base := policy.keepFrom(c, now)
	for i := range c.Timelines {
		t := &c.Timelines[i]
		p := pruning{t: t, policy: policy, now: now, gone: map[string]bool{}}
		switch {
		case t.Pin != nil, t.Doubtful.Len() > 0:
			continue // not even what nobody needs: a pin is simple, and a doubt should be settled first
		case i < line:
			p.before(p.outdated())
		case i == line:
			p.before(int64(t.Bases[base].Offset))
		}
		p.covered()
		p.void()
		plan.Objects = append(plan.Objects, p.objects...)
	}
	for _, o := range plan.Objects {
		plan.Bytes += o.Bytes
	}
	return plan, nil
}

// keepFrom returns the first base that stays: the newest that is as old as the retention is long, or an older one if there would be too few. Where
// there is none, everything stays.
func (p Policy) keepFrom(c *Catalog, now time.Time) (line, base int) {
	cutoff := now.Add(-p.Duration).UnixMilli()
	count := 0
	for i, t := range slices.Backward(c.Timelines) {
		for k, b := range slices.Backward(t.Bases) {
			if k+1 < len(t.Bases) && t.Bases[k+1].Offset == b.Offset {
				continue // the same state, stored twice
			}
			count++
			if count >= max(1, p.MinBases) && b.UnixMilli <= cutoff {
				return i, k
			}
		}
	}
	return -1, 0
}

// pruning decides about one timeline.
type pruning struct {
	t       *ArchivedTimeline
	policy  Policy
	now     time.Time
	gone    map[string]bool
	objects []PruneObject
}

func (p *pruning) remove(key string, bytes int64, why string) {
	if !p.gone[key] {
		p.gone[key] = true
		p.objects = append(p.objects, PruneObject{Key: key, Bytes: bytes, Why: why})
	}
}

// outdated is the offset before which a timeline that others came after is older than the retention; behind all of it, if it ended before. What is newest does not
// tell how old the others are: of two sidecars that take turns each has a log of its own.
func (p *pruning) outdated() int64 {
	cutoff := p.now.Add(-p.policy.Duration).UnixMilli()
	from, end := int64(0), p.t.endMilli()
	for _, b := range p.t.Bases {
		end = max(end, b.UnixMilli)
		if b.UnixMilli <= cutoff {
			from = int64(b.Offset)
		}
	}
	if end <= cutoff {
		return maxKeyOffset + 1
	}
	return from
}

// before removes what is needed only for offsets before off, and the timeline itself where that is all of it.
func (p *pruning) before(off int64) {
	keeps := p.moments()
	needed := func(from, to int64) bool {
		return to >= off || slices.ContainsFunc(keeps, func(r [2]int64) bool { return to >= r[0] && from <= r[1] })
	}
	all := true
	for _, b := range p.t.Bases {
		if at := int64(b.Offset); needed(at, at) {
			all = false
		} else {
			p.remove(b.String(), b.Bytes, PruneOld)
		}
	}
	for _, s := range p.t.Segments {
		if needed(int64(s.From), int64(s.To)) {
			all = false
		} else {
			p.remove(s.String(), s.Bytes, PruneOld)
		}
	}
	if !all || off <= maxKeyOffset {
		return
	}
	for _, o := range p.t.Void {
		p.remove(o.Key, o.Size, PruneVoid)
	}
	for _, m := range p.t.Moments {
		p.remove(m.String(), 0, PruneOld) // nothing leads up to it
	}
	p.remove(TimelineKey(p.t.ID), 0, PruneOld)
}

// moments are the ranges that lead up to the moments that are kept.
func (p *pruning) moments() [][2]int64 {
	var keeps [][2]int64
	for _, m := range p.t.Moments {
		from := int64(-1)
		for _, b := range p.t.Bases {
			if b.Offset <= m.Offset {
				from = int64(b.Offset)
			}
		}
		if from >= 0 {
			keeps = append(keeps, [2]int64{from, int64(m.Offset)})
		}
	}
	return keeps
}

// covered removes segments of which another has all, and bases that are stored twice.
func (p *pruning) covered() {
	segs := slices.DeleteFunc(slices.Clone(p.t.Segments), func(s ArchivedSegment) bool { return p.gone[s.String()] })
	slices.SortStableFunc(segs, func(a, b ArchivedSegment) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(b.To, a.To), cmp.Compare(b.ToMilli, a.ToMilli), cmp.Compare(b.Epoch, a.Epoch))
	})
	var cover *ArchivedSegment // of those that begin before, the one that reaches farthest
	for i := range segs {
		s := &segs[i]
		switch {
		case cover != nil && s.To <= cover.To && s.ToMilli <= cover.ToMilli:
			p.remove(s.String(), s.Bytes, PruneMerged)
		case p.aged(s.Modified) && (cover == nil || s.To > cover.To):
			cover = s
		}
	}
	for i, b := range p.t.Bases {
		if i+1 < len(p.t.Bases) && p.t.Bases[i+1].Offset == b.Offset && p.aged(p.t.Bases[i+1].Modified) {
			p.remove(b.String(), b.Bytes, PruneMerged)
		}
	}
}

func (p *pruning) void() {
	for _, o := range p.t.Void {
		if p.aged(o.Modified) {
			p.remove(o.Key, o.Size, PruneVoid)
		}
	}
}

func (p *pruning) aged(modified time.Time) bool { return p.now.Sub(modified) >= p.policy.Grace }

// PruneResult is what became of a plan.
type PruneResult struct {
	Removed  int   `json:"removed"`
	Bytes    int64 `json:"bytes"`
	Retained int   `json:"retained"` // the store does not let go of them (now)
}

// maxRefusals is how many objects in a row a store may keep until the others are not tried: it lets nothing go.
const maxRefusals = 16

// pinEvery is after how many objects of a timeline it is asked again whether somebody has pinned it: to remove thousands takes minutes.
const pinEvery = 64

// pinWatch finds out which timelines were pinned since a plan was made.
type pinWatch struct {
	store  Store
	id     string
	asked  int // since the last look
	pinned bool
}

// covers reports whether the timeline of an object is pinned now, as of a moment ago.
func (w *pinWatch) covers(ctx context.Context, key string) (bool, error) {
	id, _, ok := cutTimeline(key, "")
	if !ok {
		return false, nil
	}
	if w.asked++; id == w.id && (w.pinned || w.asked < pinEvery) {
		return w.pinned, nil
	}
	_, err := ReadPin(ctx, w.store, id)
	_, damaged := errors.AsType[*DamagedError](err)
	if err != nil && !damaged && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	w.id, w.asked, w.pinned = id, 0, !errors.Is(err, ErrNotFound)
	return w.pinned, nil
}

// Apply removes the objects of the plan in order; done, which may be nil, is told of each, with ErrRetained of those that stay. Objects that stay are no error; those of
// timelines that were pinned since the plan was made stay, too.
func (p *PrunePlan) Apply(ctx context.Context, store Store, done func(PruneObject, error)) (PruneResult, error) {
	var res PruneResult
	refusals := 0
	pins := pinWatch{store: store}
	for i, o := range p.Objects {
		pinned, err := pins.covers(ctx, o.Key)
		if err != nil {
			return res, err
		}
		if pinned {
			continue
		}
		err = store.Delete(ctx, o.Key)
		switch {
		case errors.Is(err, ErrRetained):
			res.Retained++
			refusals++
		case err != nil:
			return res, fmt.Errorf("remove %s: %w", o.Key, err)
		default:
			res.Removed++
			res.Bytes += o.Bytes
			refusals = 0
		}
		if done != nil {
			done(o, err)
		}
		if refusals >= maxRefusals {
			res.Retained += len(p.Objects) - i - 1
			return res, nil
		}
	}
	return res, nil
}

// Prune plans what retention removes as of now; it removes nothing: Apply does.
func Prune(ctx context.Context, store Store, policy Policy, now time.Time) (PrunePlan, error) {
	c, err := ReadCatalog(ctx, store)
	if err != nil {
		return PrunePlan{}, err
	}
	return PlanPrune(c, policy, now)
}

// firstLook is how long after the start retention looks at the archive for the first time.
const firstLook = time.Minute

// retain looks at the archive now and then, while the lease is held.
func (t *tenure) retain(ctx context.Context) error {
	for wait := min(firstLook, t.opt.RetentionInterval); ; wait = t.opt.RetentionInterval {
		select {
		case <-time.After(wait):
		case <-t.draining:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := t.look(ctx); err != nil && ctx.Err() == nil {
			t.failed("look after retention", err)
		}
	}
}

// look finds out what can be restored, and removes what need not be, once the clock is trusted.
func (t *tenure) look(ctx context.Context) error {
	at := t.leaser.now()
	jumped := t.trust.look(at)
	c, err := ReadCatalog(ctx, t.store)
	if err != nil {
		return err
	}
	remove := t.opt.Retention != nil && t.trust.kept()
	var res PruneResult
	var now time.Time
	if remove {
		now = t.present(ctx, at.wall)
		plan, err := PlanPrune(c, *t.opt.Retention, now)
		if err != nil {
			return err
		}
		if res, err = plan.Apply(ctx, t.store, t.pruned); err != nil {
			return err
		}
		c.without(&plan)
	}
	var first Window
	if windows := c.Windows(); len(windows) > 0 {
		first = windows[0]
	}
	t.progress.looked(first.Begin, first.From, res.Retained)
	switch {
	case t.opt.Retention == nil:
		return nil
	case !remove:
		return jumped
	}
	sweep := t.opt.Retention.Sweep
	setDefault(&sweep, 24*time.Hour)
	return t.sweep(ctx, now.Add(-sweep))
}

// sweep gives up what never ended of our own: in a bucket without a prefix there may be somebody else's.
func (t *tenure) sweep(ctx context.Context, before time.Time) error {
	total := 0
	var errs []error
	for _, prefix := range []string{LeaseKey(), EpochsPrefix(), TimelinesPrefix()} {
		n, err := t.store.Sweep(ctx, prefix, before)
		total += n
		errs = append(errs, err)
	}
	if total > 0 && t.opt.Observer.Swept != nil {
		t.opt.Observer.Swept(total)
	}
	return errors.Join(errs...)
}

// maxAhead is how far our clock may be ahead of the store's.
const maxAhead = time.Hour

// present is our now, or what the store says of it where our clock has stepped ahead: what it makes old would be gone when the clock is right again. The store dates the
// lease, which is renewed all the time; without one there is only our own clock.
func (t *tenure) present(ctx context.Context, now time.Time) time.Time {
	body, lease, err := t.store.Get(ctx, LeaseKey(), 0, 0)
	if err != nil {
		return now
	}
	_ = body.Close() // nothing was read
	if limit := lease.Modified.Add(maxAhead); t.lease != nil && limit.Before(now) {
		return limit
	}
	return now
}

// without takes out of the catalog what a plan has removed.
func (c *Catalog) without(plan *PrunePlan) {
	gone := map[string]bool{}
	for _, o := range plan.Objects {
		gone[o.Key] = true
	}
	for i := range c.Timelines {
		t := &c.Timelines[i]
		t.Bases = slices.DeleteFunc(t.Bases, func(b ArchivedBase) bool { return gone[b.String()] })
		t.Segments = slices.DeleteFunc(t.Segments, func(s ArchivedSegment) bool { return gone[s.String()] })
	}
}

// pruned is told of each object.
func (t *tenure) pruned(o PruneObject, err error) {
	if err != nil {
		if t.opt.Observer.Retained != nil {
			t.opt.Observer.Retained(o.Key)
		}
		return
	}
	t.progress.pruned()
	if t.opt.Observer.Pruned != nil {
		t.opt.Observer.Pruned(o.Key, o.Bytes)
	}
}
