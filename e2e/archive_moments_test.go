package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// How many moments are compared. At a point the upstream is stopped, and a replica keeps what it had; probes are of any byte and any millisecond, in the middle of the traffic.
const (
	archivePoints     = 4
	archivePointsFull = 20
	archiveProbes     = 3
	archiveProbesFull = 20
)

// With every command there is, with rewrites, faults of the archive, restarts and SIGKILLs in between, what is restored from the archive, at the end, at an offset or
// at a time, is what the upstream had then: a stock server boots from it and shows the same.
func TestArchiveRestoresEveryMoment(t *testing.T) {
	seed := newSeed(t)
	for i, family := range testenv.Servers(t) {
		for _, s3 := range []bool{false, true} {
			if !full && s3 != ((seed+uint64(i))%2 == 0) {
				continue // from one seed to the next, each server meets a directory and S3
			}
			t.Run(family.Name+map[bool]string{true: "/s3", false: "/file"}[s3], func(t *testing.T) {
				t.Parallel()
				c := &archiveCase{t: t, family: family, a: newArchive(t, s3), rng: rand.New(rand.NewPCG(seed, uint64(i)))}
				c.run(seed + uint64(i))
			})
		}
	}
}

// archiveCase is one server, one sidecar and one archive.
type archiveCase struct {
	t         *testing.T
	family    testenv.Family
	a         *archive
	rng       *rand.Rand
	upstream  *testenv.Server
	recording *testenv.Recording
	tr        *traffic
	m         mirror

	first, end                              archivePoint // between which all is; they have no server
	rewrites, outages, kills, stops, booted int
}

func (c *archiveCase) run(seed uint64) {
	t := c.t
	c.upstream = testenv.StartServer(t, c.family)
	work := newWorkload(t, seed, c.upstream, workload.Options{NoFieldTTL: c.family.Has(testenv.FieldTTLReplayHazard)})
	write(t, c.upstream, work, 500)
	c.recording = testenv.Record(t, c.upstream)
	c.m = c.a.newMirror(t, c.upstream.Addr(), "aof.increment-size=256kb", "rewrite.interval=0s", "aof.auto-aof-rewrite-percentage=0")
	c.m.start(t)
	c.m.awaitStreaming(t)
	c.first = archivePoint{offset: c.now(), at: time.Now()}
	c.tr = startTraffic(t, c.upstream, work)
	var points []archivePoint
	count, probes := archivePoints, archiveProbes
	if full {
		count, probes = archivePointsFull, archiveProbesFull
	}
	for i := range count {
		c.disturb(i)
		awaitOffset(t, c.upstream, c.now()+c.rng.Int64N(c.tr.backlog/8))
		points = append(points, notePoint(t, c.upstream, c.m))
	}
	awaitOffset(t, c.upstream, points[count-1].offset+4<<10) // so that the archive reaches beyond the last of them
	c.tr.stop(t)
	freeze(t, c.upstream)
	c.end = archivePoint{offset: c.now(), at: time.Now()}
	c.m.await(t, "in step, and on its disk", func(s testenv.SidecarStatus) bool { return s.Log.Durable >= c.end.offset && s.Archive.LeaseHeld })
	code, err := c.m.Stop(t.Context())
	require.NoError(t, err)
	require.Zero(t, code, c.m.Log())
	c.a.requireNoSecrets(t, c.m)
	faults := c.a.faults()
	c.check(points, probes)
	t.Logf("%d bytes of stream, %d commands, %d points, %d rewrites, %d outages, %s requests that went wrong, %d SIGKILLs, %d restarts, %d restored and booted",
		c.end.offset-c.first.offset, work.Stats().Total(), count, c.rewrites, c.outages, faults, c.kills, c.stops, c.booted)
}

// now is where the upstream's stream is.
func (c *archiveCase) now() int64 {
	offset, err := offsetOf(c.t.Context(), c.upstream)
	require.NoError(c.t, err)
	return offset
}

// disturb is what happens to the sidecar and its archive, one thing after another.
func (c *archiveCase) disturb(i int) {
	t := c.t
	c.a.trouble(c.rng)
	switch i % archivePoints {
	case 0:
		c.rewrite()
	case 1:
		c.m.awaitShipped(t, c.upstream)
		mend := c.a.breakFor(t)
		c.outages++
		awaitOffset(t, c.upstream, c.now()+128<<10)
		c.rewrite()
		mend()
	case 2:
		c.m.awaitShipped(t, c.upstream)
		c.kills++
		c.m.kill(t)
		c.m.start(t)
		c.m.awaitStreaming(t)
		c.rewrite()
	case 3:
		c.stops++
		code, err := c.m.Stop(t.Context())
		require.NoError(t, err)
		require.Zero(t, code, c.m.Log())
		c.m.start(t)
		c.m.awaitStreaming(t)
	}
}

func (c *archiveCase) rewrite() {
	c.rewrites++
	done := aofsidecar(c.t, "rewrite", "--wait", "--set", "control.socket="+c.m.Socket())
	require.Zero(c.t, done.code, "%+v", done)
}

// check restores the points, the end, where the upstream stands still, and as many offsets and times in between.
func (c *archiveCase) check(points []archivePoint, probes int) {
	t := c.t
	c.a.ok(t, "list")
	c.a.ok(t, "verify", "--archive", "--deep")
	for i, p := range points {
		if i == 0 { // what the recording makes of it is what a replica had that was there
			told := c.recording.ReplicaAt(t, c.family, p.offset)
			testenv.RequireEqual(t, p.here, told, testenv.IgnoreUnreplicated())
			require.NoError(t, told.Close())
		}
		c.a.trouble(c.rng)
		c.requireOffset(c.requireAt(p.here, p.byOffset()...), p.offset)
		require.Equal(t, c.recording.Boundary(t, p.offset), c.recording.Boundary(t, c.requireAt(p.here, p.byTime()...)))
		require.NoError(t, p.here.Close())
	}
	for range probes {
		c.probeOffset()
		c.probeTime(points)
	}
	c.a.trouble(nil)
	dir, got := c.a.restore(t)
	require.GreaterOrEqual(t, got.Offset, c.end.offset)
	booted := testenv.BootFromAOF(t, c.family, dir)
	testenv.RequireEqual(t, c.upstream, booted, testenv.IgnoreUnreplicated())
	require.NoError(t, booted.Close())
	c.booted++
	c.resume(dir)
	c.a.ok(t, "verify", "--archive", "--boot", c.family.Server())
}

// probeOffset restores some byte of the stream.
func (c *archiveCase) probeOffset() {
	t := c.t
	offset := c.first.offset + c.rng.Int64N(c.end.offset-c.first.offset)
	here := c.recording.ReplicaAt(t, c.family, offset)
	c.requireOffset(c.requireAt(here, archivePoint{offset: offset}.byOffset()...), offset)
	require.NoError(t, here.Close())
}

// probeTime restores some time: it has all that the upstream had at the last point before, and nothing that came later.
func (c *archiveCase) probeTime(points []archivePoint) {
	t := c.t
	at := points[0].at.Add(time.Duration(c.rng.Int64N(int64(c.end.at.Sub(points[0].at)))))
	dir, got := c.a.restore(t, archivePoint{at: at}.byTime()...)
	t.Logf("%v: offset %d", at, got.Offset)
	for _, p := range points {
		if !p.at.After(at) {
			require.GreaterOrEqual(t, got.Offset, c.recording.Boundary(t, p.offset))
		}
	}
	if latest, ok := c.tr.latestAt(at); ok {
		require.LessOrEqual(t, got.Offset, latest)
	}
	here := c.recording.ReplicaAt(t, c.family, got.Offset)
	c.requireBoots(dir, here)
	require.NoError(t, here.Close())
}

// requireOffset wants that what was restored up to an offset is at the last boundary before it, but for PING and REPLCONF GETACK, which the log does not keep.
func (c *archiveCase) requireOffset(got, want int64) {
	require.LessOrEqual(c.t, got, want)
	require.GreaterOrEqual(c.t, got, c.recording.Boundary(c.t, want))
}

// requireAt restores a moment, wants what a server has, and returns the offset.
func (c *archiveCase) requireAt(want *testenv.Server, target ...string) int64 {
	dir, got := c.a.restore(c.t, target...)
	c.t.Logf("%v: offset %d", target, got.Offset)
	c.requireBoots(dir, want)
	return got.Offset
}

func (c *archiveCase) requireBoots(dir string, want *testenv.Server) {
	t := c.t
	verified := aofsidecar(t, "verify", dir)
	require.Zero(t, verified.code, "%+v", verified)
	booted := testenv.BootFromAOF(t, c.family, dir)
	testenv.RequireEqual(t, want, booted, testenv.IgnoreUnreplicated())
	require.NoError(t, booted.Close())
	c.booted++
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

// trouble is what S3 does now and then, a few times of each; nil: nothing more.
func (a *archive) trouble(rng *rand.Rand) {
	switch {
	case a.proxy == nil:
	case rng == nil:
		a.proxy.Plan()
	default:
		few := func(f s3gateway.Fault) s3gateway.Fault {
			f.Skip, f.Times = rng.IntN(8), 1+rng.IntN(3)
			return f
		}
		a.proxy.Plan(
			few(s3gateway.Fault{Kind: s3gateway.LoseAnswer, Match: s3gateway.On("PutObject")}),
			few(s3gateway.Fault{Kind: s3gateway.Answer, Match: s3gateway.On("PutObject"), Status: 503, Code: "SlowDown"}),
			few(s3gateway.Fault{Kind: s3gateway.FlipRequest, Match: s3gateway.On("PutObject"), At: rng.Int64N(64)}),
			few(s3gateway.Fault{Kind: s3gateway.Truncate, Match: s3gateway.On("GetObject"), At: rng.Int64N(64)}),
			few(s3gateway.Fault{Kind: s3gateway.Answer, Match: s3gateway.On("ListObjectsV2"), Status: 500, Code: "InternalError"}),
			few(s3gateway.Fault{Kind: s3gateway.Reset}),
		)
	}
}

// faults is how many requests went wrong so far.
func (a *archive) faults() string {
	if a.proxy == nil {
		return "no"
	}
	return fmt.Sprint(a.proxy.Faults())
}
