package e2e_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// cuts is how often the connection of each sidecar is cut.
const cuts = 40

// Cut after any number of bytes, in either direction, in the handshake, inside a command or a transaction, the link is taken
// up again where it was.
func TestConnectionsCutAnywhere(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			seed := newSeed(t)
			upstream := testenv.StartServer(t, family)
			// What seldom fits between two cuts is slow to arrive, and the traffic waits for it.
			const largest = 64 << 10
			options := workload.Options{BigValueBytes: largest, NoFieldTTL: family.Has(testenv.FieldTTLReplayHazard)}
			work := newWorkload(t, seed, upstream, options)
			write(t, upstream, work, 500)
			proxy := testenv.NewProxy(t, upstream.Addr())
			m := startMirror(t, proxy.Addr(), "aof.increment-size=256kb", "aof.appendfsync=always")

			proxy.SetPlan(cutPlans(seed, 2*largest))
			proxy.Break(testenv.Reset)
			tr := startTraffic(t, upstream, work)
			require.NoError(t, waitFor(t, proxy, 3*time.Minute, "all cuts", func(stats testenv.ProxyStats) bool {
				return len(stats.Conns) > cuts
			}))
			proxy.SetPlan(nil)
			tr.stop(t)
			// The last planned connection may still be there, with its fault ahead.
			proxy.Break(testenv.Close)
			requireMirrored(t, upstream, m, "always")
			got := requireResyncs(t, upstream)
			require.EqualValues(t, 1, got.full, "%+v", got)
			require.Zero(t, got.refused)
			requireCleanEnd(t, family, m)
		})
	}
}

// cutPlans ends each connection somewhere: one in eight in the handshake, one in eight by what the sidecar sends, one in four far behind, for a transaction may have several values of
// half of most, and the others after up to most bytes of the stream, so that what is cut is drawn by size: long commands and transactions more than short ones.
func cutPlans(seed uint64, most int64) func(int) testenv.Plan {
	rng := rand.New(rand.NewPCG(seed, 0xc07))
	return func(int) testenv.Plan {
		fault := testenv.Fault{Kind: []testenv.FaultKind{testenv.Reset, testenv.Close}[rng.IntN(2)]}
		const handshake = 120 // bytes of the upstream's answers, about
		switch rng.IntN(8) {
		case 0:
			fault.At = rng.Int64N(handshake)
		case 1:
			fault.At = rng.Int64N(600) // with some ACKs
			return testenv.Plan{ToServer: testenv.Link{Faults: []testenv.Fault{fault}}}
		case 2, 3:
			fault.At = handshake + rng.Int64N(8*most)
		default:
			fault.At = handshake + rng.Int64N(most)
		}
		return testenv.Plan{ToClient: testenv.Link{Faults: []testenv.Fault{fault}}}
	}
}

func waitFor(t *testing.T, proxy *testenv.Proxy, limit time.Duration, what string, condition func(testenv.ProxyStats) bool) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return proxy.Wait(ctx, what, condition)
}

// Cut exactly inside a transaction, at each of its bytes in turn, the transaction is there once and whole.
func TestConnectionCutInsideATransaction(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family, testenv.WithConfig("repl-ping-replica-period 3600"))
			proxy := testenv.NewProxy(t, upstream.Addr())
			m := startMirror(t, proxy.Addr())
			transaction := func() int64 {
				before, err := offsetOf(t.Context(), upstream)
				require.NoError(t, err)
				conn := upstream.Client().Conn()
				for _, args := range [][]any{{"MULTI"}, {"INCR", "n"}, {"RPUSH", "list", "a"}, {"SET", "key", strings.Repeat("x", 100)}, {"EXEC"}} {
					require.NoError(t, conn.Do(t.Context(), args...).Err())
				}
				require.NoError(t, conn.Close())
				after, err := offsetOf(t.Context(), upstream)
				require.NoError(t, err)
				return after - before
			}
			transaction() // with the SELECT that comes once
			size := transaction()
			inStep := func() {
				testenv.Eventually(t, "the sidecar to have it", func(ctx context.Context) (testenv.SidecarStatus, bool) {
					return m.inStep(ctx, upstream, "no")
				})
			}
			inStep()
			// A first connection tells how many bytes come before the stream; each transaction is then cut further on.
			greeting := greetingSize(t, proxy)
			for at := int64(1); at < size; at += max(1, size/24) {
				next := len(proxy.Stats().Conns)
				proxy.SetPlan(func(conn int) testenv.Plan {
					if conn > next {
						return testenv.Plan{}
					}
					return testenv.Plan{ToClient: testenv.Link{Faults: []testenv.Fault{{At: greeting + at, Kind: testenv.Reset}}}}
				})
				proxy.Break(testenv.Reset)
				require.NoError(t, proxy.Wait(t.Context(), "the stream to go on", func(stats testenv.ProxyStats) bool {
					return len(stats.Conns) > next && stats.Conns[next].ToClient >= greeting
				}))
				transaction()
				require.NoError(t, proxy.Wait(t.Context(), "the cut", func(stats testenv.ProxyStats) bool {
					return len(stats.Conns) > next+1 && stats.Conns[next].ToClient == greeting+at
				}))
				inStep()
			}
			requireMirrored(t, upstream, m, "everysec")
			require.EqualValues(t, 1, requireResyncs(t, upstream).full)
			requireCleanEnd(t, family, m)
		})
	}
}

// greetingSize makes the sidecar connect anew to a silent upstream and returns how many bytes the upstream sends before the stream.
func greetingSize(t *testing.T, proxy *testenv.Proxy) int64 {
	t.Helper()
	next := len(proxy.Stats().Conns)
	proxy.Break(testenv.Reset)
	var size int64
	require.NoError(t, proxy.Wait(t.Context(), "a quiet connection", func(stats testenv.ProxyStats) bool {
		if len(stats.Conns) <= next {
			return false
		}
		// The sidecar's first ACK comes after +CONTINUE.
		size = stats.Conns[next].ToClient
		return stats.Conns[next].ToServer > 300 && size > 0
	}))
	return size
}

// A link that is open and silent is given up after repl-timeout; nobody else would notice.
func TestConnectionThatStallsIsGivenUp(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family, testenv.WithConfig("repl-ping-replica-period 1"))
			proxy := testenv.NewProxy(t, upstream.Addr())
			m := startMirror(t, proxy.Addr(), "upstream.repl-timeout=3s")
			proxy.SetPlan(func(int) testenv.Plan {
				return testenv.Plan{ToClient: testenv.Link{Faults: []testenv.Fault{{At: 2000, Kind: testenv.Stall}}}}
			})
			proxy.Break(testenv.Close)
			tr := startTraffic(t, upstream, newWorkload(t, newSeed(t), upstream, workload.Options{NoFieldTTL: true}))
			stalled := func(conn testenv.ConnStats) bool { return conn.Stalled }
			var link int
			require.NoError(t, proxy.Wait(t.Context(), "the stall", func(stats testenv.ProxyStats) bool {
				link = slices.IndexFunc(stats.Conns, stalled)
				return link >= 0
			}))
			proxy.SetPlan(nil)
			require.NoError(t, proxy.Wait(t.Context(), "another link", func(stats testenv.ProxyStats) bool {
				const info = 100 // bytes that an INFO on a connection of its own takes, less than a handshake
				return slices.ContainsFunc(stats.Conns[link+1:], func(conn testenv.ConnStats) bool { return conn.ToServer > info })
			}))
			tr.stop(t)
			failure := m.awaitStreaming(t).Upstream.LastFailure
			require.Equal(t, "network", failure.Class)
			require.Contains(t, failure.Message, "3s")
			requireMirrored(t, upstream, m, "everysec")
			require.EqualValues(t, 1, requireResyncs(t, upstream).full)
		})
	}
}

// A snapshot that is cut off, stalls, or has one byte wrong is not taken: the old chain stays as it was, and the next try is a minute
// away, for each one forks the upstream. The next one that is whole is taken.
func TestBrokenSnapshotKeepsTheOldChain(t *testing.T) {
	faults := map[string]testenv.FaultKind{"cut": testenv.Close, "reset": testenv.Reset, "flip": testenv.Flip, "stall": testenv.Stall}
	for i, family := range testenv.Servers(t) {
		for name, kind := range faults {
			diskless := []string{"yes", "no"}[(i+len(name))%2]
			t.Run(family.Name+"/"+name+"/diskless="+diskless, func(t *testing.T) {
				t.Parallel()
				breakSnapshot(t, family, kind, diskless)
			})
		}
	}
}

func breakSnapshot(t *testing.T, family testenv.Family, kind testenv.FaultKind, diskless string) {
	t.Helper()
	seed := newSeed(t)
	upstream := testenv.StartServer(t, family, testenv.WithConfig("repl-diskless-sync "+diskless, "repl-ping-replica-period 1"))
	work := workload.New(seed, family, workload.Options{LongExpiry: true, NoFlush: true, NoFieldTTL: true})
	write(t, upstream, work, 500)
	proxy := testenv.NewProxy(t, upstream.Addr())
	m := startMirror(t, proxy.Addr(), "upstream.repl-timeout=4s")
	requireMirrored(t, upstream, m, "everysec")
	timeline := m.awaitStreaming(t).Log.Timeline
	old, err := testenv.Fingerprint(t.Context(), upstream.Client(), family, testenv.IgnoreUnreplicated())
	require.NoError(t, err)

	forgetHistory(t, upstream, proxy)
	ballast(t, upstream, seed, 1<<20)
	rng := rand.New(rand.NewPCG(seed, 0))
	at := 1000 + rng.Int64N(1<<20)
	proxy.SetPlan(func(int) testenv.Plan {
		return testenv.Plan{ToClient: testenv.Link{Faults: []testenv.Fault{{At: at, Kind: kind}}}}
	})
	status := m.await(t, "refusing the snapshot", func(s testenv.SidecarStatus) bool {
		return s.Upstream.FailedSnapshots == 1 && s.Upstream.Phase == "backing off"
	})
	require.Equal(t, "snapshot", status.Upstream.LastFailure.Class)
	require.WithinRange(t, status.Upstream.NextTry, time.Now().Add(30*time.Second), time.Now().Add(61*time.Second))
	require.Equal(t, timeline, status.Log.Timeline)
	booted := testenv.BootFromAOF(t, family, m.Dir())
	kept, err := testenv.Fingerprint(t.Context(), booted.Client(), family, testenv.IgnoreUnreplicated())
	require.NoError(t, err)
	require.Empty(t, testenv.Diff(old, kept))
	require.NoError(t, booted.Close())
	requireNoTemporaries(t, m)

	proxy.SetPlan(nil)
	if !full {
		m.kill(t) // a new process does not remember the minute
		m.start(t)
	}
	status = m.awaitWithin(t, 2*time.Minute, "streaming", testenv.SidecarStatus.Streaming)
	require.NotEqual(t, timeline, status.Log.Timeline)
	requireMirrored(t, upstream, m, "everysec")
	requireCleanEnd(t, family, m)
}

// forgetHistory keeps the sidecar away until the upstream cannot go on from where it was. The connection comes back with the next plan.
func forgetHistory(t *testing.T, upstream *testenv.Server, proxy *testenv.Proxy) {
	t.Helper()
	proxy.SetPlan(func(int) testenv.Plan { return testenv.Plan{Refuse: true} })
	proxy.Break(testenv.Reset)
	value := strings.Repeat("x", 1<<20)
	for range backlogOf(t, upstream)>>20 + 2 {
		require.NoError(t, upstream.Client().Set(t.Context(), "history", value, 0).Err())
	}
	require.NoError(t, upstream.Client().Del(t.Context(), "history").Err())
}

// requireNoTemporaries looks for what a refused snapshot leaves.
func requireNoTemporaries(t *testing.T, m mirror) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(m.Dir(), "appendonlydir", "*"))
	require.NoError(t, err)
	require.Len(t, found, 3, "base, increment, manifest: %v", slices.Sorted(slices.Values(found)))
}
