package upload

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A wall clock is trusted once it has gone as the other one does for long enough, and no longer when it jumped.
func TestTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c trust
		var ahead time.Duration
		look := func(pass, step time.Duration) error {
			<-time.After(pass)
			ahead += step
			return c.look(moment{steady: time.Now(), wall: time.Now().Add(ahead).Round(0)})
		}
		for i, l := range []struct {
			pass, step time.Duration
			trusted    bool
			jumped     string
		}{
			{0, 0, false, ""},
			{trustAfter - 1, 0, false, ""},
			{1, 0, true, ""},
			{time.Hour, 30 * time.Second, true, ""},
			{100 * time.Hour, 5 * time.Minute, true, ""}, // a clock that is made to catch up
			{time.Hour, 2 * time.Minute, false, "2m0s ahead"},
			{trustAfter, 0, true, ""},
			{time.Hour, 365 * 24 * time.Hour, false, "8760h0m0s ahead"},
			{trustAfter / 2, -365 * 24 * time.Hour, false, "8760h0m0s back"},
			{trustAfter / 2, 0, false, ""},
			{trustAfter / 2, 0, true, ""},
			{time.Second, -40 * 365 * 24 * time.Hour, false, "back"},
			{trustAfter, 0, true, ""},
			{time.Second, 200 * 365 * 24 * time.Hour, false, "ahead"},
		} {
			err := look(l.pass, l.step)
			require.Equal(t, l.trusted, c.kept(), "%d", i)
			if l.jumped == "" {
				require.NoError(t, err, "%d", i)
			} else {
				require.ErrorContains(t, err, l.jumped, "%d", i)
			}
		}
	})
}

// The clock of an archive in a directory is the one of its sidecar: it jumps ahead by a year, which makes everything old, and is put right within the hour.
func TestRetentionWaitsForTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{t: t, store: newMemStore(), now: time.Now()}
		id := "00000001-0123abcd"
		day := func(d int) time.Time { return n.now.Add(time.Duration(-d) * 24 * time.Hour) }
		for d := 20; d > 0; d-- {
			n.base(id, 1000-d*10, day(d))
			n.segment(id, 1000-d*10, 1000-d*10+10, day(d), day(d-1))
		}
		_, err := putRecord(t.Context(), n.store, TimelineKey(id), TimelineRecord{Timeline: id, Epoch: 1, At: day(20)}, Condition{})
		require.NoError(t, err)

		var ahead time.Duration
		u := &Uploader{
			opt:    Options{Retention: &Policy{}, LeaseDisabled: true},
			leaser: &leaser{wall: func() time.Time { return time.Now().Add(ahead) }},
		}
		store := &sweepNoter{memStore: n.store}
		// What a jump ends, too, is the lease: each look is in a tenure of its own.
		look := func(pass time.Duration) error {
			<-time.After(pass)
			return (&tenure{Uploader: u, store: store}).look(t.Context())
		}
		left := func() int {
			c, err := ReadCatalog(t.Context(), n.store)
			require.NoError(t, err)
			return len(c.Timelines[0].Bases) + len(c.Timelines[0].Segments)
		}
		require.NoError(t, look(0))
		require.Equal(t, 40, left(), "nobody knows how right the clock is that a process starts with")
		require.Equal(t, day(20).UnixMilli(), u.progress.s.WindowBegin.UnixMilli(), "it looks all the same")
		require.Empty(t, store.prefixes)
		require.NoError(t, look(time.Hour))
		require.Equal(t, 15, left())
		require.Len(t, store.prefixes, 3)

		ahead = 365 * 24 * time.Hour
		require.ErrorContains(t, look(time.Hour), "ahead")
		require.NoError(t, look(time.Minute))
		require.NoError(t, look(58*time.Minute))
		ahead = 0
		require.ErrorContains(t, look(time.Minute), "back")
		require.Equal(t, 15, left())
		require.NoError(t, look(time.Hour))
		require.Equal(t, 15, left())
		require.Len(t, store.prefixes, 6)
		require.NoError(t, look(24*time.Hour))
		require.Less(t, left(), 15, "right again, and a day later")
	})
}
