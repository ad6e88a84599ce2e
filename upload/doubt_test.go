package upload

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// damage makes an object something else.
func (m *memStore) damage(tb testing.TB, key, text string) {
	tb.Helper()
	_, err := m.Put(tb.Context(), key, bodyOf([]byte(text)), Condition{})
	require.NoError(tb, err)
}

// A pin that cannot be read is a pin: retention takes nothing, restore asks as if the guard had made it, and everybody says which object it is.
func TestDamagedPin(t *testing.T) {
	now := time.Now()
	n := &names{t: t, store: newMemStore(), now: now}
	old, newest := "00000001-0123abcd", "00000002-0123abcd"
	n.base(old, 100, now.Add(-1000*time.Hour))
	n.base(newest, 100, now.Add(-900*time.Hour))
	n.base(newest, 200, now.Add(-800*time.Hour))
	n.base(newest, 300, now)
	n.store.damage(t, PinKey(old), "{")
	c, err := ReadCatalog(t.Context(), n.store)
	require.NoError(t, err)
	require.Len(t, c.Damaged, 1)
	require.Equal(t, PinKey(old), c.Damaged[0].Key)
	_, err = c.Plan(Target{})
	var guard *GuardError
	require.ErrorAs(t, err, &guard)
	require.Equal(t, GuardError{Timeline: newest, Before: old, Damaged: true}, *guard)
	require.ErrorContains(t, err, PinKey(old))
	plan, err := PlanPrune(c, Policy{Duration: time.Hour}, now)
	require.NoError(t, err)
	require.NotEmpty(t, plan.Objects)
	for _, o := range plan.Objects {
		require.NotContains(t, o.Key, old)
	}
	report, err := VerifyArchive(t.Context(), n.store, VerifyOptions{})
	require.NoError(t, err)
	require.False(t, report.OK())
	require.Equal(t, c.Damaged, report.Damaged)

	require.NoError(t, UnpinTimeline(t.Context(), n.store, old))
	c, err = ReadCatalog(t.Context(), n.store)
	require.NoError(t, err)
	_, err = c.Plan(Target{})
	require.NoError(t, err)
}

// The record of a timeline that cannot be read is as good as none.
func TestDamagedTimelineRecord(t *testing.T) {
	n := &names{t: t, store: newMemStore(), now: time.Now()}
	n.base("00000001-0123abcd", 100, n.now)
	n.store.damage(t, TimelineKey("00000001-0123abcd"), "")
	c, err := ReadCatalog(t.Context(), n.store)
	require.NoError(t, err)
	require.EqualValues(t, 1, c.Timelines[0].Epoch)
	require.Equal(t, TimelineKey("00000001-0123abcd"), c.Damaged[0].Key)
	_, err = c.Plan(Target{})
	require.NoError(t, err)
}

// Where the record of an epoch is damaged, nothing counts that it may put aside: what is planned without naming a timeline is what would have been planned
// with the record, or an error that names it.
func TestDamagedEpochAgainstAModel(t *testing.T) {
	doubts, plans := 0, 0
	for seed := range uint64(200) {
		m := newArchiveModel(t, seed)
		whole, err := ReadCatalog(t.Context(), m.store)
		require.NoError(t, err)
		counts := map[string]bool{}
		for _, b := range whole.Timelines[0].Bases {
			counts[b.String()] = true
		}
		for _, s := range whole.Timelines[0].Segments {
			counts[s.String()] = true
		}
		var epochs []int64
		for _, obj := range m.store.all() {
			if n, ok := ParseEpochKey(obj.Key); ok {
				epochs = append(epochs, n)
			}
		}
		damaged := epochs[m.rng.IntN(len(epochs))]
		m.store.damage(t, EpochKey(damaged), []string{"", "{", "{}", `{"epoch":99,"timeline":"x"}`, fmt.Sprintf(`{"epoch":%d}`, damaged)}[m.rng.IntN(5)])
		c, err := ReadCatalog(t.Context(), m.store)
		require.NoError(t, err)
		require.Equal(t, EpochKey(damaged), c.Damaged[0].Key)
		line := &c.Timelines[0]
		for _, b := range line.Bases {
			require.True(t, counts[b.String()], "%v", b)
		}
		for _, s := range line.Segments {
			require.True(t, counts[s.String()], "%v", s)
		}
		require.GreaterOrEqual(t, len(line.Bases)+len(line.Segments)+line.Doubtful.Len(), len(counts))
		targets := []Target{{}}
		for range 20 {
			at := m.ends[m.rng.IntN(len(m.ends))]
			targets = append(targets, Target{Offset: &at}, Target{Time: time.UnixMilli(m.times[at])})
		}
		for _, target := range targets {
			want, wantErr := whole.Plan(target)
			got, err := c.Plan(target)
			var doubt *DoubtError
			switch {
			case err == nil:
				plans++
				require.NoError(t, wantErr)
				require.Nil(t, got.Doubt)
				require.True(t, counts[got.Base.String()])
				for _, s := range got.Segments {
					require.True(t, counts[s.String()])
				}
				require.Equal(t, m.cut(want, target), m.cut(got, target), "%v", target)
			case wantErr == nil && want.Hole != nil && line.Shipped == nil: // whether it is the end, only that record may have told
				if _, hole := errors.AsType[*HoleError](err); !hole {
					require.ErrorAs(t, err, &doubt)
				}
			case wantErr == nil:
				doubts++
				require.ErrorAs(t, err, &doubt)
				require.Equal(t, EpochKey(damaged), doubt.Record)
				target.Timeline = planTimeline
				got, err := c.Plan(target)
				require.NoError(t, err)
				require.NotNil(t, got.Doubt)
			}
		}
	}
	require.Greater(t, doubts, 100)
	require.Greater(t, plans, 100)
}

// cut is where a restore of a plan ends.
func (m *archiveModel) cut(p *Plan, target Target) stream.Offset {
	end := p.Base.Offset
	for _, at := range m.ends {
		if at <= lastOf(p) && (target.Offset == nil || at <= *target.Offset) && (target.Time.IsZero() || m.times[at] <= target.Time.UnixMilli()) {
			end = max(end, at)
		}
	}
	return end
}

func lastOf(p *Plan) stream.Offset {
	if n := len(p.Segments); n > 0 {
		return p.Segments[n-1].To
	}
	return p.Base.Offset
}

// The record of the epoch before is damaged: a sidecar that comes cannot know up to where its timeline counts. It asks for a new one, ships that, and lets
// everything be that is there. Where the doubt is about what its epoch is far ahead of, it goes on.
func TestShipBehindADamagedEpoch(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l, store := newFakeLog(21), newMemStore()
			l.Resync(fakeReplID(1), 100)
			l.keeps = true
			p := start(t, Options{}, l, store)
			traffic(l, 20)
			p.end(t)
			p = start(t, Options{}, l, store)
			if ahead {
				traffic(l, 20)
				l.Rotate(true)
				traffic(l, 20)
			}
			<-time.After(5 * time.Second)
			p.end(t)
			before := l.ID()
			had, err := ReadTimeline(t.Context(), store, before)
			require.NoError(t, err)
			store.damage(t, EpochKey(2), "{")

			p = start(t, Options{}, l, store)
			<-time.After(5 * time.Second)
			if ahead {
				require.Empty(t, l.asked)
			} else {
				require.Len(t, l.asked, 1)
				require.Contains(t, l.asked[0], EpochKey(2))
				require.Contains(t, p.State().Error, EpochKey(2))
				l.Resync(fakeReplID(2), 50)
			}
			traffic(l, 20)
			<-time.After(5 * time.Second)
			requireShippedAll(t, p, l)
			require.Len(t, l.asked, map[bool]int{false: 1, true: 0}[ahead])
			c := requireValid(t, store, l)
			plan, err := c.Plan(Target{})
			require.NoError(t, err)
			require.Equal(t, l.ID(), plan.Timeline)
			require.Equal(t, l.End(), lastOf(plan))
			p.end(t)

			require.NoError(t, store.Delete(t.Context(), EpochKey(2)))
			has, err := ReadTimeline(t.Context(), store, before)
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(has.Bases)+len(has.Segments), len(had.Bases)+len(had.Segments))
			require.Empty(t, has.Void)
		})
	}
}
