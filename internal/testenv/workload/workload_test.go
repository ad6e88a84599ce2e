package workload_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// missing returns the rows that a family has, less those that were seen and those excluded.
func missing(family testenv.Family, seen map[string]bool) []string {
	var out []string
	excluded := workload.Excluded()
	for _, row := range workload.Table() {
		if row.In(family) && !seen[row.Command] && excluded[row.Command] == "" {
			out = append(out, row.Command)
		}
	}
	return out
}

// A command takes effect when the upstream's offset moves with it: then it, or what it was rewritten to, is in
// the stream.
func TestEveryRowTakesEffect(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			server := testenv.StartServer(t, family, testenv.WithConfig("repl-ping-replica-period 3600"))
			target := testenv.StartServer(t, family)
			replica := testenv.StartServer(t, family, testenv.ReplicaOf(server))
			testenv.CaughtUp(t, server, replica)
			do := func(args ...any) { require.NoError(t, server.Client().Do(ctx, args...).Err()) }
			do("debug", "set-active-expire", 0)

			offset := ""
			seen := make(map[string]bool)
			options := workload.Options{
				Databases: 2, LongExpiry: true, NoBlocking: true, MigrateTo: target.Addr(),
				Observe: func(command string, err error) {
					info, infoErr := server.Info(ctx, "replication")
					require.NoError(t, infoErr)
					if err == nil && info["master_repl_offset"] != offset && offset != "" {
						seen[command] = true
					}
					offset = info["master_repl_offset"]
				},
			}
			emptying := options
			options.NoFlush, emptying.FlushOften = true, true
			// Some rows need what many before have made (XAUTOCLAIM, XTRIM), others a key that is not there (SETNX, MOVE). With both in turn, in the end any seed will do.
			fills, empties := workload.New(1, family, options), workload.New(2, family, emptying)
			const filling, turn, turns = 100, 140, 5
			for i := range turns * turn {
				w := fills
				if i%turn >= filling {
					w = empties
				}
				require.NoError(t, w.Step(ctx, server.Client(), 50))
				if len(missing(family, seen)) == 0 {
					return
				}
			}
			require.Empty(t, missing(family, seen), "never took effect")
		})
	}
}

// After all that, a real replica and a boot from the server's own AOF have the same data.
func TestReplicaAndBootAgreeAfterwards(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			server := testenv.StartServer(t, family, testenv.WithConfig("appendonly yes", "appendfsync no"))
			replica := testenv.StartServer(t, family, testenv.ReplicaOf(server))
			testenv.CaughtUp(t, server, replica)
			w := workload.New(7, family, workload.Options{})
			require.NoError(t, w.Step(ctx, server.Client(), 3000))
			stats := w.Stats()
			t.Logf("%d commands, failed: %v", stats.Total(), stats.Failed)
			require.Greater(t, stats.Total(), 3000)

			release, err := testenv.Freeze(ctx, server.Client())
			require.NoError(t, err)
			testenv.CaughtUp(t, server, replica)
			testenv.RequireEqual(t, server, replica, testenv.IgnoreUnreplicated())

			var options []testenv.FingerprintOption
			if family.Has(testenv.FieldTTLReplayHazard) {
				options = append(options, testenv.IgnoreHashes())
			}
			booted := testenv.BootFromAOF(t, family, server.Dir())
			testenv.RequireEqual(t, replica, booted, options...)
			require.NoError(t, release(ctx))
		})
	}
}

func TestSameSeedSameCommands(t *testing.T) {
	family := testenv.Pick(t, "redis-7.0")
	record := func(seed uint64) string {
		var commands []string
		server := testenv.StartServer(t, family)
		w := workload.New(seed, family, workload.Options{
			LongExpiry: true,
			Now:        func() time.Time { return time.UnixMilli(4_000_000_000_000) },
			Observe:    func(command string, _ error) { commands = append(commands, command) },
		})
		require.NoError(t, w.Step(t.Context(), server.Client(), 500))
		return strings.Join(commands, " ")
	}
	first := record(3)
	require.Equal(t, first, record(3))
	require.NotEqual(t, first, record(4))
}

func TestLostConnectionEndsTheStep(t *testing.T) {
	ctx := t.Context()
	family := testenv.Pick(t, "valkey-9.1")
	server := testenv.StartServer(t, family)
	started := make(chan struct{}, 1)
	w := workload.New(1, family, workload.Options{Observe: func(string, error) {
		select {
		case started <- struct{}{}:
		default:
		}
	}})
	result := make(chan error, 1)
	go func() { result <- w.Run(ctx, server.Client()) }()
	<-started
	require.NoError(t, server.Kill())
	require.Error(t, <-result)

	require.NoError(t, server.Start(ctx))
	require.NoError(t, w.Step(ctx, server.Client(), 20), "the next step goes on")
	running, cancel := context.WithCancel(ctx)
	go func() { result <- w.Run(running, server.Client()) }()
	<-started
	cancel()
	require.NoError(t, <-result, "the end of the context is no error")
}

func TestOptionsLeaveThingsOut(t *testing.T) {
	family := testenv.Pick(t, "redis-8.0")
	server := testenv.StartServer(t, family)
	w := workload.New(1, family, workload.Options{NoFieldTTL: true, NoFlush: true, NoVectorSets: true, NoBlocking: true})
	require.NoError(t, w.Step(t.Context(), server.Client(), 2000))
	for _, command := range []string{
		"HEXPIRE", "HPEXPIRE", "HEXPIREAT", "HPEXPIREAT", "HSETEX", "HGETEX", "HPERSIST",
		"FLUSHALL", "FLUSHDB", "FUNCTION FLUSH", "VADD", "VREM", "VSETATTR", "MIGRATE", "WAIT", "WAITAOF",
	} {
		require.Zero(t, w.Stats().Issued[command], command)
	}
}

func TestTableAndExclusionsAgree(t *testing.T) {
	rows := make(map[string]bool)
	for _, row := range workload.Table() {
		require.False(t, rows[row.Command], "%s is twice in the table", row.Command)
		rows[row.Command] = true
		require.NotEmpty(t, row.Class, row.Command)
	}
	require.Len(t, rows, 140)
	for _, command := range slices.Sorted(maps.Keys(workload.Excluded())) {
		require.True(t, rows[command], "%s is excluded but not in the table", command)
	}
}
