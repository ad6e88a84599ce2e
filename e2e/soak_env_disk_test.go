package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// The disk has space, but no more files: no increment and no base can be begun, and a full resync's snapshot cannot be taken. The stream goes on into the increment that there is, and all the rest when there are files again.
func TestDiskWithoutInodes(t *testing.T) {
	t.Parallel()
	upstream, seed := drawUpstream(t)
	family := upstream.Family
	proxy := testenv.NewProxy(t, upstream.Addr())
	m := newMirrorOnDisk(t, "size=64m,nr_inodes=40", proxy.Addr(), "aof.increment-size=64kb", "aof.auto-aof-rewrite-percentage=0", "rewrite.interval=0s")
	m.start(t)
	m.awaitStreaming(t)
	disk := onSmallDisk(m)
	work := workload.New(seed, family, workload.Options{BigValueBytes: -1, NoFieldTTL: true, NoFlush: true})
	write(t, upstream, work, 50)
	requireMirroredAt(t, upstream, m, disk, "everysec")

	give := takeInodes(t, filepath.Dir(disk))
	files := len(filesIn(t, filepath.Join(disk, "appendonlydir")))
	ballast(t, upstream, seed, 256<<10)
	write(t, upstream, work, 100)
	requireMirroredAt(t, upstream, m, disk, "everysec")
	failed := aofsidecar(t, "rewrite", "--wait", "--set", "control.socket="+m.Socket())
	require.Equal(t, 1, failed.code, "%+v", failed)
	require.Contains(t, failed.stderr, "no space")
	require.Len(t, filesIn(t, filepath.Join(disk, "appendonlydir")), files)
	timeline := m.awaitStreaming(t).Log.Timeline

	forgetHistory(t, upstream, proxy)
	proxy.SetPlan(nil)
	status := m.await(t, "refusing the snapshot", func(s testenv.SidecarStatus) bool { return s.Upstream.FailedSnapshots == 1 })
	require.Contains(t, status.Upstream.LastFailure.Message, "no space")
	require.Equal(t, timeline, status.Log.Timeline)

	give()
	kept := t.TempDir()
	require.NoError(t, os.CopyFS(kept, os.DirFS(disk))) // the disk ends with the process, and a new one asks at once
	m.kill(t)
	again := newMirrorAt(t, kept, proxy.Addr(), "aof.increment-size=64kb")
	again.start(t)
	again.awaitStreaming(t)
	write(t, upstream, work, 100)
	requireMirrored(t, upstream, again, "everysec")
	requireCleanEnd(t, family, again)
}

// takeInodes makes files until there can be no more; give removes them.
func takeInodes(t *testing.T, dir string) (give func()) {
	t.Helper()
	filler := filepath.Join(dir, "filler")
	require.NoError(t, os.Mkdir(filler, 0o700))
	for i := 0; ; i++ {
		err := os.WriteFile(filepath.Join(filler, fmt.Sprint(i)), nil, 0o600)
		if errors.Is(err, syscall.ENOSPC) {
			break
		}
		require.NoError(t, err)
	}
	return func() { require.NoError(t, os.RemoveAll(filler)) }
}

// The archive is away, what waits for it fills the disk, and somebody else takes the rest: the oldest of it goes before the mirror stops. The gap is told, and behind it all is restored.
func TestDiskFullOfWhatWaitsForTheArchive(t *testing.T) {
	t.Parallel()
	upstream, _ := drawUpstream(t)
	family := upstream.Family
	a := newArchive(t, true)
	m := newMirrorOnDisk(t, "size=48m", upstream.Addr(), append(a.set, "aof.increment-size=1mb", "aof.auto-aof-rewrite-percentage=0", "rewrite.interval=0s", "aof.max-disk=100%")...)
	m.Env(a.env...)
	m.start(t)
	m.awaitShipped(t, upstream)
	disk := onSmallDisk(m)

	a.proxy.Plan(s3gateway.Fault{Kind: s3gateway.Reset})
	overwrite := func(mb int) {
		t.Helper()
		for i := range mb {
			require.NoError(t, upstream.Client().Set(t.Context(), fmt.Sprint("large ", i%2), strings.Repeat(string(rune('a'+i%26)), 1<<20), 0).Err())
		}
	}
	inStep := func(what string) {
		t.Helper()
		testenv.Eventually(t, what, func(ctx context.Context) (testenv.SidecarStatus, bool) { return m.inStep(ctx, upstream, "everysec") })
	}
	overwrite(12)
	inStep("the log to have it")
	done := aofsidecar(t, "rewrite", "--wait", "--set", "control.socket="+m.Socket())
	require.Zero(t, done.code, "%+v", done)
	require.Greater(t, m.awaitStreaming(t).Archive.Spool, int64(10<<20))
	filler := filepath.Join(filepath.Dir(disk), "filler")
	fillUp(t, filler)
	overwrite(8)
	inStep("what waits to give way")
	requireMirroredAt(t, upstream, m, disk, "everysec")

	require.NoError(t, os.Remove(filler))
	a.proxy.Plan()
	m.awaitShipped(t, upstream)
	status := m.await(t, "beyond the gap", func(s testenv.SidecarStatus) bool { return s.Archive.GapCount > 0 })
	require.False(t, status.Log.DiskFull)
	require.EqualValues(t, 1, status.Upstream.FullResyncs)
	dir, _ := a.restore(t)
	booted := testenv.BootFromAOF(t, family, dir)
	testenv.RequireEqual(t, upstream, booted, testenv.IgnoreUnreplicated())
	require.NoError(t, booted.Close())
	a.ok(t, "verify", "--archive", "--deep")
	code, err := m.Stop(t.Context())
	require.NoError(t, err)
	require.Zero(t, code)
}

// fillUp writes a file that takes all the space there is.
func fillUp(t *testing.T, name string) {
	t.Helper()
	file, err := os.Create(name)
	require.NoError(t, err)
	for chunk := make([]byte, 256<<10); err == nil; {
		_, err = file.Write(chunk)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, file.Close())
}

// What is restored does not fit on the disk, by its bytes or by its files: the restore says so and leaves the target as it was, and the next one, with space, needs no force.
func TestRestoreOntoAFullDisk(t *testing.T) {
	t.Parallel()
	upstream, seed := drawUpstream(t)
	family := upstream.Family
	ballast(t, upstream, seed, 6<<20)
	a := newArchive(t, false)
	m := a.newMirror(t, upstream.Addr())
	m.start(t)
	m.awaitShipped(t, upstream)
	requireCleanEnd(t, family, m)
	for _, small := range []string{"size=4m", "size=64m,nr_inodes=4"} {
		mountPoint, out := t.TempDir(), t.TempDir()
		args := "restore --output \"$1/target\""
		for _, setting := range a.set {
			args += " --set " + setting
		}
		script := fmt.Sprintf("%s || exit 90; %s %s; echo \"first $?\"; find \"$1\" -mindepth 1 | sed 's/^/left /'; mount -o remount,size=64m,nr_inodes=1000 \"$1\" || exit 91; %s %s; echo \"second $?\"; cp -a \"$1/target/.\" \"$2\"",
			mountCommand("\"$1\"", small), program, args, program, args)
		done := command(t, "sh", "-c", "exec unshare "+namespace(t)+" -- sh -c \"$0\" sh \"$1\" \"$2\"", script, mountPoint, out)
		require.Zero(t, done.code, "%+v", done)
		require.Contains(t, done.stdout, "first 1\n")
		require.Contains(t, done.stderr, "no space")
		require.NotRegexp(t, "(?m)^left .*/appendonlydir", done.stdout)
		require.Contains(t, done.stdout, "second 0\n")
		booted := testenv.BootFromAOF(t, family, out)
		testenv.RequireEqual(t, upstream, booted, testenv.IgnoreUnreplicated())
		require.NoError(t, booted.Close())
	}
}
