package upload

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestOlderCopyOfTheLog: a directory is put back that was copied before all that the archive still has, as from a snapshot of its volume, and retention has removed meanwhile
// what the copy begins with. The archive is ahead of such a log, so nothing that was confirmed may be put aside.
func TestOlderCopyOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(3), newMemStore()
		l.Resync(fakeReplID(1), 100)
		p := start(t, Options{}, l, store)
		traffic(l, 20)
		older := l.Fork(4)
		for range 4 {
			traffic(l, 20)
			l.Rotate(true)
		}
		traffic(l, 20)
		<-time.After(time.Minute)
		requireShippedAll(t, p, l)
		p.end(t)
		<-time.After(48 * time.Hour)
		plan, err := Prune(t.Context(), store, Policy{Duration: 24 * time.Hour}, time.Now())
		require.NoError(t, err)
		_, err = plan.Apply(t.Context(), store, nil)
		require.NoError(t, err)
		windows := requireValid(t, store, l).Windows()
		require.Len(t, windows, 1)
		require.Greater(t, windows[0].From, older.End())
		require.Equal(t, l.End(), windows[0].To)

		p = start(t, Options{}, older, store)
		<-time.After(time.Minute)
		older.Resync(fakeReplID(2), 50) // the upstream does not have what came behind the copy any more
		traffic(older, 20)
		<-time.After(time.Minute)
		requireShippedAll(t, p, older)
		p.end(t)
		c, err := ReadCatalog(t.Context(), store)
		require.NoError(t, err)
		require.Empty(t, c.Timelines[0].Void)
		require.Contains(t, c.Timelines[0].Windows(), windows[0])
		end := l.End()
		restored, err := c.Plan(Target{Timeline: c.Timelines[0].ID, Offset: &end})
		require.NoError(t, err)
		require.Equal(t, windows[0], restored.Window)
	})
}

// TestLogFromBeforeWhatIsKept: a log still has what comes before all that retention left of the archive, and its host goes while the first objects after a restart are on
// their way: what was confirmed is still there.
func TestLogFromBeforeWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(3), newMemStore()
		l.keeps = true
		l.Resync(fakeReplID(1), 100)
		p := start(t, Options{}, l, store)
		for range 4 {
			traffic(l, 20)
			l.Rotate(true)
		}
		traffic(l, 20)
		<-time.After(time.Minute)
		requireShippedAll(t, p, l)
		p.end(t)
		plan, err := Prune(t.Context(), store, Policy{Duration: time.Millisecond}, time.Now())
		require.NoError(t, err)
		_, err = plan.Apply(t.Context(), store, nil)
		require.NoError(t, err)
		before := requireValid(t, store, l).Windows()
		require.Len(t, before, 1)
		store.fails(func(ctx context.Context, op, key string, _ bool) error {
			if _, seg := ParseSegmentKey(key); op == "put" && seg {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		})
		p = start(t, Options{}, l, store)
		<-time.After(20 * time.Second)
		p.end(t)
		windows := requireValid(t, store, l).Windows()
		last := windows[len(windows)-1]
		require.LessOrEqual(t, last.From, before[0].From, "the bases before it are stored once more")
		require.Equal(t, before[0].To, last.To)
	})
}
