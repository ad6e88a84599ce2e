package e2e_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// kills is how often each sidecar is killed.
const kills = 50

// Killed with SIGKILL fifty times at moments that nobody chose, while every command there is is written upstream, the sidecar
// never needs a second snapshot, and loses nothing and does nothing twice.
func TestKilledFiftyTimes(t *testing.T) {
	policies := []string{"always", "everysec", "no"}
	seed := newSeed(t)
	for i, family := range testenv.Servers(t) {
		// From one seed to the next, each server meets each policy.
		fsync := policies[(seed+uint64(i))%3]
		t.Run(family.Name+"/"+fsync, func(t *testing.T) {
			t.Parallel()
			// Where a server mishandles its own log of expiring fields, hashes are compared every other time, without expiring fields.
			hashes := !family.Has(testenv.FieldTTLReplayHazard) || seed%2 == 0
			killFiftyTimes(t, family, fsync, seed+uint64(i), hashes)
		})
	}
}

func killFiftyTimes(t *testing.T, family testenv.Family, fsync string, seed uint64, hashes bool) {
	t.Helper()
	upstream := testenv.StartServer(t, family)
	options := workload.Options{NoFieldTTL: hashes && family.Has(testenv.FieldTTLReplayHazard)}
	work := newWorkload(t, seed, upstream, options)
	write(t, upstream, work, 1000)

	m := startMirror(t, upstream.Addr(),
		"aof.appendfsync="+fsync, "aof.increment-size=256kb", "aof.aof-timestamp-enabled=true")
	tr := startTraffic(t, upstream, work)
	k := killer{upstream: upstream, m: m, rng: rand.New(rand.NewPCG(seed, 0x9)), pace: tr.backlog / 8}
	for range kills {
		k.kill(t)
	}
	m.awaitStreaming(t)
	tr.stop(t)
	t.Logf("%d commands written, %d of %d kills while streaming", work.Stats().Total(), k.streaming, kills)

	// Values larger than the whole backlog can only be written while the link holds.
	write(t, upstream, workload.New(seed, family, options), 1000)

	var compare []testenv.FingerprintOption
	if !hashes {
		compare = append(compare, testenv.IgnoreHashes())
	}
	requireMirrored(t, upstream, m, fsync, compare...)
	got := requireResyncs(t, upstream)
	require.EqualValues(t, 1, got.full, "%+v", got)
	// One for each that was killed while streaming, but for the first, which had the snapshot, and one for the last, which lives.
	require.GreaterOrEqual(t, got.partial, int64(k.streaming))
	require.Zero(t, got.refused)
	requireCleanEnd(t, family, m)
}

// killer kills and starts a sidecar.
type killer struct {
	upstream  *testenv.Server
	m         mirror
	rng       *rand.Rand
	pace      int64 // bytes that the upstream writes in a second
	streaming int   // kills of a sidecar that was streaming
}

// kill kills, and starts again: one time in four so early that it dies in its start, in the handshake or right after it;
// else after it has taken some of the stream.
func (k *killer) kill(t *testing.T) {
	t.Helper()
	if k.rng.IntN(4) == 0 {
		moment := time.NewTimer(time.Duration(k.rng.IntN(60_000)) * time.Microsecond)
		defer moment.Stop()
		<-moment.C
	} else {
		k.m.awaitStreaming(t)
		offset, err := offsetOf(t.Context(), k.upstream)
		require.NoError(t, err)
		awaitOffset(t, k.upstream, offset+k.rng.Int64N(k.pace/4))
		k.streaming++
	}
	k.m.kill(t)
	k.m.start(t)
}

// Killed while the first snapshot arrives, it begins again; what was half there is not taken for whole.
func TestKilledInTheFirstSnapshot(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			seed := newSeed(t)
			upstream := testenv.StartServer(t, family)
			write(t, upstream, workload.New(seed, family, workload.Options{NoFieldTTL: family.Has(testenv.FieldTTLReplayHazard)}), 2000)
			ballast(t, upstream, seed, 1<<20)
			proxy := testenv.NewProxy(t, upstream.Addr())
			rng := rand.New(rand.NewPCG(seed, 0))
			proxy.SetPlan(func(int) testenv.Plan {
				at := 300 + rng.Int64N(1<<20)
				return testenv.Plan{ToClient: testenv.Link{Faults: []testenv.Fault{{At: at, Kind: testenv.Stall}}}}
			})
			m := newMirror(t, proxy.Addr())
			for i := range 5 {
				m.start(t)
				require.NoError(t, proxy.Wait(t.Context(), "the snapshot to stand still", func(stats testenv.ProxyStats) bool {
					return len(stats.Conns) > i && stats.Conns[i].Stalled
				}))
				m.kill(t)
			}
			proxy.SetPlan(nil)
			m.start(t)
			m.awaitStreaming(t)
			requireMirrored(t, upstream, m, "everysec")
			requireCleanEnd(t, family, m)
		})
	}
}
