package testenv_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// A stock server's own AOF, copied while it writes, boots to the same state.
func TestBootFromAOF(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			server := testenv.StartServer(t, family, testenv.WithConfig("appendonly yes", "appendfsync no"))
			for i := range 300 {
				do(t, server.Client(), []any{"set", i, "v", "px", 60_000}, []any{"rpush", "list", i})
			}
			do(t, server.Client(), []any{"set", "short", "v", "px", 1})
			release, err := testenv.Freeze(t.Context(), server.Client())
			require.NoError(t, err)
			booted := testenv.BootFromAOF(t, family, server.Dir())
			testenv.RequireEqual(t, server, booted)
			require.NoError(t, release(t.Context()))

			again, err := testenv.Boot(t.Context(), family, server.Dir())
			require.NoError(t, err)
			dir := again.Dir()
			require.NoError(t, again.Close())
			require.NoDirExists(t, dir)
		})
	}
}

// Rewrites replace the manifest again and again under the copy.
func TestCopyLiveTakesWholeMoments(t *testing.T) {
	family := testenv.Pick(t, "redis-7.0")
	server := testenv.StartServer(t, family, testenv.WithConfig("appendonly yes", "appendfsync no"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			server.Client().Set(ctx, "k"+itoa(i%1000), i, 0)
			if i%50 == 0 {
				server.Client().BgRewriteAOF(ctx)
			}
		}
	}()
	for range 5 {
		booted := testenv.BootFromAOF(t, family, server.Dir())
		require.NoError(t, booted.Client().Ping(t.Context()).Err())
		require.NoError(t, booted.Close())
	}
	cancel()
	<-done
}

func TestCopyLiveFailures(t *testing.T) {
	src := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, testenv.CopyLive(ctx, src, filepath.Join(t.TempDir(), "dst")), os.ErrNotExist, "no manifest")

	manifest := "file a.1.incr.aof seq 1 type i\nfile gone seq 1 type h\n"
	require.NoError(t, os.WriteFile(filepath.Join(src, "a.manifest"), []byte(manifest), 0o600))
	require.ErrorIs(t, testenv.CopyLive(ctx, src, filepath.Join(t.TempDir(), "dst")), os.ErrNotExist, "no increment")

	require.NoError(t, os.WriteFile(filepath.Join(src, "a.1.incr.aof"), []byte("data"), 0o600))
	dst := filepath.Join(t.TempDir(), "dst")
	require.NoError(t, testenv.CopyLive(ctx, src, dst), "history files need not be there")
	got, err := os.ReadFile(filepath.Join(dst, "a.1.incr.aof"))
	require.NoError(t, err)
	require.Equal(t, "data", string(got))
}

// After a clean stop the server's own check-aof passes its own AOF, except where it is known to be broken.
func TestCheckAOF(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			server := testenv.StartServer(t, family, testenv.WithConfig("appendonly yes"))
			do(t, server.Client(), []any{"set", "k", "v"})
			require.NoError(t, server.Stop(t.Context()))
			manifest := filepath.Join(server.Dir(), "appendonlydir", "appendonly.aof.manifest")
			output, err := exec.CommandContext(t.Context(), family.CheckAOF(), manifest).CombinedOutput()
			if family.Has(testenv.BrokenCheckAOF) {
				require.Error(t, err, "%s", output)
				return
			}
			require.NoError(t, err, "%s", output)
		})
	}
}
