package upload

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
)

// A sidecar of an encrypted archive announces a history, and is killed before anything of it is stored, or even all of the one before. The next one knows its own log again.
func TestKilledBehindAnAnnouncement(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	sealer, err := NewSealer(SealOptions{Recipients: []age.Recipient{identity.Recipient()}})
	require.NoError(t, err)
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 5))
				l, store := newFakeLog(seed), newMemStore()
				l.Resync(fakeReplID(7), 1000)
				for round := range 6 {
					m := newMortal(store, rng, 1+rng.IntN(40))
					p := start(t, Options{Sealer: sealer, SegmentBytes: 1 << 10, LeaseTTL: 10 * time.Second}, l, m)
					for step := 0; step < 30 && !m.died(); step++ {
						traffic(l, 4)
						if rng.IntN(3) == 0 {
							l.Failover(fakeReplID(100 + round*40 + step))
						}
					}
					p.end(t)
				}
				require.Empty(t, l.asked)
			})
		})
	}
}
