package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// What docs/restore.md says of a restore by hand: the newest base, the segments whose names lead on from its offset, each decompressed, one behind the
// other, and a manifest of two lines. A server boots from that and has what the upstream has, after a rewrite, too.
func TestArchiveReadByHand(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family)
			a := newArchive(t, false)
			m := a.newMirror(t, upstream.Addr())
			m.start(t)
			m.awaitShipped(t, upstream)
			for range 2 {
				before, err := offsetOf(t.Context(), upstream)
				require.NoError(t, err)
				tr := startTraffic(t, upstream, newWorkload(t, newSeed(t), upstream, workload.Options{NoFlush: true, NoFieldTTL: true, LongExpiry: true}))
				testenv.Eventually(t, "some traffic", func(ctx context.Context) (int64, bool) {
					now, err := offsetOf(ctx, upstream)
					return now, err == nil && now > before+100<<10
				})
				tr.stop(t)
				m.awaitShipped(t, upstream)
				require.Zero(t, aofsidecar(t, "rewrite", "--wait", "--set", "control.socket="+m.Socket()).code)
			}
			require.NoError(t, upstream.Client().Set(t.Context(), "behind the base", 1, 0).Err())
			release, err := testenv.Freeze(t.Context(), upstream.Client())
			require.NoError(t, err)
			defer func() { require.NoError(t, release(context.WithoutCancel(t.Context()))) }()
			m.awaitShipped(t, upstream)

			booted := testenv.BootFromAOF(t, family, byHand(t, a.dir))
			testenv.RequireEqual(t, upstream, booted, testenv.IgnoreUnreplicated())
		})
	}
}

// byHand makes a directory for a server of an archive that is a directory and has one timeline.
func byHand(t *testing.T, archive string) string {
	t.Helper()
	names := func(folder string) []string {
		found, err := filepath.Glob(filepath.Join(archive, "timelines", "*", folder, "*.zst"))
		require.NoError(t, err)
		slices.Sort(found)
		return found
	}
	offset := func(name string, field int) string { return strings.Split(filepath.Base(name), "-")[field] }
	dir := t.TempDir()
	live := filepath.Join(dir, "appendonlydir")
	require.NoError(t, os.Mkdir(live, 0o750))
	bases := names("base")
	require.NotEmpty(t, bases)
	base := bases[len(bases)-1]
	require.NoError(t, os.WriteFile(filepath.Join(live, "appendonly.aof.1.base.rdb"), unzstd(t, base), 0o600))
	var incr []byte
	used := 0
	for at := offset(base, 0); ; used++ {
		// Merged segments stand beside the small ones: of those that begin here any will do.
		next := slices.IndexFunc(names("incr"), func(name string) bool { return offset(name, 0) == at && offset(name, 1) != at })
		if next < 0 {
			break
		}
		segment := names("incr")[next]
		incr, at = append(incr, unzstd(t, segment)...), offset(segment, 1)
	}
	require.Positive(t, used)
	require.NoError(t, os.WriteFile(filepath.Join(live, "appendonly.aof.1.incr.aof"), incr, 0o600))
	manifest := "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
	page, err := os.ReadFile("../docs/restore.md")
	require.NoError(t, err)
	require.Contains(t, string(page), fmt.Sprintf("printf '%s'", strings.ReplaceAll(manifest, "\n", `\n`)), "docs/restore.md has the same manifest")
	require.NoError(t, os.WriteFile(filepath.Join(live, "appendonly.aof.manifest"), []byte(manifest), 0o600))
	return dir
}

func unzstd(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	reader, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer reader.Close()
	plain, err := reader.DecodeAll(text, nil)
	require.NoError(t, err)
	return plain
}
