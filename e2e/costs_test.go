package e2e_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// Two upstreams alike, one with a real replica that keeps an append-only file and one with a sidecar, are idle for a while: the sidecar
// must not cost its upstream more commands, more bytes or more connections than the replica costs the other.
func TestIdleCostsNoMoreThanARealReplica(t *testing.T) {
	idle := 10 * time.Second
	if full {
		idle = time.Minute
	}
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			beside := [2]*testenv.Server{}
			for i := range beside {
				beside[i] = testenv.StartServer(t, family)
			}
			replica := testenv.StartServer(t, family, testenv.ReplicaOf(beside[0]), testenv.WithConfig("appendonly yes"))
			m := startMirror(t, beside[1].Addr())
			for _, upstream := range beside {
				require.NoError(t, upstream.Client().Set(t.Context(), "key", "value", 0).Err())
			}
			testenv.CaughtUp(t, beside[0], replica)
			testenv.Eventually(t, "the sidecar to have it", func(ctx context.Context) (testenv.SidecarStatus, bool) {
				return m.inStep(ctx, beside[1], "everysec")
			})

			var before, after [2]costs
			for i, upstream := range beside {
				before[i] = costsOf(t, upstream)
			}
			over := time.NewTimer(idle)
			defer over.Stop()
			<-over.C
			for i, upstream := range beside {
				after[i] = costsOf(t, upstream)
			}
			theirs, ours := after[0].less(before[0]), after[1].less(before[1])
			t.Logf("in %s a real replica cost %+v, the sidecar %+v", idle, theirs, ours)
			// The window may begin just after one ACK of the replica and just before one of the sidecar's, and end the other way round. And
			// where the machine is busy a real replica's clock, which counts tenths of seconds one after the other, is slow: it costs less than it
			// means to.
			const ack = 2
			slip := max(0, int64(idle/realInterval)-theirs.acks)
			require.LessOrEqual(t, ours.acks, theirs.acks+slip+ack)
			require.LessOrEqual(t, ours.commands, theirs.commands+slip+ack)
			require.LessOrEqual(t, ours.connections, theirs.connections)
			require.LessOrEqual(t, ours.bytesIn*theirs.acks, theirs.bytesIn*(theirs.acks+slip+ack), "bytes that the upstream had to read")
		})
	}
}

// realInterval is how often a real replica sends an ACK on a machine that is idle, at most.
const realInterval = 1050 * time.Millisecond

// costs are what an upstream counts.
type costs struct {
	commands, acks       int64 // all of them, and REPLCONF
	bytesIn, connections int64
}

// costsOf reads INFO over the one connection that the server's client keeps.
func costsOf(t *testing.T, upstream *testenv.Server) costs {
	t.Helper()
	stats, err := upstream.Info(t.Context(), "stats")
	require.NoError(t, err)
	commands, err := upstream.Info(t.Context(), "commandstats")
	require.NoError(t, err)
	number := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		require.NoError(t, err)
		return n
	}
	c := costs{
		commands:    number(stats["total_commands_processed"]),
		bytesIn:     number(stats["total_net_input_bytes"]),
		connections: number(stats["total_connections_received"]),
	}
	for name, fields := range commands {
		if strings.HasPrefix(name, "cmdstat_replconf") {
			calls, _, _ := strings.Cut(strings.TrimPrefix(fields, "calls="), ",")
			c.acks += number(calls)
		}
	}
	return c
}

func (c costs) less(other costs) costs {
	return costs{
		commands: c.commands - other.commands, acks: c.acks - other.acks,
		bytesIn: c.bytesIn - other.bytesIn, connections: c.connections - other.connections,
	}
}

// An upstream that is told to stop waits for its replicas to have everything. The sidecar keeps it waiting no longer than a real replica
// does: never for shutdown-timeout, and with nothing lost.
func TestUpstreamStopsAsFastAsWithARealReplica(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			took := func(upstream *testenv.Server, attached func()) time.Duration {
				require.NoError(t, upstream.Client().Set(t.Context(), "before", "value", 0).Err())
				attached()
				for i := range 200 {
					require.NoError(t, upstream.Client().Set(t.Context(), "key "+strconv.Itoa(i), "value", 0).Err())
				}
				begun := time.Now()
				require.NoError(t, upstream.Stop(t.Context()))
				require.NotContains(t, strings.ToLower(upstream.Log()), "lagging replica")
				return time.Since(begun)
			}
			first, second := testenv.StartServer(t, family), testenv.StartServer(t, family)
			theirs := took(first, func() {
				testenv.CaughtUp(t, first, testenv.StartServer(t, family, testenv.ReplicaOf(first), testenv.WithConfig("appendonly yes")))
			})
			var m mirror
			ours := took(second, func() { m = startMirror(t, second.Addr()) })
			t.Logf("stopped in %s beside a real replica, in %s beside the sidecar: %.2f times", theirs, ours, float64(ours)/float64(theirs))
			const shutdownTimeout = 10 * time.Second // redis.conf's default
			require.Less(t, ours, shutdownTimeout/2)

			booted := testenv.BootFromAOF(t, family, m.Dir())
			size, err := booted.Client().DBSize(t.Context()).Result()
			require.NoError(t, err)
			require.EqualValues(t, 201, size)
		})
	}
}
