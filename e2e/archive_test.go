package e2e_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// Two sidecars on one prefix: one ships, the other says so, keeps mirroring, and takes over when the first is gone. Whatever was shipped by whom, what is
// restored is of one history.
func TestArchiveHasOneHolder(t *testing.T) {
	eachArchive(t, func(t *testing.T, a *archive) { //nolint:thelper // it is the test
		family := testenv.Pick(t, "valkey-8.1")
		upstream := testenv.StartServer(t, family)
		first := a.newMirror(t, upstream.Addr())
		first.start(t)
		require.NoError(t, upstream.Client().Set(t.Context(), "a", 1, 0).Err())
		first.awaitShipped(t, upstream)
		looked := a.ok(t, "doctor", "--measure", "100ms", "--set", "upstream.addr="+upstream.Addr(), "--set", "aof.dir="+t.TempDir())
		for _, check := range []string{"put", "get", "list", "conditions", "multipart", "delete"} {
			require.Regexp(t, "(?m)^ok +"+check+" ", looked.stdout)
		}
		require.Regexp(t, "(?m)^ok +lease +held by ", looked.stdout)
		second := a.newMirror(t, upstream.Addr())
		second.start(t)
		status := second.await(t, "aware of the first", func(s testenv.SidecarStatus) bool { return s.Streaming() && s.Archive.HeldBy != nil })
		require.False(t, status.Ready)
		require.Contains(t, status.NotReady, "another sidecar ships to the archive")
		require.NoError(t, upstream.Client().Set(t.Context(), "b", 2, 0).Err())
		requireMirrored(t, upstream, second, "everysec")

		first.kill(t)
		require.NoError(t, upstream.Client().Set(t.Context(), "c", 3, 0).Err())
		second.awaitShipped(t, upstream)
		require.Nil(t, second.await(t, "ready", func(s testenv.SidecarStatus) bool { return s.Ready }).Archive.HeldBy)
		requireCleanEnd(t, family, second)

		dir, _ := a.restore(t)
		booted := testenv.BootFromAOF(t, family, dir)
		testenv.RequireEqual(t, upstream, booted, testenv.IgnoreUnreplicated())
		a.ok(t, "verify", "--archive", "--deep")
	})
}

// The holder is stopped (SIGSTOP) past its TTL, with writes on their way, and goes on when the other one ships. It ships again when that one is gone. What is restored then is the
// newest state, of one history, though the other's timeline is the one that was created last.
func TestArchiveHoldersTakeTurns(t *testing.T) {
	eachArchive(t, func(t *testing.T, a *archive) { //nolint:thelper // it is the test
		family := testenv.Pick(t, "redis-8.0")
		upstream := testenv.StartServer(t, family)
		tr := startTraffic(t, upstream, newWorkload(t, newSeed(t), upstream, workload.Options{NoFlush: true, NoFieldTTL: true}))
		first := a.newMirror(t, upstream.Addr())
		first.start(t)
		one := first.awaitShipped(t, upstream).Log.Timeline
		begun := time.Now()
		testenv.Eventually(t, "the next second: timelines have it in their names", func(context.Context) (time.Duration, bool) {
			return time.Since(begun), time.Since(begun) > time.Second
		})
		second := a.newMirror(t, upstream.Addr())
		second.start(t)
		second.await(t, "aware of the first", func(s testenv.SidecarStatus) bool { return s.Streaming() && s.Archive.HeldBy != nil })

		require.NoError(t, syscall.Kill(first.PID(), syscall.SIGSTOP))
		two := second.awaitShipped(t, upstream).Log.Timeline
		require.NotEqual(t, one, two)
		require.NoError(t, syscall.Kill(first.PID(), syscall.SIGCONT))
		first.await(t, "aware of the second", func(s testenv.SidecarStatus) bool {
			return s.Streaming() && !s.Archive.LeaseHeld && s.Archive.HeldBy != nil
		})
		second.kill(t)
		tr.stop(t)
		freeze(t, upstream)
		first.awaitShipped(t, upstream)
		requireCleanEnd(t, family, first)

		dir, got := a.restore(t)
		require.Equal(t, one, got.Timeline)
		booted := testenv.BootFromAOF(t, family, dir)
		testenv.RequireEqual(t, upstream, booted, testenv.IgnoreUnreplicated())
		_, got = a.restore(t, "--timeline", two)
		require.Equal(t, two, got.Timeline)
		a.ok(t, "verify", "--archive", "--deep")
	})
}

// With upstream.fack shipped, WAITAOF upstream waits for the archive.
func TestWaitAOFForTheArchive(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		if !family.Has(testenv.WaitAOF) {
			continue // TestWaitAOF proves that there is nothing to wait with
		}
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family)
			a := newArchive(t, false)
			m := a.newMirror(t, upstream.Addr(), "upstream.fack=shipped")
			m.start(t)
			m.awaitShipped(t, upstream)
			client := upstream.Client()
			require.NoError(t, client.Set(t.Context(), "key", "shipped", 0).Err())
			got, err := waitAOF(t.Context(), client, 60_000)
			require.NoError(t, err)
			require.Equal(t, []int64{0, 1}, got)
			dir, _ := a.restore(t)
			booted := testenv.BootFromAOF(t, family, dir)
			require.Equal(t, "shipped", booted.Client().Get(t.Context(), "key").Val())

			mend := a.breakFor(t)
			require.NoError(t, client.Set(t.Context(), "key", "not shipped", 0).Err())
			got, err = waitAOF(t.Context(), client, 1500)
			require.NoError(t, err)
			require.Equal(t, []int64{0, 0}, got)
			mend()
			got, err = waitAOF(t.Context(), client, 120_000)
			require.NoError(t, err)
			require.Equal(t, []int64{0, 1}, got)
		})
	}
}

// An upstream that restarted empty: the timeline before is pinned in the archive, restore wants to be told which of the two, and both are there.
func TestArchiveOfAWipedUpstream(t *testing.T) {
	eachArchive(t, func(t *testing.T, a *archive) { //nolint:thelper // it is the test
		family := testenv.Pick(t, "redis-7.0")
		upstream := testenv.StartServer(t, family)
		work := newWorkload(t, newSeed(t), upstream, workload.Options{NoFlush: true, NoFieldTTL: true, LongExpiry: true})
		write(t, upstream, work, 500)
		m := a.newMirror(t, upstream.Addr())
		m.start(t)
		m.awaitShipped(t, upstream)
		point := notePoint(t, upstream, m)
		before := m.awaitShipped(t, upstream).Log.Timeline
		require.NoError(t, upstream.Restart(t.Context()))
		after := m.await(t, "on the next timeline", func(s testenv.SidecarStatus) bool { return s.Streaming() && s.Log.Timeline != before }).Log.Timeline
		m.awaitShipped(t, upstream)
		testenv.Eventually(t, "the guard to be in the archive", func(context.Context) (string, bool) {
			got := a.command(t, "restore", "--dry-run", "--output", "/nowhere") //nolint:contextcheck // it has the test's
			return got.stderr, got.code == 6
		})
		refused := a.command(t, "restore", "--output", t.TempDir())
		require.Equal(t, 6, refused.code, "%+v", refused)
		require.Contains(t, refused.stderr, before)
		require.Contains(t, refused.stderr, after)
		dir, _ := a.restore(t, "--timeline", before)
		booted := testenv.BootFromAOF(t, family, dir)
		testenv.RequireEqual(t, point.here, booted, testenv.IgnoreUnreplicated())
		a.ok(t, "unpin", "--archive", before)
		_, got := a.restore(t)
		require.Equal(t, after, got.Timeline)
		requireCleanEnd(t, family, m)
	})
}

// An archive that is away neither stops nor delays the start, nor the end; what it lacks goes at the next start.
func TestArchiveAway(t *testing.T) {
	t.Parallel()
	family := testenv.Pick(t, "valkey-9.1")
	upstream := testenv.StartServer(t, family)
	a := newArchive(t, true)
	mend := a.breakFor(t)
	m := a.newMirror(t, upstream.Addr(), "shutdown-timeout=2s")
	m.start(t)
	require.NoError(t, upstream.Client().Set(t.Context(), "a", 1, 0).Err())
	requireMirrored(t, upstream, m, "everysec")
	m.await(t, "ready, and to say what is wrong", func(s testenv.SidecarStatus) bool { return s.Ready && s.Archive.Error != "" })
	begun := time.Now()
	requireCleanEnd(t, family, m)
	require.Less(t, time.Since(begun), time.Minute)
	mend()
	m.start(t)
	m.awaitShipped(t, upstream)
	requireCleanEnd(t, family, m)
	dir, _ := a.restore(t)
	testenv.RequireEqual(t, upstream, testenv.BootFromAOF(t, family, dir), testenv.IgnoreUnreplicated())
}
