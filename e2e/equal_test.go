package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// offsetOf returns how far a server's stream has come.
func offsetOf(ctx context.Context, server *testenv.Server) (int64, error) {
	info, err := server.Info(ctx, "replication")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(info["master_repl_offset"], 10, 64)
}

// inStep reports whether the mirror has all of the upstream's stream, and of no other's: on its disk, or under appendfsync no in
// its file.
func (m mirror) inStep(ctx context.Context, upstream *testenv.Server, fsync string) (testenv.SidecarStatus, bool) {
	info, err := upstream.Info(ctx, "replication")
	if err != nil {
		return testenv.SidecarStatus{}, false
	}
	end, err := strconv.ParseInt(info["master_repl_offset"], 10, 64)
	if err != nil {
		return testenv.SidecarStatus{}, false
	}
	status, err := m.Status(ctx)
	have := status.Log.Durable
	if fsync == "no" {
		have = status.Log.Received
	}
	return status, err == nil && status.Streaming() && !status.Log.Awaiting && status.Log.ReplID == info["master_replid"] && have >= end
}

// requireMirrored stops the upstream's writes, waits until the mirror has everything, boots a stock server of the same version from a
// copy of its directory, and fails the test where that differs from the upstream. fsync is the mirror's policy.
//
// The upstream may have what it tells no replica, and Redis 8.0 itself loses hashes whose fields expire when it loads a raw
// log (protocol.md 4.8): hashes says whether hashes can be compared.
func requireMirrored(t *testing.T, upstream *testenv.Server, m mirror, fsync string, options ...testenv.FingerprintOption) {
	t.Helper()
	requireMirroredAt(t, upstream, m, m.Dir(), fsync, options...)
}

// requireMirroredAt is requireMirrored for a directory that the test knows under another name than the sidecar.
func requireMirroredAt(
	t *testing.T, upstream *testenv.Server, m mirror, dir, fsync string, options ...testenv.FingerprintOption,
) {
	t.Helper()
	release, err := testenv.Freeze(t.Context(), upstream.Client())
	require.NoError(t, err)
	defer func() { require.NoError(t, release(context.WithoutCancel(t.Context()))) }()
	testenv.Eventually(t, "the mirror to have all of the stream", func(ctx context.Context) (testenv.SidecarStatus, bool) {
		return m.inStep(ctx, upstream, fsync)
	})
	booted := testenv.BootFromAOF(t, upstream.Family, dir)
	testenv.RequireEqual(t, upstream, booted, append(options, testenv.IgnoreUnreplicated())...)
	require.NoError(t, booted.Close())
}

// requireCleanEnd stops the mirror and wants its files to be sound.
func requireCleanEnd(t *testing.T, family testenv.Family, m mirror) {
	t.Helper()
	code, err := m.Stop(t.Context())
	require.NoError(t, err)
	require.Zero(t, code, m.Log())
	requireSound(t, family, m)
}

// requireSound asks those who check append-only files.
func requireSound(t *testing.T, family testenv.Family, m mirror) {
	t.Helper()
	verified := aofsidecar(t, "verify", "--set", "aof.dir="+m.Dir())
	require.Zero(t, verified.code, "%+v", verified)
	if !family.Has(testenv.BrokenCheckAOF) {
		checked := command(t, family.CheckAOF(), filepath.Join(m.Dir(), "appendonlydir", "appendonly.aof.manifest"))
		require.Zero(t, checked.code, "%+v", checked)
	}
}

// resyncs are what an upstream counts.
type resyncs struct{ full, partial, refused int64 }

// resyncsOf reads INFO stats.
func resyncsOf(ctx context.Context, upstream *testenv.Server) (resyncs, error) {
	info, err := upstream.Info(ctx, "stats")
	if err != nil {
		return resyncs{}, err
	}
	var r resyncs
	for name, value := range map[string]*int64{
		"sync_full": &r.full, "sync_partial_ok": &r.partial, "sync_partial_err": &r.refused,
	} {
		if *value, err = strconv.ParseInt(info[name], 10, 64); err != nil {
			return resyncs{}, err
		}
	}
	return r, nil
}

func requireResyncs(t *testing.T, upstream *testenv.Server) resyncs {
	t.Helper()
	r, err := resyncsOf(t.Context(), upstream)
	require.NoError(t, err)
	return r
}

// filesIn returns the files of a folder with their content.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	files := make(map[string]string, len(entries))
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		require.NoError(t, err)
		files[entry.Name()] = string(text)
	}
	return files
}
