package upload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// names fills a store with objects that have names and nothing in them.
type names struct {
	t     testing.TB
	store *memStore
	now   time.Time
	sum   int
}

func (n *names) put(key string, at time.Time) {
	n.t.Helper()
	_, err := n.store.put(key, []byte("{}"), Condition{Absent: true})
	require.NoError(n.t, err)
	obj := n.store.objects[key]
	obj.Modified = at
	n.store.objects[key] = obj
}

func (n *names) base(id string, off int, at time.Time) {
	n.sum++
	n.put(BaseKey{Timeline: id, Offset: stream.Offset(off), UnixMilli: at.UnixMilli(), Epoch: 1, Sum: fmt.Sprintf("%016x", n.sum)}.String(), at)
}

func (n *names) segment(id string, from, to int, begin, end time.Time) {
	n.sum++
	n.put(SegmentKey{
		Timeline: id, From: stream.Offset(from), To: stream.Offset(to), FromMilli: begin.UnixMilli(), ToMilli: end.UnixMilli(),
		Epoch: 1, Sum: fmt.Sprintf("%016x", n.sum),
	}.String(), end)
}

// randomArchive is some days of some timelines, ending now.
func (n *names) randomArchive(rng *rand.Rand) {
	at := n.now.Add(-time.Duration(rng.IntN(20*24)) * time.Hour)
	lines := 1 + rng.IntN(4)
	for l := range lines {
		id := fmt.Sprintf("%08d-0123abcd", l+1)
		_, err := putRecord(n.t.Context(), n.store, TimelineKey(id), TimelineRecord{Timeline: id, Epoch: 1, At: at}, Condition{})
		require.NoError(n.t, err)
		if rng.IntN(6) == 0 {
			require.NoError(n.t, PinTimeline(n.t.Context(), n.store, id, PinRecord{Reason: PinOperator}))
		}
		end := n.now
		if l < lines-1 {
			end = at.Add(n.now.Sub(at) / time.Duration(2+rng.IntN(3)))
		}
		n.line(rng, id, at, end)
		at = end
	}
}

func (n *names) line(rng *rand.Rand, id string, at, end time.Time) {
	off := rng.IntN(1000)
	n.base(id, off, at)
	for at.Before(end) {
		begin, first := at, off
		for range 1 + rng.IntN(4) { // an increment
			next, to := at.Add(time.Duration(rng.IntN(5*60))*time.Minute), off+rng.IntN(100)
			n.segment(id, off, to, at, next)
			at, off = next, to
		}
		if rng.IntN(3) > 0 && off > first {
			n.segment(id, first, off, begin, at)
		}
		switch rng.IntN(8) {
		case 0, 1, 2:
			n.base(id, off, at)
		case 3:
			off += 50 // a gap
			if rng.IntN(2) == 0 {
				n.base(id, off, at)
			}
		case 4:
			m := Moment{Timeline: id, Offset: stream.Offset(off)}
			if _, there := n.store.objects[m.String()]; !there {
				n.put(m.String(), at)
			}
		}
	}
}

// restorable is what a place looks like to a restore: where it would end, or nothing.
func restorable(c *Catalog, target Target) (end stream.Offset, ok bool) {
	plan, err := c.Plan(target)
	if err != nil {
		return 0, false
	}
	end = plan.Base.Offset
	for _, s := range plan.Segments {
		end = max(end, s.To)
	}
	return min(end, *target.Offset), true
}

// TestPruneKeepsWhatItMust: whatever the archive, and wherever retention is interrupted: what had to stay restorable is, and nothing looks restorable that is not.
func TestPruneKeepsWhatItMust(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			n := &names{t: t, store: newMemStore(), now: time.Now().Truncate(time.Second)}
			n.randomArchive(rng)
			policy := Policy{Duration: time.Duration(1+rng.IntN(10)) * 24 * time.Hour, MinBases: 1 + rng.IntN(3)}
			before, err := ReadCatalog(t.Context(), n.store)
			require.NoError(t, err)
			plan, err := PlanPrune(before, policy, n.now)
			require.NoError(t, err)

			line, base := policy.keepFrom(before, n.now)
			check := func(after *Catalog) {
				for i := range before.Timelines {
					b := &before.Timelines[i]
					for _, w := range b.Windows() {
						for off := w.From; off <= w.To; off += 1 + stream.Offset(rng.IntN(60)) {
							target := Target{Timeline: b.ID, Offset: &off}
							was, ok := restorable(before, target)
							require.True(t, ok)
							now, still := restorable(after, target)
							must := line < 0 || i > line || i == line && off >= b.Bases[base].Offset || b.Pin != nil
							for _, m := range b.Moments {
								must = must || m.Offset == off
							}
							require.True(t, still || !must, "%s %d", b.ID, off)
							if must {
								require.Equal(t, was, now, "%s %d", b.ID, off)
							}
						}
					}
				}
				for _, w := range after.Windows() {
					inside := false
					for _, o := range before.Windows() {
						inside = inside || o.Timeline == w.Timeline && o.From <= w.From && w.To <= o.To
					}
					require.True(t, inside, "%v was not restorable before", w)
				}
			}
			objects := plan.Objects
			for len(objects) > 0 {
				k := 1 + rng.IntN(len(objects))
				part := PrunePlan{Objects: objects[:k]}
				objects = objects[k:]
				res, err := part.Apply(t.Context(), n.store, nil)
				require.NoError(t, err)
				require.Equal(t, k, res.Removed)
				after, err := ReadCatalog(t.Context(), n.store)
				require.NoError(t, err)
				check(after)
			}
			after, err := ReadCatalog(t.Context(), n.store)
			require.NoError(t, err)
			check(after)
			again, err := PlanPrune(after, policy, n.now)
			require.NoError(t, err)
			require.Empty(t, again.Objects, "what it leaves it does not want")
		})
	}
}

func TestPruneTakesSomething(t *testing.T) {
	n := &names{t: t, store: newMemStore(), now: time.Now()}
	id := "00000001-0123abcd"
	day := func(d int) time.Time { return n.now.Add(time.Duration(-d) * 24 * time.Hour) }
	for d := 20; d > 0; d-- {
		n.base(id, 1000-d*10, day(d))
		n.segment(id, 1000-d*10, 1000-d*10+10, day(d), day(d-1))
	}
	plan, err := Prune(t.Context(), n.store, Policy{}, n.now)
	require.NoError(t, err)
	require.Len(t, plan.Objects, 25, "13 bases, and what is between them")
	require.Contains(t, plan.Objects[0].Key, "/base/")
	for _, o := range plan.Objects {
		require.Equal(t, PruneOld, o.Why)
	}

	n.store.retains = func(string) bool { return true }
	res, err := plan.Apply(t.Context(), n.store, nil)
	require.NoError(t, err, "retained is a state")
	require.Equal(t, PruneResult{Retained: 25}, res)
	n.store.retains = nil

	require.NoError(t, PinTimeline(t.Context(), n.store, id, PinRecord{Reason: PinOperator}))
	require.NoError(t, PinTimeline(t.Context(), n.store, id, PinRecord{Reason: PinGuard}))
	pinned, err := Prune(t.Context(), n.store, Policy{}, n.now)
	require.NoError(t, err)
	require.Empty(t, pinned.Objects)
	rec, err := ReadPin(t.Context(), n.store, id)
	require.NoError(t, err)
	require.Equal(t, PinOperator, rec.Reason, "the first pin stays")
	require.NoError(t, UnpinTimeline(t.Context(), n.store, id))
	require.NoError(t, UnpinTimeline(t.Context(), n.store, id))
	_, err = ReadPin(t.Context(), n.store, id)
	require.ErrorIs(t, err, ErrNotFound)

	few, err := Prune(t.Context(), n.store, Policy{MinBases: 15}, n.now)
	require.NoError(t, err)
	require.Len(t, few.Objects, 9)
}

// TestRetentionInTheUploader: merged increments replace their segments after a day, and the window moves.
func TestRetentionInTheUploader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(3), newMemStore()
		l.Resync(fakeReplID(1), 0)
		var pruned, retained int
		opt := Options{
			Interval: time.Minute, Retention: &Policy{Duration: 48 * time.Hour, MinBases: 1},
			Observer: Observer{Pruned: func(string, int64) { pruned++ }, Retained: func(string) { retained++ }},
		}
		p := start(t, opt, l, store)
		for hour := range 100 {
			for range 6 {
				l.Write(3)
				l.Sync()
				<-time.After(10 * time.Minute)
			}
			if hour == 3 {
				l.Do("flushall")
			}
			l.Rotate(hour%24 == 23)
		}
		<-time.After(2 * time.Hour)
		requireShippedAll(t, p, l)
		c := requireValid(t, store, l)
		require.Len(t, c.Timelines[0].Moments, 1)
		windows := c.Windows()
		require.Len(t, windows, 2, "the moment before FLUSHALL, and the last days")
		require.LessOrEqual(t, c.Timelines[0].Moments[0].Offset, windows[0].To)
		require.Less(t, windows[1].Begin, time.Now().Add(-48*time.Hour), "all of the retention")
		require.Greater(t, windows[1].Begin, time.Now().Add(-73*time.Hour))
		require.Less(t, len(c.Timelines[0].Segments), 260, "26 h of segments, and an object for each hour")
		require.Positive(t, pruned)
		s := p.State()
		require.Equal(t, int64(pruned), s.Pruned)
		require.Equal(t, windows[0].Begin, s.WindowBegin)

		store.mu.Lock()
		store.retains = func(string) bool { return true }
		store.mu.Unlock()
		was := pruned
		<-time.After(24 * time.Hour)
		require.Equal(t, was, pruned)
		require.Positive(t, p.State().Retained)
		require.Positive(t, retained)
		require.Empty(t, p.State().Error)
		p.end(t)
	})
}

func TestRetentionFailuresAreStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(3), newMemStore()
		l.Resync(fakeReplID(1), 0)
		p := start(t, Options{Retention: &Policy{}, RetentionInterval: time.Minute}, l, store)
		store.fails(func(_ context.Context, op, key string, _ bool) error {
			if op == "list" && key == TimelinesPrefix() {
				return errors.New("slow down")
			}
			return nil
		})
		traffic(l, 300)
		<-time.After(3 * time.Second)
		requireShippedAll(t, p, l)
		require.Contains(t, p.State().Error, "slow down")
		p.end(t)
	})
}
