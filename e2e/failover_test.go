package e2e_test

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// pair is an upstream with a replica, and a sidecar of the upstream. Both links go through a proxy.
type pair struct {
	a, b       *testenv.Server
	toA        *testenv.Proxy // b's link
	toUpstream *testenv.Proxy // the sidecar's link
	m          mirror
	work       *workload.Workload
}

// startPair returns a pair in step, with data.
func startPair(t *testing.T, family testenv.Family) pair {
	t.Helper()
	// Nothing is in the stream but what the test writes.
	p := pair{a: testenv.StartServer(t, family, testenv.WithConfig("repl-ping-replica-period 3600"))}
	p.work = newWorkload(t, newSeed(t), p.a, workload.Options{LongExpiry: true, NoFieldTTL: family.Has(testenv.FieldTTLReplayHazard)})
	write(t, p.a, p.work, 500)
	p.toA = testenv.NewProxy(t, p.a.Addr())
	p.b = testenv.StartServer(t, family, testenv.WithConfig("replicaof "+hostAndPort(t, p.toA.Addr())))
	testenv.CaughtUp(t, p.a, p.b)
	p.toUpstream = testenv.NewProxy(t, p.a.Addr())
	p.m = startMirror(t, p.toUpstream.Addr())
	write(t, p.a, p.work, 500)
	p.settle(t)
	return p
}

func hostAndPort(t *testing.T, addr string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	return host + " " + port
}

// settle waits until replica and sidecar have everything.
func (p *pair) settle(t *testing.T) {
	t.Helper()
	p.inStepWith(t, p.a)
	testenv.CaughtUp(t, p.a, p.b)
}

func (p *pair) inStepWith(t *testing.T, upstream *testenv.Server) {
	t.Helper()
	testenv.Eventually(t, "the sidecar to have all of "+upstream.Addr(), func(ctx context.Context) (testenv.SidecarStatus, bool) {
		return p.m.inStep(ctx, upstream, "everysec")
	})
}

// promote makes the replica a primary.
func (p *pair) promote(t *testing.T) {
	t.Helper()
	require.NoError(t, p.b.Client().Do(t.Context(), "REPLICAOF", "NO", "ONE").Err())
}

// point sends the sidecar to a server.
func (p *pair) point(server *testenv.Server) {
	p.toUpstream.SetTarget(server.Addr())
	p.toUpstream.Break(testenv.Reset)
}

func replIDOf(t *testing.T, server *testenv.Server) string {
	t.Helper()
	info, err := server.Info(t.Context(), "replication")
	require.NoError(t, err)
	return info["master_replid"]
}

// The upstream dies, its replica is promoted, and the sidecar goes on there under the new id, without a snapshot.
func TestFailover(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, family)
			timeline := p.m.awaitStreaming(t).Log.Timeline
			require.NoError(t, p.a.Kill())
			p.promote(t)
			p.point(p.b)
			write(t, p.b, p.work, 500)
			requireMirrored(t, p.b, p.m, "everysec")
			status := p.m.awaitStreaming(t)
			require.Equal(t, replIDOf(t, p.b), status.Log.ReplID)
			require.Equal(t, timeline, status.Log.Timeline, "a history that goes on is the same timeline")
			require.Equal(t, resyncs{partial: 1}, requireResyncs(t, p.b))

			// And it survives its own end under the new id.
			p.m.kill(t)
			write(t, p.b, p.work, 50)
			p.m.start(t)
			p.m.awaitStreaming(t)
			requireMirrored(t, p.b, p.m, "everysec")
			require.Zero(t, requireResyncs(t, p.b).full)
			requireCleanEnd(t, family, p.m)
		})
	}
}

// The upstream dies while a transaction is under way to the sidecar. What is promoted accepts only the position before MULTI.
func TestFailoverInsideATransaction(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, family)
			greeting := greetingSize(t, p.toUpstream)
			next := len(p.toUpstream.Stats().Conns)
			p.toUpstream.SetPlan(func(conn int) testenv.Plan {
				if conn > next {
					return testenv.Plan{Refuse: true}
				}
				return testenv.Plan{ToClient: testenv.Link{Faults: []testenv.Fault{{At: greeting + 150, Kind: testenv.Reset}}}}
			})
			p.toUpstream.Break(testenv.Reset)
			require.NoError(t, p.toUpstream.Wait(t.Context(), "the stream to go on", func(stats testenv.ProxyStats) bool {
				return len(stats.Conns) > next && stats.Conns[next].ToClient >= greeting
			}))
			conn := p.a.Client().Conn()
			require.NoError(t, conn.Do(t.Context(), "MULTI").Err())
			for i := range 20 {
				require.NoError(t, conn.Do(t.Context(), "RPUSH", "transaction", "element "+strconv.Itoa(i)).Err())
			}
			require.NoError(t, conn.Do(t.Context(), "EXEC").Err())
			require.NoError(t, conn.Close())
			require.NoError(t, p.toUpstream.Wait(t.Context(), "the cut", func(stats testenv.ProxyStats) bool {
				return !stats.Conns[next].Open && stats.Conns[next].ToClient == greeting+150
			}))
			testenv.CaughtUp(t, p.a, p.b)
			require.NoError(t, p.a.Kill())
			p.promote(t)
			p.toUpstream.SetPlan(nil)
			p.point(p.b)
			p.inStepWith(t, p.b)
			requireMirrored(t, p.b, p.m, "everysec")
			require.Equal(t, resyncs{partial: 1}, requireResyncs(t, p.b))
			requireCleanEnd(t, family, p.m)
		})
	}
}

// The replica that is promoted had less than the sidecar: what the cluster has lost, the sidecar must not keep as if it were there.
func TestFailoverToAReplicaThatIsBehind(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, family)
			timeline := p.m.awaitStreaming(t).Log.Timeline
			p.toA.SetPlan(func(int) testenv.Plan { return testenv.Plan{Refuse: true} })
			p.toA.Break(testenv.Reset)
			require.NoError(t, p.a.Client().Set(t.Context(), "lost", "value", 0).Err())
			p.inStepWith(t, p.a)
			require.NoError(t, p.a.Kill())
			p.promote(t)
			p.point(p.b)
			p.inStepWith(t, p.b)
			requireMirrored(t, p.b, p.m, "everysec")
			require.EqualValues(t, 1, requireResyncs(t, p.b).full)
			status := p.m.awaitStreaming(t)
			require.NotEqual(t, timeline, status.Log.Timeline)
			require.Len(t, status.Log.Retained, 1, "what was lost is kept aside")
			require.Equal(t, timeline, status.Log.Retained[0].Timeline)
			requireCleanEnd(t, family, p.m)
		})
	}
}

// Upstream and promoted replica answer to each other's id (protocol.md 11): a sidecar that has followed the promoted one and comes back to
// the old upstream, which went on alone, must not be given the old one's bytes as if they continued the new one's.
func TestBackToAnUpstreamThatDiverged(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		for _, way := range []string{"connected", "killed", "killed at once"} {
			t.Run(family.Name+"/"+way, func(t *testing.T) {
				t.Parallel()
				p := startPair(t, family)
				p.promote(t) // the old upstream does not know
				p.point(p.b)
				if way == "killed at once" {
					testenv.Eventually(t, "the promoted replica to say +CONTINUE", func(ctx context.Context) (resyncs, bool) {
						got, err := resyncsOf(ctx, p.b)
						return got, err == nil && got.partial == 1
					})
					p.m.kill(t)
				} else {
					require.NoError(t, p.b.Client().Set(t.Context(), "on b", "value", 0).Err())
					p.inStepWith(t, p.b)
				}
				if way == "killed" {
					p.m.kill(t)
				}
				write(t, p.a, p.work, 200)
				p.point(p.a)
				if way != "connected" {
					p.m.start(t)
				}
				p.inStepWith(t, p.a)
				requireMirrored(t, p.a, p.m, "everysec")
				if way != "killed at once" {
					require.EqualValues(t, 3, requireResyncs(t, p.a).full, "of replica, of sidecar, and of sidecar again")
				}
				requireCleanEnd(t, family, p.m)
			})
		}
	}
}

// With upstream.ack behind, a FAILOVER that names nobody does not hand the writes over to the sidecar, which cannot take them; the
// price is that the upstream's SHUTDOWN waits for its whole shutdown-timeout.
func TestAckBehind(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family, testenv.WithConfig("shutdown-timeout 1"))
			m := startMirror(t, upstream.Addr(), "upstream.ack=behind", "aof.appendfsync=always")
			client := upstream.Client()
			require.NoError(t, client.Set(t.Context(), "key", "value", 0).Err())
			require.NoError(t, client.Do(t.Context(), "FAILOVER", "TIMEOUT", 300).Err())
			testenv.Eventually(t, "the failover to be given up", func(ctx context.Context) (map[string]string, bool) {
				info, err := upstream.Info(ctx, "replication")
				return info, err == nil && info["master_failover_state"] == "no-failover"
			})
			info, err := upstream.Info(t.Context(), "replication")
			require.NoError(t, err)
			require.Equal(t, "master", info["role"])
			require.NoError(t, client.Set(t.Context(), "key", "still written", 0).Err())
			if family.Has(testenv.WaitAOF) {
				counted, err := waitAOF(t.Context(), client, 10_000)
				require.NoError(t, err)
				require.Equal(t, []int64{0, 1}, counted, "what is durable is told all the same")
			}
			requireMirrored(t, upstream, m, "always")

			require.NoError(t, upstream.Stop(t.Context()))
			require.Contains(t, strings.ToLower(upstream.Log()), "lagging replica")
		})
	}
}
