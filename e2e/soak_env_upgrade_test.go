package e2e_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// buildBefore is the commit of the program that TestUpgrade comes from: the last that cut the tail of a log behind its last mark, to have it sent again.
const buildBefore = "6b83a928b58a67f44995f9e4f9c526aedae8c182"

// The program before this one mirrors and ships, and ends by a stop or by SIGKILL; this one takes over its directory and its archive, then the old one what this one has left, and this one again. Each goes on by a
// partial resync, all that any of them has acknowledged is there, and each restores the moments of both.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	seed := newSeed(t)
	before := testenv.BuildCommit(t, buildBefore)
	families := testenv.Servers(t)
	for i, c := range []upgrade{
		{fsync: "always", ships: true, s3: true},
		{fsync: "everysec", ships: true},
		{fsync: "everysec", ships: true, s3: true, clean: true},
		{fsync: "no"},
	} {
		family := families[(seed+uint64(i))%uint64(len(families))]
		name := c.fsync + "/" + family.Name
		if c.clean {
			name = "stopped/" + name
		} else {
			name = "killed/" + name
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.begin(t, family, seed+uint64(i))
			for _, binary := range []string{before, program, before, program} {
				c.run(binary)
			}
			c.compare()
			for i, p := range c.points {
				c.requireRestored(program, p, p.byTime())
				c.requireRestored(before, p, p.byOffset())
				t.Logf("moment %d of %d, at %d, restored by both", i+1, len(c.points), p.offset)
			}
			requireCleanEnd(t, family, c.m)
			heard := c.witness.Heard()
			require.Equal(t, 1, heard.Full)
			require.Zero(t, heard.Needless)
			t.Logf("%+v", heard)
		})
	}
}

// upgrade is a directory, and an archive, that programs take over from each other.
type upgrade struct {
	fsync     string
	ships, s3 bool
	clean     bool // they are stopped, not killed

	t        *testing.T
	upstream *testenv.Server
	witness  *testenv.Witness
	work     *workload.Workload
	archive  *archive
	set      []string
	dir      string
	m        mirror // the last that ran
	ran      int
	points   []archivePoint
}

func (u *upgrade) begin(t *testing.T, family testenv.Family, seed uint64) {
	t.Helper()
	u.t, u.dir = t, filepath.Join(t.TempDir(), "mirror")
	u.upstream = testenv.StartServer(t, family, testenv.WithConfig("repl-backlog-size 2mb"))
	// No FLUSHALL: a moment before one is another chain's, and asks for another command.
	u.work = newWorkload(t, seed, u.upstream, workload.Options{NoFlush: true, NoFieldTTL: true, LongExpiry: true})
	write(t, u.upstream, u.work, 300)
	u.witness = testenv.NewWitness(t, u.upstream.Addr())
	u.set = []string{"aof.appendfsync=" + u.fsync, "aof.increment-size=64kb", "aof.auto-aof-rewrite-percentage=0", "rewrite.interval=0s"}
	u.archive = new(archive)
	if u.ships {
		u.archive = newArchive(t, u.s3)
	}
}

// start starts a program on what another one has left, and wants that it goes on there.
func (u *upgrade) start(binary string) {
	t := u.t
	u.m = newMirrorOf(t, binary, u.dir, u.witness.Addr(), append(u.set, u.archive.set...)...)
	u.m.Env(u.archive.env...)
	u.m.start(t)
	status := u.m.awaitStreaming(t)
	if u.ran > 0 {
		require.Zero(t, status.Upstream.FullResyncs)
		require.EqualValues(t, 1, status.Upstream.PartialResyncs)
	}
	u.ran++
}

// run has a program mirror with traffic, rewrites, notes a moment, and ends it with commands on their way; but for the last, they end.
func (u *upgrade) run(binary string) {
	t := u.t
	u.start(binary)
	tr := startTraffic(t, u.upstream, u.work)
	u.more(tr)
	done := command(t, binary, "rewrite", "--wait", "--set", "control.socket="+u.m.Socket())
	require.Zero(t, done.code, "%+v", done)
	u.more(tr)
	if u.ships {
		u.points = append(u.points, notePoint(t, u.upstream, u.m))
		u.m.awaitShipped(t, u.upstream) // to be found by its time it has to be there before a SIGKILL
		u.more(tr)
	}
	if u.clean {
		code, err := u.m.Stop(t.Context())
		require.NoError(t, err)
		require.Zero(t, code, u.m.Log())
	} else {
		u.m.kill(t)
	}
	tr.stop(t)
	require.NoError(t, u.witness.Wait(t.Context(), "all that was said to be heard", func(s testenv.ProxyStats) bool { return s.Open() == 0 }))
	end, err := u.witness.Check(u.dir)
	require.NoError(t, err, "%+v", end)
}

// more waits for more of the stream.
func (u *upgrade) more(tr *traffic) {
	offset, err := offsetOf(u.t.Context(), u.upstream)
	require.NoError(u.t, err)
	awaitOffset(u.t, u.upstream, offset+tr.backlog/32)
}

// compare starts the present program once more; all must be there, and in the archive.
func (u *upgrade) compare() {
	t := u.t
	u.start(program)
	freeze(t, u.upstream)
	requireMirrored(t, u.upstream, u.m, u.fsync)
	if u.ships {
		u.m.awaitShipped(t, u.upstream)
		got := u.archive.ok(t, "verify", "--archive", "--deep")
		require.NotEmpty(t, got.stdout)
	}
}

// requireRestored has a program restore a moment.
func (u *upgrade) requireRestored(binary string, p archivePoint, args []string) {
	t := u.t
	dir := filepath.Join(t.TempDir(), "restored")
	args = append([]string{"restore", "--json", "--output", dir}, args...)
	for _, setting := range u.archive.set {
		args = append(args, "--set", setting)
	}
	done := commandWith(t, u.archive.env, binary, args...)
	require.Zero(t, done.code, "%v: %+v", args, done)
	var got restoration
	require.NoError(t, json.Unmarshal([]byte(done.stdout), &got))
	require.LessOrEqual(t, got.Offset, p.offset)
	booted := testenv.BootFromAOF(t, u.upstream.Family, dir)
	testenv.RequireEqual(t, p.here, booted, testenv.IgnoreUnreplicated())
	require.NoError(t, booted.Close())
}
