package e2e_test

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// The sidecar's wall clock jumps by hours and by a year, there and back, while it streams, rewrites, ships and is killed. No offset is wrong, no resync is full, nothing of the archive goes, and each moment is restored by its offset. By
// its time is restored what came before the first jump; for times after one that was too far ahead, what there was before it, until a full resync begins a timeline with the right time.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	c := newClockCase(t)
	first := c.note()
	c.jump(2 * time.Hour)
	jumped, err := offsetOf(t.Context(), c.upstream)
	require.NoError(t, err)
	points := []archivePoint{first}
	for i, by := range []time.Duration{2 * time.Hour, -26 * time.Hour, 365 * 24 * time.Hour, 0} {
		c.jump(by)
		if i%2 == 0 {
			done := aofsidecar(t, "rewrite", "--wait", "--set", "control.socket="+c.m.Socket())
			require.Zero(t, done.code, "%+v", done)
		} else {
			c.m.kill(t)
			c.m.start(t)
			require.Zero(t, c.m.awaitStreaming(t).Upstream.FullResyncs)
		}
		points = append(points, c.note())
	}
	for _, p := range points {
		require.LessOrEqual(t, c.requireRestored(p, p.byOffset()).Offset, p.offset)
	}
	c.requireRestored(first, first.byTime())
	last := points[len(points)-1]
	_, got := c.archive.restore(t, last.byTime()...)
	require.GreaterOrEqual(t, got.Offset, first.offset)
	require.LessOrEqual(t, got.Offset, jumped)

	before := c.m.awaitStreaming(t).Log.Timeline
	require.NoError(t, c.upstream.Client().Do(t.Context(), "DEBUG", "CHANGE-REPL-ID").Err())
	require.NoError(t, c.upstream.Client().Do(t.Context(), "CLIENT", "KILL", "TYPE", "REPLICA").Err())
	c.m.await(t, "on the next timeline", func(s testenv.SidecarStatus) bool { return s.Streaming() && s.Log.Timeline != before })
	right := c.note()
	got = c.requireRestored(right, right.byTime())
	require.NotEqual(t, before, got.Timeline)
	c.requireRestored(first, first.byTime())
	c.requireRestored(last, append(last.byOffset(), "--timeline", before))

	c.tr.stop(t)
	freeze(t, c.upstream)
	requireMirrored(t, c.upstream, c.m, "everysec")
	c.archive.ok(t, "verify", "--archive", "--deep")
	requireCleanEnd(t, c.upstream.Family, c.m)
}

// clockCase is a sidecar with a clock of its own.
type clockCase struct {
	t        *testing.T
	upstream *testenv.Server
	archive  *archive
	clock    *testenv.Clock
	m        mirror
	tr       *traffic
}

func newClockCase(t *testing.T) *clockCase {
	t.Helper()
	upstream, seed := drawUpstream(t, testenv.WithConfig("repl-backlog-size 2mb"))
	c := &clockCase{t: t, upstream: upstream, clock: testenv.NewClock(t), archive: newArchive(t, true)}
	// No FLUSHALL: a moment before one is another chain's, and asks for another command.
	work := newWorkload(t, seed, c.upstream, workload.Options{NoFlush: true, NoFieldTTL: true, LongExpiry: true})
	write(t, c.upstream, work, 300)
	c.m = c.archive.newMirrorOf(t, c.clock.Program(t, testenv.BuildOnClock(t)), c.upstream.Addr(), "aof.increment-size=64kb", "rewrite.interval=0s")
	c.m.start(t)
	c.m.awaitShipped(t, c.upstream)
	c.tr = startTraffic(t, c.upstream, work)
	return c
}

// newMirrorOf is newMirror of something that ends up executing the program.
func (a *archive) newMirrorOf(t *testing.T, executable, upstream string, set ...string) mirror {
	t.Helper()
	m := newMirrorOf(t, executable, filepath.Join(t.TempDir(), "mirror"), upstream, append(append([]string{}, a.set...), set...)...)
	m.Env(a.env...)
	return m
}

// jump moves the clock, and waits until more has come by the new time. A store that looks at the time refuses what is signed with a wrong one; this one does where the proxy answers for it.
func (c *clockCase) jump(by time.Duration) {
	t := c.t
	require.NoError(t, c.clock.Move(by))
	if by.Abs() > 24*time.Hour {
		c.archive.proxy.Plan(s3gateway.Fault{Kind: s3gateway.Answer, Status: 403, Code: "RequestTimeTooSkewed", Times: 6})
	}
	c.more()
	testenv.Eventually(t, "the sidecar to go by the clock", func(ctx context.Context) (time.Duration, bool) {
		status, err := c.m.Status(ctx)
		ahead := time.Until(status.Upstream.ReceivedAt)
		return ahead, err == nil && (ahead-by).Abs() < time.Minute
	})
}

// note notes a moment that the archive has, and what comes behind it.
func (c *clockCase) note() archivePoint {
	p := notePoint(c.t, c.upstream, c.m)
	c.more()
	c.m.awaitShipped(c.t, c.upstream)
	return p
}

// more waits for more of the stream.
func (c *clockCase) more() {
	offset, err := offsetOf(c.t.Context(), c.upstream)
	require.NoError(c.t, err)
	awaitOffset(c.t, c.upstream, offset+c.tr.backlog/32)
}

// requireRestored restores a moment by the right clock.
func (c *clockCase) requireRestored(p archivePoint, args []string) restoration {
	t := c.t
	dir, got := c.archive.restore(t, args...)
	booted := testenv.BootFromAOF(t, c.upstream.Family, dir)
	testenv.RequireEqual(t, p.here, booted, testenv.IgnoreUnreplicated())
	require.NoError(t, booted.Close())
	return got
}

// Two sidecars on one prefix whose clocks are two years apart: one ships, the other waits for as long as ever, and takes over when the first is gone. What both have shipped is restored.
func TestClocksOfTwoSidecarsDisagree(t *testing.T) {
	t.Parallel()
	upstream, _ := drawUpstream(t)
	family := upstream.Family
	a := newArchive(t, true)
	binary := testenv.BuildOnClock(t)
	var sidecars []mirror
	for _, by := range []time.Duration{365 * 24 * time.Hour, -365 * 24 * time.Hour} {
		clock := testenv.NewClock(t)
		require.NoError(t, clock.Move(by))
		sidecars = append(sidecars, a.newMirrorOf(t, clock.Program(t, binary), upstream.Addr()))
	}
	ahead, behind := sidecars[0], sidecars[1]
	for i := range 2 {
		ahead.start(t)
		require.NoError(t, upstream.Client().Set(t.Context(), "by the one ahead", i, 0).Err())
		ahead.awaitShipped(t, upstream)
		behind.start(t)
		behind.await(t, "aware of the other", func(s testenv.SidecarStatus) bool { return s.Streaming() && s.Archive.HeldBy != nil })
		ahead.kill(t)
		require.NoError(t, upstream.Client().Set(t.Context(), "by the one behind", i, 0).Err())
		behind.awaitShipped(t, upstream)
		requireMirrored(t, upstream, behind, "everysec")
		dir, got := a.restore(t)
		require.Equal(t, behind.awaitStreaming(t).Log.Timeline, got.Timeline)
		booted := testenv.BootFromAOF(t, family, dir)
		testenv.RequireEqual(t, upstream, booted, testenv.IgnoreUnreplicated())
		require.Equal(t, strconv.Itoa(i), booted.Client().Get(t.Context(), "by the one ahead").Val())
		require.NoError(t, booted.Close())
		requireCleanEnd(t, family, behind)
	}
	a.ok(t, "verify", "--archive", "--deep")
}
