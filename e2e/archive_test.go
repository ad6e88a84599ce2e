package e2e_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// archivePoints is how many moments are compared while everything goes wrong, and archiveProbes how many more positions are restored and checked without a server.
const (
	archivePoints     = 4
	archivePointsFull = 20
	archiveProbes     = 6
)

// With every command there is, with rewrites, faults of the archive, restarts and SIGKILLs in between, what is restored from the archive, at the end or at a moment
// before, is what the upstream had then: a stock server boots from it and shows the same.
func TestArchiveRestoresEveryMoment(t *testing.T) {
	seed := newSeed(t)
	for i, family := range testenv.Servers(t) {
		// From one seed to the next, each server meets a directory and S3.
		s3 := (seed+uint64(i))%2 == 0
		t.Run(family.Name+map[bool]string{true: "/s3", false: "/file"}[s3], func(t *testing.T) {
			t.Parallel()
			c := &archiveCase{t: t, family: family, a: newArchive(t, s3), rng: rand.New(rand.NewPCG(seed, uint64(i)))}
			c.run(seed + uint64(i))
		})
	}
}

// archiveCase is one server, one sidecar and one archive.
type archiveCase struct {
	t        *testing.T
	family   testenv.Family
	a        *archive
	rng      *rand.Rand
	upstream *testenv.Server
	m        mirror
}

func (c *archiveCase) run(seed uint64) {
	t := c.t
	c.upstream = testenv.StartServer(t, c.family)
	work := newWorkload(t, seed, c.upstream, workload.Options{NoFieldTTL: c.family.Has(testenv.FieldTTLReplayHazard)})
	write(t, c.upstream, work, 500)
	c.m = c.a.newMirror(t, c.upstream.Addr(), "aof.increment-size=256kb", "rewrite.interval=0s", "aof.auto-aof-rewrite-percentage=0")
	c.m.start(t)
	c.m.awaitStreaming(t)
	tr := startTraffic(t, c.upstream, work)
	var points []archivePoint
	count := archivePoints
	if full {
		count = archivePointsFull
	}
	for i := range count {
		c.disturb(i)
		offset, err := offsetOf(t.Context(), c.upstream)
		require.NoError(t, err)
		awaitOffset(t, c.upstream, offset+c.rng.Int64N(tr.backlog/8))
		points = append(points, notePoint(t, c.upstream, c.m))
	}
	awaitOffset(t, c.upstream, points[count-1].offset+4<<10) // so that the archive reaches beyond the last of them
	tr.stop(t)
	release, err := testenv.Freeze(t.Context(), c.upstream.Client())
	require.NoError(t, err)
	defer func() { require.NoError(t, release(context.WithoutCancel(t.Context()))) }()
	end, err := offsetOf(t.Context(), c.upstream)
	require.NoError(t, err)
	c.m.await(t, "in step, and on its disk", func(s testenv.SidecarStatus) bool { return s.Log.Durable >= end && s.Archive.LeaseHeld })
	code, err := c.m.Stop(t.Context())
	require.NoError(t, err)
	require.Zero(t, code, c.m.Log())
	c.a.requireNoSecrets(t, c.m)
	c.check(points)
}

// disturb is what happens to the sidecar and its archive, one thing after another.
func (c *archiveCase) disturb(i int) {
	t := c.t
	switch i % archivePoints {
	case 0:
		c.rewrite()
	case 1:
		c.m.awaitShipped(t, c.upstream)
		mend := c.a.breakFor(t)
		offset, err := offsetOf(t.Context(), c.upstream)
		require.NoError(t, err)
		awaitOffset(t, c.upstream, offset+128<<10)
		c.rewrite()
		mend()
	case 2:
		c.m.awaitShipped(t, c.upstream)
		c.m.kill(t)
		c.m.start(t)
		c.m.awaitStreaming(t)
		c.rewrite()
	case 3:
		code, err := c.m.Stop(t.Context())
		require.NoError(t, err)
		require.Zero(t, code, c.m.Log())
		c.m.start(t)
		c.m.awaitStreaming(t)
	}
}

func (c *archiveCase) rewrite() {
	done := aofsidecar(c.t, "rewrite", "--wait", "--set", "control.socket="+c.m.Socket())
	require.Zero(c.t, done.code, "%+v", done)
}

// check restores the points, the end, where the upstream stands still, and positions in between.
func (c *archiveCase) check(points []archivePoint) {
	t := c.t
	c.a.ok(t, "list")
	c.a.ok(t, "verify", "--archive", "--deep")
	for _, p := range points {
		c.a.requirePoint(t, p, p.byOffset()...)
		c.a.requirePoint(t, p, p.byTime()...)
	}
	end, err := offsetOf(t.Context(), c.upstream)
	require.NoError(t, err)
	dir, _ := c.a.restore(t)
	booted := testenv.BootFromAOF(t, c.family, dir)
	testenv.RequireEqual(t, c.upstream, booted, testenv.IgnoreUnreplicated())
	require.NoError(t, booted.Close())

	first := points[0].offset
	for range archiveProbes {
		offset := first + c.rng.Int64N(end-first-100)
		dir, got := c.a.restore(t, "--offset", strconv.FormatInt(offset, 10))
		require.LessOrEqual(t, got.Offset, offset)
		verified := aofsidecar(t, "verify", dir)
		require.Zero(t, verified.code, "%+v", verified)
	}
	c.resume(dir)
	c.a.ok(t, "verify", "--archive", "--boot", c.family.Server())
}

// resume has a sidecar go on from what was restored: the upstream need not fork for it.
func (c *archiveCase) resume(dir string) {
	t := c.t
	before := requireResyncs(t, c.upstream)
	m := newMirrorAt(t, dir, c.upstream.Addr())
	m.start(t)
	m.awaitStreaming(t)
	requireMirrored(t, c.upstream, m, "everysec")
	require.Equal(t, before.full, requireResyncs(t, c.upstream).full)
	requireCleanEnd(t, c.family, m)
}

// Two sidecars on one prefix: one ships, the other says so, keeps mirroring, and takes over when the first is gone. Whatever was shipped by whom, what is
// restored is of one history.
func TestArchiveHasOneHolder(t *testing.T) {
	for _, s3 := range []bool{false, true} {
		t.Run(strconv.FormatBool(s3), func(t *testing.T) {
			t.Parallel()
			family := testenv.Pick(t, "valkey-8.1")
			upstream := testenv.StartServer(t, family)
			a := newArchive(t, s3)
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
}

// The holder is stopped (SIGSTOP) past its TTL, with writes on their way, and goes on when the other one ships. It ships again when that one is gone. What is restored then is the
// newest state, of one history, though the other's timeline is the one that was created last.
func TestArchiveHoldersTakeTurns(t *testing.T) {
	for _, s3 := range []bool{false, true} {
		t.Run(strconv.FormatBool(s3), func(t *testing.T) {
			t.Parallel()
			family := testenv.Pick(t, "redis-8.0")
			upstream := testenv.StartServer(t, family)
			tr := startTraffic(t, upstream, newWorkload(t, newSeed(t), upstream, workload.Options{NoFlush: true, NoFieldTTL: true}))
			a := newArchive(t, s3)
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
	for _, s3 := range []bool{false, true} {
		t.Run(strconv.FormatBool(s3), func(t *testing.T) {
			t.Parallel()
			family := testenv.Pick(t, "redis-7.0")
			upstream := testenv.StartServer(t, family)
			work := newWorkload(t, newSeed(t), upstream, workload.Options{NoFlush: true, NoFieldTTL: true})
			write(t, upstream, work, 500)
			a := newArchive(t, s3)
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
