package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// examine runs the doctor against a server and returns its findings by name.
func examine(t *testing.T, server *testenv.Server, username string) map[string]finding {
	t.Helper()
	config := DefaultConfig()
	config.Upstream.Addr, config.Upstream.Username, config.Upstream.Password = server.Addr(), username, Secret{"p"}
	if username == "" {
		config.Upstream.Password = Secret{}
	}
	config.AOF.Dir = t.TempDir()
	byName := map[string]finding{}
	for _, f := range gatherFacts(t.Context(), config, 50*time.Millisecond).findings() {
		byName[f.Check] = f
	}
	return byName
}

// full, minimal and others are the rules that the report prints, and rules that lack something.
func doctorUsers() []testenv.Option {
	rules := func(more ...string) []string {
		return append([]string{"on", ">p", "resetkeys", "resetchannels", "-@all", "+ping"}, more...)
	}
	return []testenv.Option{
		testenv.WithUser("minimal", rules("+psync", "+replconf")...),
		testenv.WithUser("full", rules("+psync", "+replconf", "+info", "+config|get", "+acl|whoami", "+acl|dryrun")...),
		testenv.WithUser("info", rules("+psync", "+replconf", "+info")...),
		testenv.WithUser("blind", rules("+info")...),
		testenv.WithUser("nopsync", rules("+replconf", "+acl|whoami", "+acl|dryrun")...),
	}
}

func TestDoctorOnEveryServer(t *testing.T) {
	testenv.EachFamily(t, func(t *testing.T, family testenv.Family) { //nolint:thelper // it is the test
		server := testenv.StartServer(t, family, doctorUsers()...)
		for _, user := range []string{"", "full"} {
			for name, f := range examine(t, server, user) {
				if name != "backlog" { // what little a test writes may outrun it
					require.Equal(t, resultOK, f.Result, "user %q: %+v", user, f)
				}
			}
		}
		require.Equal(t, resultFail, examine(t, server, "nopsync")["rights"].Result)

		minimal := examine(t, server, "minimal")
		for name, f := range minimal {
			require.NotEqual(t, resultFail, f.Result, "%s: %+v", name, f)
		}
		require.Equal(t, resultWarn, minimal["rights"].Result)
		require.Equal(t, resultWarn, minimal["info"].Result)

		info, err := server.Info(t.Context(), "stats")
		require.NoError(t, err)
		require.Equal(t, "0", info["sync_full"], "the doctor makes nothing fork")
		require.Equal(t, "0", info["sync_partial_ok"])
	})
}

// TestDoctorTriesPSYNC holds that rights which cannot be asked for are tried where that costs nothing.
func TestDoctorTriesPSYNC(t *testing.T) {
	family := testenv.Pick(t, "valkey-8.1")
	server := testenv.StartServer(t, family, doctorUsers()...)
	require.Equal(t, resultWarn, examine(t, server, "info")["rights"].Result, "without a backlog nothing is tried")

	testenv.StartServer(t, family, testenv.ReplicaOf(server))
	testenv.Eventually(t, "replica to be online", func(ctx context.Context) (map[string]string, bool) {
		info, err := server.Info(ctx, "replication")
		return info, err == nil && info["connected_slaves"] == "1" && info["repl_backlog_active"] == "1"
	})
	before, err := server.Info(t.Context(), "stats")
	require.NoError(t, err)
	require.Equal(t, ok("rights", "PSYNC is answered with +CONTINUE"), examine(t, server, "info")["rights"])
	blind := examine(t, server, "blind")["rights"]
	require.Equal(t, resultFail, blind.Result)
	require.Equal(t, "ACL SETUSER blind +psync +replconf +ping", blind.Next)
	after, err := server.Info(t.Context(), "stats")
	require.NoError(t, err)
	require.Equal(t, before["sync_full"], after["sync_full"], "and nothing forks")
	require.Equal(t, "1", after["sync_partial_ok"])
}
