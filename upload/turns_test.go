package upload

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTurns: two sidecars on one prefix, each with a log and so a timeline of its own, take turns. What is newest is what the present holder ships, though the other's
// timeline was created later; and it stays when the other's has grown old.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, begun := newMemStore(), time.Now()
		a, b := newFakeLog(1), newFakeLog(2)
		b.salt = 5
		opt := Options{Interval: 10 * time.Minute, LeaseTTL: 10 * time.Second, Retention: &Policy{Duration: 48 * time.Hour, MinBases: 1}}
		a.Resync(fakeReplID(1), 100)
		p := start(t, opt, a, store)
		traffic(a, 10)
		p.end(t)

		b.Resync(fakeReplID(1), 150)
		p = start(t, opt, b, store)
		traffic(b, 10)
		b.Rotate(true)
		traffic(b, 10)
		p.end(t)

		p = start(t, opt, a, store)
		<-time.After(time.Minute)
		for range 7 * 24 {
			a.Write(3)
			a.Sync()
			<-time.After(time.Hour)
			a.Rotate(true)
			c, err := ReadCatalog(t.Context(), store)
			require.NoError(t, err)
			plan, err := c.Plan(Target{})
			require.NoError(t, err)
			require.Equal(t, a.ID(), plan.Timeline, "the newest state is the holder's")
			require.LessOrEqual(t, plan.Window.Begin, later(begun.Add(time.Second), time.Now().Add(-48*time.Hour)), "all of the retention")
		}
		<-time.After(time.Minute)
		requireShippedAll(t, p, a)
		p.end(t)

		c := requireValid(t, store, a, b)
		require.Equal(t, a.End(), c.Timelines[0].Windows()[0].To)
		require.Len(t, c.Timelines, 1, "the other timeline ended days ago")
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// TestRetentionOfTimelinesSideBySide: one that ended within the retention stays, wherever it stands among the others.
func TestRetentionOfTimelinesSideBySide(t *testing.T) {
	n := &names{t: t, store: newMemStore(), now: time.Now().Truncate(time.Second)}
	day := func(d int) time.Time { return n.now.Add(-time.Duration(d) * 24 * time.Hour) }
	one, two := "00000001-0123abcd", "00000002-0123abcd"
	for id, epoch := range map[string]int64{one: 1, two: 2} {
		_, err := putRecord(t.Context(), n.store, TimelineKey(id), TimelineRecord{Timeline: id, Epoch: epoch}, Condition{})
		require.NoError(t, err)
	}
	_, err := putRecord(t.Context(), n.store, EpochKey(3), EpochRecord{Epoch: 3, Timeline: one, Offset: 200}, Condition{})
	require.NoError(t, err)
	n.base(one, 100, day(10))
	n.segment(one, 100, 200, day(10), day(0))
	n.base(one, 200, day(0))
	n.base(two, 100, day(12))
	n.segment(two, 100, 200, day(12), day(5))
	n.base(two, 200, day(5))
	n.segment(two, 200, 300, day(5), day(4))
	plan, err := Prune(t.Context(), n.store, Policy{}, n.now)
	require.NoError(t, err)
	require.Empty(t, plan.Objects, "day 7 of the second begins with a base of day 12")

	plan, err = Prune(t.Context(), n.store, Policy{Duration: 4*24*time.Hour + time.Hour}, n.now)
	require.NoError(t, err)
	require.Len(t, plan.Objects, 1, "%v", plan)
	require.Contains(t, plan.Objects[0].Key, TimelinePrefix(two)+"base/")
}

// TestGuardTripsOnce: the upstream restarts empty twice. The second time there is nothing to lose, so only the first timeline is pinned; it still is what
// a restore has to be asked about.
func TestGuardTripsOnce(t *testing.T) {
	n := &names{t: t, store: newMemStore(), now: time.Now()}
	ids := []string{"00000001-0123abcd", "00000002-0123abcd", "00000003-0123abcd"}
	for _, id := range ids {
		n.base(id, 100, n.now)
	}
	require.NoError(t, PinTimeline(t.Context(), n.store, ids[0], PinRecord{Reason: PinGuard}))
	c, err := ReadCatalog(t.Context(), n.store)
	require.NoError(t, err)
	_, err = c.Plan(Target{})
	var guard *GuardError
	require.ErrorAs(t, err, &guard)
	require.Equal(t, GuardError{Timeline: ids[2], Before: ids[0]}, *guard)
	require.NoError(t, UnpinTimeline(t.Context(), n.store, ids[0]))
	c, err = ReadCatalog(t.Context(), n.store)
	require.NoError(t, err)
	plan, err := c.Plan(Target{})
	require.NoError(t, err)
	require.Equal(t, ids[2], plan.Timeline)
}

// TestNothingIsConfirmedAfterTheLease: the process is stopped with a segment on its way that arrives. When it goes on its lease is somebody else's,
// and what they found did not have it.
func TestNothingIsConfirmedAfterTheLease(t *testing.T) {
	held := true
	store := &fencedStore{Store: newMemStore(), valid: func() error {
		if held {
			return nil
		}
		return ErrLeaseLost
	}}
	put := func() error {
		_, err := store.Put(t.Context(), "a", Body{Size: 0, Open: bytesBody(nil).Open}, Condition{Absent: true})
		return err
	}
	require.NoError(t, put())
	require.ErrorIs(t, put(), ErrExists)
	inner := store.Store
	store.Store = &faultyStore{Store: inner, put: func(context.Context, string) error { held = false; return nil }}
	require.ErrorIs(t, put(), ErrLeaseLost, "that it is there says nothing any more")
	held = true
	require.NoError(t, inner.Delete(t.Context(), "a"))
	require.ErrorIs(t, put(), ErrLeaseLost)
	_, _, err := inner.Get(t.Context(), "a", 0, 0)
	require.NoError(t, err, "it arrived")
}

// TestBaseAheadIsNotShipped: a base arrives before the segments that lead up to it. Who starts now goes on where the segments end, and the base
// does not count any more: nobody may have been told that it was shipped.
func TestBaseAheadIsNotShipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(4), newMemStore()
		l.Resync(fakeReplID(1), 0)
		p := start(t, Options{}, l, store)
		traffic(l, 10)
		<-time.After(5 * time.Second)
		before, ok := p.Shipped()
		require.True(t, ok)
		store.fails(func(ctx context.Context, op, key string, _ bool) error {
			if _, seg := ParseSegmentKey(key); op == "put" && seg {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		})
		traffic(l, 10)
		l.Rotate(true)
		<-time.After(5 * time.Second)
		require.Len(t, l.stored, 2, "the base is there")
		told, ok := p.Shipped()
		require.True(t, ok)
		require.Equal(t, before, told)
		p.end(t)

		p = start(t, Options{}, l, store)
		<-time.After(5 * time.Second)
		c, err := ReadCatalog(t.Context(), store)
		require.NoError(t, err)
		plan, err := c.Plan(Target{})
		require.NoError(t, err)
		require.GreaterOrEqual(t, plan.Window.To, told, "what was told is there")
		store.fails(nil)
		p.end(t)
		p = start(t, Options{}, l, store)
		<-time.After(5 * time.Second)
		requireShippedAll(t, p, l)
		p.end(t)
	})
}

// sweepNoter notes what is swept.
type sweepNoter struct {
	*memStore
	prefixes []string
	before   time.Time
}

func (s *sweepNoter) Sweep(_ context.Context, prefix string, before time.Time) (int, error) {
	s.prefixes, s.before = append(s.prefixes, prefix), before
	return 0, nil
}

// TestSweepLeavesOthersUploads: an archive at the root of a bucket shares it with whoever else is there.
func TestSweepLeavesOthersUploads(t *testing.T) {
	store := &sweepNoter{memStore: newMemStore()}
	up := &tenure{Uploader: &Uploader{}, store: store}
	require.NoError(t, up.sweep(t.Context(), time.Now()))
	for _, ours := range []string{LeaseKey(), EpochKey(1), TimelineKey("00000001-0123abcd")} {
		require.True(t, slices.ContainsFunc(store.prefixes, func(p string) bool { return strings.HasPrefix(ours, p) }), ours)
	}
	for _, p := range store.prefixes {
		require.False(t, strings.HasPrefix("uploads/of/somebody", p), p) //nolint:gocritic // p begins it, or not
	}
}

// TestSweepBelievesTheStore: our clock is a year ahead of the store's. An upload that is under way is not a day old.
func TestSweepBelievesTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &sweepNoter{memStore: newMemStore()}
		u := &Uploader{opt: Options{Retention: &Policy{}}, leaser: &leaser{wall: time.Now}}
		up := &tenure{Uploader: u, store: store, lease: &lease{}}
		obj, err := store.put(LeaseKey(), []byte("{}"), Condition{})
		require.NoError(t, err)
		obj.Modified = time.Now().Add(-365 * 24 * time.Hour)
		store.objects[LeaseKey()] = memObject{Object: obj}
		require.NoError(t, up.look(t.Context()))
		<-time.After(trustAfter)
		require.NoError(t, up.look(t.Context()))
		require.Equal(t, obj.Modified.Add(maxAhead-24*time.Hour), store.before)
	})
}

// TestRetentionBelievesTheStore: our clock is a year ahead of the store's. What the store does not call old stays.
func TestRetentionBelievesTheStore(t *testing.T) {
	store := newMemStore()
	held := &tenure{Uploader: &Uploader{}, store: store, lease: &lease{}}
	require.WithinDuration(t, time.Now(), held.present(t.Context(), time.Now()), time.Minute, "nothing is there")
	obj, err := store.put(LeaseKey(), []byte("{}"), Condition{})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), held.present(t.Context(), time.Now()), time.Minute)
	obj.Modified = time.Now().Add(-365 * 24 * time.Hour)
	store.objects[LeaseKey()] = memObject{Object: obj}
	require.Equal(t, obj.Modified.Add(maxAhead), held.present(t.Context(), time.Now()))
	held.lease = nil
	require.WithinDuration(t, time.Now(), held.present(t.Context(), time.Now()), time.Minute, "what another time's holder left says nothing")
}
