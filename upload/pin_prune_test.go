package upload

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPinWhileItIsPruned: somebody pins a timeline when it is known already what of it goes. What has not gone by then stays.
func TestPinWhileItIsPruned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(3), newMemStore()
		l.Resync(fakeReplID(1), 100)
		p := start(t, Options{}, l, store)
		for range 4 {
			traffic(l, 20)
			l.Rotate(true)
		}
		<-time.After(time.Minute)
		requireShippedAll(t, p, l)
		p.end(t)
		plan, err := Prune(t.Context(), store, Policy{Duration: time.Millisecond}, time.Now())
		require.NoError(t, err)
		require.NotEmpty(t, plan.Objects)
		before := requireValid(t, store, l)
		require.NoError(t, PinTimeline(t.Context(), store, l.ID(), PinRecord{Reason: PinOperator}))
		res, err := plan.Apply(t.Context(), store, nil)
		require.NoError(t, err)
		require.Zero(t, res.Removed)
		require.Equal(t, before.Windows(), requireValid(t, store, l).Windows())
	})
}
