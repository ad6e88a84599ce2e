package upload

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// An archive is away while an upstream restarts again and again without what it had: many timelines wait. The record of the epoch that names them all can be read.
func TestEpochOfManyTimelines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(3), newMemStore()
		l.Resync(fakeReplID(1), 100)
		p := start(t, Options{}, l, store)
		traffic(l, 10)
		<-time.After(time.Minute)
		requireShippedAll(t, p, l)
		p.end(t)
		for n := range 1500 {
			l.Resync(fakeReplID(2+n), stream.Offset(100_000_000_000+n))
		}
		p = start(t, Options{}, l, store)
		<-time.After(30 * time.Second)
		p.end(t)
		c, err := ReadCatalog(t.Context(), store)
		require.NoError(t, err)
		require.Empty(t, c.Damaged)
		for i := range c.Timelines {
			require.Zero(t, c.Timelines[i].Doubtful.Len())
		}
	})
}
