package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// Somebody sends FLUSHALL: `inspect` finds where, and a restore up to there has all that was lost.
func TestArchiveBeforeAFlush(t *testing.T) {
	for i, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family)
			for key := range 100 { // nothing that expires: the moment is the one before FLUSHALL, whenever that comes
				name := strconv.Itoa(key)
				require.NoError(t, upstream.Client().Set(t.Context(), name, key, 0).Err())
				require.NoError(t, upstream.Client().RPush(t.Context(), "list:"+name, key, name).Err())
				require.NoError(t, upstream.Client().HSet(t.Context(), "hash:"+name, "field", key).Err())
			}
			a := newArchive(t, i%2 == 0)
			m := a.newMirror(t, upstream.Addr())
			m.start(t)
			m.awaitShipped(t, upstream)
			require.NoError(t, upstream.Client().Set(t.Context(), "last", "before", 0).Err())
			point := notePoint(t, upstream, m)
			require.NoError(t, upstream.Client().FlushAll(t.Context()).Err())
			require.NoError(t, upstream.Client().Set(t.Context(), "first", "after", 0).Err())
			m.awaitShipped(t, upstream)
			requireCleanEnd(t, family, m)

			found := a.ok(t, "inspect", "--archive", "--command", "FLUSHALL")
			lines := strings.Split(strings.TrimSpace(found.stdout), "\n")
			require.Len(t, lines, 1, found.stdout)
			before, err := strconv.ParseInt(strings.Fields(lines[0])[0], 10, 64)
			require.NoError(t, err)
			require.GreaterOrEqual(t, before, point.offset)
			require.Contains(t, a.ok(t, "list").stdout, "offset "+strconv.FormatInt(before, 10)+", before a FLUSHALL")
			dir, _ := a.restore(t, "--offset", strconv.FormatInt(before, 10))
			testenv.RequireEqual(t, point.here, testenv.BootFromAOF(t, family, dir), testenv.IgnoreUnreplicated())
			dir, _ = a.restore(t)
			testenv.RequireEqual(t, upstream, testenv.BootFromAOF(t, family, dir), testenv.IgnoreUnreplicated())
		})
	}
}

// A restore is killed in the middle of a download: the target is as before, and the next one succeeds there.
func TestArchiveRestoreKilled(t *testing.T) {
	t.Parallel()
	family := testenv.Pick(t, "redis-8.0")
	upstream := testenv.StartServer(t, family)
	write(t, upstream, newWorkload(t, newSeed(t), upstream, workload.Options{NoFlush: true, NoFieldTTL: true}), 500)
	freeze(t, upstream)
	a := newArchive(t, true)
	m := a.newMirror(t, upstream.Addr())
	m.start(t)
	m.awaitShipped(t, upstream)
	requireCleanEnd(t, family, m)

	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "lost+found"), 0o700))
	args := []string{"restore", "--output", dir}
	for _, setting := range a.set {
		args = append(args, "--set", setting)
	}
	before := a.proxy.Faults()
	a.proxy.Plan(s3gateway.Fault{Kind: s3gateway.HangAnswer, Match: s3gateway.On("GetObject"), At: 100, Skip: 4})
	restore := exec.CommandContext(t.Context(), program, args...)
	restore.Env = append([]string{"PATH=" + os.Getenv("PATH")}, a.env...)
	require.NoError(t, restore.Start())
	testenv.Eventually(t, "a download to hang", func(context.Context) (int, bool) { return a.proxy.Faults(), a.proxy.Faults() > before })
	require.NoError(t, restore.Process.Kill())
	require.Error(t, restore.Wait())
	a.proxy.Plan()
	a.proxy.Release()
	require.NoDirExists(t, filepath.Join(dir, "appendonlydir"))

	a.ok(t, "restore", "--output", dir)
	testenv.RequireEqual(t, upstream, testenv.BootFromAOF(t, family, dir), testenv.IgnoreUnreplicated())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2, "the result, and what was there: %v", left)
}

// The archive is away for longer than aof.max-disk allows: the mirror goes on without a full resync, what waits is given up, and when the archive is back it has the newest state
// again, with a gap before it.
func TestArchiveOverTheBudget(t *testing.T) {
	eachArchive(t, func(t *testing.T, a *archive) { //nolint:thelper // it is the test
		family := testenv.Pick(t, "valkey-8.1")
		upstream := testenv.StartServer(t, family)
		m := a.newMirror(t, upstream.Addr(), "aof.max-disk=2mb", "aof.increment-size=128kb", "aof.auto-aof-rewrite-min-size=64kb")
		m.start(t)
		require.NoError(t, upstream.Client().Set(t.Context(), "a", "in the archive", 0).Err())
		m.awaitShipped(t, upstream)
		mend := a.breakFor(t)
		for i := range uint64(96) {
			ballast(t, upstream, i, 64<<10)
		}
		requireMirrored(t, upstream, m, "everysec")
		m.await(t, "within its budget", func(s testenv.SidecarStatus) bool { return s.Archive.Spool < 2<<20 && !s.Log.DiskFull })
		mend()
		m.awaitShipped(t, upstream)
		require.Positive(t, m.await(t, "streaming", testenv.SidecarStatus.Streaming).Archive.GapCount)
		require.EqualValues(t, 1, requireResyncs(t, upstream).full)
		requireCleanEnd(t, family, m)
		require.Contains(t, a.ok(t, "list").stdout, "\n  gap ")
		dir, _ := a.restore(t)
		testenv.RequireEqual(t, upstream, testenv.BootFromAOF(t, family, dir), testenv.IgnoreUnreplicated())
		a.ok(t, "verify", "--archive", "--deep")
	})
}
