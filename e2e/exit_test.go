package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// One directory has one sidecar, and one control socket too.
func TestSecondProcess(t *testing.T) {
	upstream := testenv.StartServer(t, testenv.Pick(t, "redis-7.0"))
	m := startMirror(t, upstream.Addr())

	second := newMirrorAt(t, m.Dir(), upstream.Addr())
	second.start(t)
	second.endsHeld(t)
	require.Contains(t, second.Log(), m.Dir())
	require.Contains(t, second.Log(), "Try: ")

	third := newMirror(t, upstream.Addr(), "control.socket="+m.Socket())
	third.start(t)
	third.endsHeld(t)
	require.Contains(t, third.Log(), m.Socket())

	fixed := aofsidecar(t, "verify", "--fix", m.Dir())
	require.Equal(t, 7, fixed.code, "%+v", fixed)

	require.NoError(t, upstream.Client().Set(t.Context(), "key", "value", 0).Err())
	requireMirrored(t, upstream, m, "everysec")
	require.EqualValues(t, 1, requireResyncs(t, upstream).full)
}

// A directory of a server is left alone, whatever kind of persistence it has.
func TestDirectoryOfAServer(t *testing.T) {
	kinds := map[string]struct {
		config string
		where  string // of its files, below the directory
	}{
		"append-only": {config: "appendonly yes", where: "appendonlydir"},
		"snapshot":    {config: "save 3600 1", where: "."},
	}
	for _, family := range testenv.Servers(t) {
		for name, kind := range kinds {
			t.Run(family.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				upstream := testenv.StartServer(t, family)
				dir := t.TempDir()
				owner := testenv.StartServer(t, family, testenv.WithDataDir(dir), testenv.WithConfig(kind.config))
				require.NoError(t, owner.Client().Set(t.Context(), "key", "value", 0).Err())
				require.NoError(t, owner.Stop(t.Context()))
				before := dataFiles(t, filepath.Join(dir, kind.where))
				require.NotEmpty(t, before)

				m := newMirrorAt(t, dir, upstream.Addr())
				m.start(t)
				m.endsHeld(t)
				require.Equal(t, before, dataFiles(t, filepath.Join(dir, kind.where)))
				require.Zero(t, requireResyncs(t, upstream).full, "a server that would be asked for nothing")
				require.NoError(t, owner.Start(t.Context()))
				value, err := owner.Client().Get(t.Context(), "key").Result()
				require.NoError(t, err)
				require.Equal(t, "value", value)
			})
		}
	}
}

// dataFiles is filesIn for folders that may have the sidecar's lock beside.
func dataFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := filesIn(t, dir)
	delete(files, "aofsidecar.lock")
	return files
}

// Everything that is wrong is said at once, by key and place, and nothing is begun.
func TestBadConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	text := "upstream:\n  addrs: localhost:6379\n  repl-timeout: 5\naof:\n  dir: " + filepath.Join(dir, "aof") + "\n  appendfsync: sometimes\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	got := aofsidecar(t, "run", "--config", file, "--set", "aof.increment-size=12parsecs", "--set", "http.addr=nowhere")
	require.Equal(t, 2, got.code, "%+v", got)
	for _, said := range []string{
		"upstream.addrs", "upstream.addr", file + ":2", // the nearest known one, and where
		"upstream.repl-timeout", file + ":3",
		"aof.appendfsync", "sometimes", file + ":6",
		"aof.increment-size", "12parsecs",
		"http.addr", // what stands there is not repeated: it may be a secret that slipped
	} {
		require.Contains(t, got.stderr, said)
	}
	require.Empty(t, got.stdout)
	require.NoDirExists(t, filepath.Join(dir, "aof"))
}
