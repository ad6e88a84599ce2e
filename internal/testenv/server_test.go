package testenv_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServerLifeCycle(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			ctx := t.Context()
			server := testenv.StartServer(t, family, testenv.WithConfig("appendonly yes", "appendfsync always"))
			client := server.Client()
			info, err := server.Info(ctx, "server")
			require.NoError(t, err)
			version := info["redis_version"]
			if family.Dialect == testenv.Valkey {
				version = info["valkey_version"]
			}
			require.Equal(t, family.Version.String(), version)

			pid := server.PID()
			require.NoError(t, client.Set(ctx, "kept", "1", 0).Err())
			require.NoError(t, server.Kill())
			require.Zero(t, server.PID())
			require.Error(t, client.Ping(ctx).Err())
			require.NoError(t, server.Start(ctx))
			require.NotEqual(t, pid, server.PID())
			require.Equal(t, "1", client.Get(ctx, "kept").Val())

			require.NoError(t, server.Restart(ctx))
			require.Equal(t, "1", client.Get(ctx, "kept").Val())
			require.Contains(t, server.Log(), "Ready to accept connections")

			dir := server.Dir()
			require.NoError(t, server.Close())
			require.NoError(t, server.Close(), "a second Close is harmless")
			require.NoDirExists(t, dir)
		})
	}
}

func TestServerPause(t *testing.T) {
	server := testenv.StartServer(t, testenv.Pick(t, "redis-7.0"))
	require.NoError(t, server.Pause())
	testenv.Eventually(t, "the process to stop", func(context.Context) (string, bool) {
		state := processState(t, server.PID())
		return state, state == "T"
	})
	require.NoError(t, server.Resume())
	require.NoError(t, server.Client().Ping(t.Context()).Err())
	require.NoError(t, server.Pause())
	require.NoError(t, server.Stop(t.Context()), "a paused server can be stopped")
}

// processState returns the state letter of proc(5).
func processState(t *testing.T, pid int) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("/proc", itoa(pid), "stat"))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(raw), ") ")
	return rest[:1]
}

func TestServerAccess(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			ctx := t.Context()
			files := testenv.NewTLS(t)
			server := testenv.StartServer(t, family,
				testenv.WithTLS(files), testenv.WithUnixSocket(), testenv.WithPassword(`pass "word"`),
				testenv.WithUser("sidecar", "on", ">other", "+ping"))
			require.NoError(t, server.Client().Ping(ctx).Err())

			options, err := server.Options()
			require.NoError(t, err)
			options.Network, options.Addr, options.TLSConfig = "unix", server.Socket(), nil
			options.Username, options.Password = "sidecar", "other"
			socket := redis.NewClient(options)
			defer func() { require.NoError(t, socket.Close()) }()
			require.NoError(t, socket.Ping(ctx).Err())
			require.ErrorContains(t, socket.Get(ctx, "k").Err(), "NOPERM")

			stranger := testenv.NewTLS(t)
			config, err := stranger.ClientConfig()
			require.NoError(t, err)
			options, err = server.Options()
			require.NoError(t, err)
			options.TLSConfig = config
			strange := redis.NewClient(options)
			defer func() { require.NoError(t, strange.Close()) }()
			require.ErrorContains(t, strange.Ping(ctx).Err(), "certificate")

			replica := testenv.StartServer(t, family, testenv.WithTLS(files), testenv.ReplicaOf(server))
			testenv.Eventually(t, "the replica's link", func(ctx context.Context) (string, bool) {
				info, err := replica.Info(ctx, "replication")
				return info["master_link_status"], err == nil && info["master_link_status"] == "up"
			})
		})
	}
}

func TestServerThatCannotStart(t *testing.T) {
	_, err := testenv.Start(t.Context(), testenv.Pick(t, "valkey-8.1"), testenv.WithConfig("no-such-directive yes"))
	require.ErrorContains(t, err, "no-such-directive", "the error shows what the server said")
}

func TestServerStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := testenv.Start(ctx, testenv.Pick(t, "redis-7.0"))
	require.ErrorIs(t, err, context.Canceled)
}

// Ports taken by others are tried again with another port: all servers of this test start at once.
func TestServersStartTogether(t *testing.T) {
	family := testenv.Pick(t, "redis-7.0")
	seen := make(map[string]bool)
	for range 8 {
		server := testenv.StartServer(t, family)
		require.False(t, seen[server.Addr()])
		seen[server.Addr()] = true
	}
}
