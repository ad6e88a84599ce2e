package upload

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBasesThatWereConfirmedAreGone: a rule of the bucket removes what is old, and bases are what is oldest. That is no archive without a backup, nor one whose newest state is
// that of the timeline before.
func TestBasesThatWereConfirmedAreGone(t *testing.T) {
	for what, segments := range map[string]bool{"bases": false, "all objects": true} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, store := newFakeLog(3), newMemStore()
				l.keeps = true
				p := start(t, Options{}, l, store)
				l.Resync(fakeReplID(1), 100)
				traffic(l, 20)
				before, between := l.ID(), time.Now()
				<-time.After(time.Minute)
				l.Resync(fakeReplID(2), 50)
				traffic(l, 20)
				<-time.After(time.Minute)
				requireShippedAll(t, p, l)
				p.end(t)

				gone := func(id, what string) {
					for obj, err := range store.List(t.Context(), TimelinePrefix(id)+what, "") {
						require.NoError(t, err)
						require.NoError(t, store.Delete(t.Context(), obj.Key))
					}
				}
				requireLost := func(target Target) {
					c, err := ReadCatalog(t.Context(), store)
					require.NoError(t, err)
					_, err = c.Plan(target)
					_, damaged := errors.AsType[*DamagedError](err)
					require.True(t, damaged, "%v", err)
					rep, err := VerifyArchive(t.Context(), store, VerifyOptions{})
					require.NoError(t, err)
					require.False(t, rep.OK())
				}
				gone(l.ID(), baseFolder)
				requireLost(Target{})
				requireLost(Target{Time: time.Now()})
				requireLost(Target{Timeline: l.ID()})
				c, err := ReadCatalog(t.Context(), store)
				require.NoError(t, err)
				for _, target := range []Target{{Timeline: before}, {Time: between.Add(-time.Second)}} {
					plan, err := c.Plan(target)
					require.NoError(t, err)
					require.Equal(t, before, plan.Timeline)
				}

				gone(before, baseFolder)
				if segments {
					gone(before, "")
					gone(l.ID(), "")
				}
				requireLost(Target{})
			})
		})
	}
}
