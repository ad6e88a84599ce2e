package testenv_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// do runs commands and fails the test at the first error.
func do(t *testing.T, client *redis.Client, commands ...[]any) {
	t.Helper()
	for _, command := range commands {
		require.NoError(t, client.Do(t.Context(), command...).Err(), "%v", command)
	}
}

func TestFingerprintSeesWhatTheDigestDoesNot(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			client := testenv.StartServer(t, family).Client()
			read := func() testenv.State {
				state, err := testenv.Fingerprint(t.Context(), client, family)
				require.NoError(t, err)
				return state
			}
			do(t, client,
				[]any{"set", "string", "v"}, []any{"hset", "hash", "f", "v"},
				[]any{"xadd", "stream", "1-1", "f", "v"}, []any{"xgroup", "create", "stream", "g", "0"},
			)
			changes := map[string][]any{
				"value":       {"append", "string", "w"},
				"expiry":      {"pexpireat", "string", "4000000000000"},
				"new key":     {"rpush", "list", "a"},
				"group":       {"xgroup", "setid", "stream", "g", "1-1"},
				"consumer":    {"xgroup", "createconsumer", "stream", "g", "c"},
				"last id":     {"xsetid", "stream", "9-9"},
				"function":    {"function", "load", "#!lua name=lib\nredis.register_function('fn', function() return 1 end)"},
				"other db":    {"copy", "string", "string", "db", "7"},
				"deleted key": {"del", "string"},
			}
			if family.Has(testenv.FieldTTL) {
				changes["field expiry"] = []any{"hpexpireat", "hash", "4000000000000", "fields", "1", "f"}
			}
			for name, change := range changes {
				if name == "deleted key" {
					continue
				}
				before := read()
				require.Empty(t, testenv.Diff(before, read()), "reading changes nothing")
				do(t, client, change)
				require.NotEmpty(t, testenv.Diff(before, read()), name)
			}
			before := read()
			do(t, client, changes["deleted key"])
			diff := testenv.Diff(before, read())
			require.Contains(t, diff, `db 0 key "string": string / absent`)
		})
	}
}

// A frozen server shows nothing that is past its time, and deletes none of it.
func TestFreezeStopsWritesAndExpiry(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			ctx := t.Context()
			server := testenv.StartServer(t, family)
			replica := testenv.StartServer(t, family, testenv.ReplicaOf(server))
			client := server.Client()
			var release func(context.Context) error
			for ttl := 150; release == nil; ttl *= 2 { // until all are there when it freezes
				for i := range 50 {
					do(t, client, []any{"set", i, "v", "px", ttl})
				}
				unfreeze, err := testenv.Freeze(ctx, client)
				require.NoError(t, err)
				n, err := client.DBSize(ctx).Result()
				require.NoError(t, err)
				if n == 50 {
					release = unfreeze
				} else {
					require.NoError(t, unfreeze(ctx))
				}
			}
			testenv.CaughtUp(t, server, replica)
			offset := func() string {
				info, err := server.Info(ctx, "replication")
				require.NoError(t, err)
				return info["master_repl_offset"]
			}
			frozenAt := offset()
			testenv.Eventually(t, "all keys to be past their time", func(ctx context.Context) (int64, bool) {
				n, err := client.Exists(ctx, "0", "49").Result()
				return n, err == nil && n == 0
			})
			state, err := testenv.Fingerprint(ctx, client, family)
			require.NoError(t, err)
			require.Empty(t, state.DBs[0].Keys)
			require.Equal(t, int64(50), state.DBs[0].Size, "nothing was deleted")
			require.Equal(t, frozenAt, offset(), "nothing was sent")
			testenv.RequireEqual(t, server, replica)

			written := make(chan error, 1)
			go func() { written <- client.Set(context.WithoutCancel(ctx), "late", "v", 0).Err() }()
			require.NoError(t, release(ctx))
			require.NoError(t, <-written)
			testenv.Eventually(t, "expiry to go on", func(ctx context.Context) (int64, bool) {
				n, err := client.DBSize(ctx).Result()
				return n, err == nil && n == 1
			})
		})
	}
}

// While short expiries run out, frozen upstream and replica stay equal by Compare.
func TestCompareStandsThePassingOfTime(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			server := testenv.StartServer(t, family)
			replica := testenv.StartServer(t, family, testenv.ReplicaOf(server))
			for i := range 200 {
				do(t, server.Client(), []any{"set", i, "v", "px", 100 + 3*i})
				if family.Has(testenv.FieldTTL) {
					do(t, server.Client(), []any{"hset", "h", i, "v"}, []any{"hpexpire", "h", 100 + 3*i, "fields", 1, i})
				}
			}
			release, err := testenv.Freeze(t.Context(), server.Client())
			require.NoError(t, err)
			testenv.CaughtUp(t, server, replica)
			testenv.RequireEqual(t, server, replica)
			require.NoError(t, release(t.Context()))
		})
	}
}

func TestCompareFindsADifference(t *testing.T) {
	family := testenv.Pick(t, "redis-8.0")
	first, second := testenv.StartServer(t, family), testenv.StartServer(t, family)
	do(t, first.Client(), []any{"set", "k", "v"}, []any{"hset", "h", "f", "1"})
	do(t, second.Client(), []any{"set", "k", "v"}, []any{"hset", "h", "f", "2"})
	diff, err := testenv.Compare(t.Context(), first, second)
	require.NoError(t, err)
	require.Contains(t, diff, `db 0 hash "h": value digest`)
	require.NotContains(t, diff, `"k"`)
	diff, err = testenv.Compare(t.Context(), first, second, testenv.IgnoreHashes())
	require.NoError(t, err)
	require.Empty(t, diff)
}

func TestDiffIsBounded(t *testing.T) {
	keys := make(map[string]testenv.Key)
	for i := range 1000 {
		keys[itoa(i)] = testenv.Key{Type: "string"}
	}
	diff := testenv.Diff(testenv.State{DBs: map[int]testenv.DB{3: {Keys: keys}}}, testenv.State{})
	require.Contains(t, diff, "and 980 more")
}

func TestCompareEndsWithItsContext(t *testing.T) {
	server := testenv.StartServer(t, testenv.Pick(t, "redis-7.0"))
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	_, err := testenv.Compare(ctx, server, server)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
