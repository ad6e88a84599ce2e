package aof

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// rewritten grows the log and folds it.
func (r *rig) rewritten() {
	r.t.Helper()
	require.NoError(r.t, grow(r))
	_, err := r.l.Rewrite(r.t.Context(), "test")
	require.NoError(r.t, err)
}

// spooled returns the names of the data files in retained/, in order.
func (r *rig) spooled() []string {
	r.t.Helper()
	var names []string
	for path := range tree(r.t, r.fs, rigDir) {
		if _, ours := parseKept(filepath.Base(path)); ours {
			names = append(names, filepath.Base(filepath.Dir(filepath.Dir(path)))+"/"+filepath.Base(path))
		}
	}
	slices.Sort(names)
	return names
}

// Without an archive a rewrite leaves nothing in retained/, whatever is said of archives.
func TestNoArchiveRetainsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 4), func(o *Options) { smallFiles(o); o.MaxDisk.Bytes = 1 })
		r.start()
		r.rewritten()
		require.Empty(t, r.spooled())
		r.l.Shipped(r.l.Status().Timeline, r.h.end())
		require.NoError(t, r.l.tendAll())
		r.nextTimeline("b2", 10, 4)
		require.NoError(t, r.l.tendAll())
		require.Len(t, r.l.Status().Retained, 1, "the chain before the present one")
		require.True(t, r.l.Status().Retained[0].Bootable)
		require.Nil(t, r.l.Status().Archive)
		r.rewritten()
		require.Empty(t, r.l.Status().Retained)
		require.NoError(t, r.l.Close())
		requireChain(t, r.fs, r.l.at, r.h, r.h.end(), "in the end")
	})
}

// What a rewrite takes out of the manifest waits in retained/ until the archive has it, also over a start; what the archive has does not go there.
func TestFoldedFilesWaitForTheArchive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 4), archived)
		r.start()
		id := r.l.Status().Timeline
		require.NoError(t, grow(r))
		before := r.held()
		require.Greater(t, len(before.Increments), 2)
		r.l.Shipped(id, before.Increments[0].To)
		r.rewritten()
		after := r.held()
		require.Equal(t, before.Increments[1].Name, after.Increments[0].Name, "the first was in the archive, and so was the base")
		require.Len(t, after.Bases, 1)
		require.Len(t, r.spooled(), len(after.Increments)-1)
		require.Contains(t, r.spooled(), id+"/"+keptIncrName(before.Increments[1].From, before.Increments[1].To))
		s := r.l.Status()
		require.Equal(t, []Retained{{Timeline: id, Bytes: s.Archive.SpoolBytes}}, s.Retained)
		require.Positive(t, s.Archive.SpoolBytes)
		require.Equal(t, []string{id}, s.Archive.Timelines)

		r.rewritten()
		two := r.held()
		require.Len(t, two.Bases, 2)
		require.NoError(t, r.l.Close())
		r.reopen(nil)
		require.Len(t, r.held().Bases, 2)
		require.Equal(t, two.Increments[0], r.held().Increments[0])
		r.goOn()

		r.l.BaseShipped(two.Bases[0].Name)
		require.NoError(t, r.l.tendAll())
		require.Len(t, r.held().Bases, 1)
		for _, f := range two.Increments[:len(two.Increments)-1] {
			require.Equal(t, f.Name, r.held().Increments[0].Name)
			changed := r.l.Changed()
			r.l.Shipped(id, f.To-1)
			require.NoError(t, r.l.tendAll())
			require.Equal(t, f.Name, r.held().Increments[0].Name, "the archive lacks its last byte")
			r.l.Shipped(id, f.To)
			r.l.Shipped(id, f.From)
			require.NoError(t, r.l.tendAll())
			<-changed
		}
		require.Empty(t, r.spooled())
		require.Empty(t, r.l.Status().Retained)
		for path := range tree(t, r.fs, rigDir) {
			require.NotContains(t, path, "retained")
		}
		r.rewritten()
		require.NoError(t, r.l.Close())
		requireChain(t, r.fs, r.l.at, r.h, r.h.end(), "in the end")
	})
}

// Of a timeline that ended the whole chain waits, bootable, until the archive has all of it; a pinned one until it is released as well.
func TestEndedTimelinesWaitForTheArchive(t *testing.T) {
	for name, keys := range map[string]int{"shipped": 100, "pinned": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 4), archived)
				r.start()
				r.rewritten()
				require.NoError(t, grow(r))
				one := r.l.Status().Timeline
				r.before = append(r.before, r.h)
				r.nextTimeline("b2", keys, 4)
				r.rewritten()
				r.nextChecks(one, keys == 0)
				if keys == 0 {
					require.NoError(t, r.l.Unpin(one))
					require.NoError(t, r.l.tendAll())
				}
				for _, name := range r.spooled() {
					require.NotContains(t, name, one)
				}
				require.NotEmpty(t, r.spooled(), "the other timeline's")
				require.NoError(t, r.l.Close())
				requireChain(t, r.fs, r.l.at, r.h, r.h.end(), "in the end")
			})
		})
	}
}

// nextChecks ships the timeline one step by step.
func (r *rig) nextChecks(one string, pinned bool) {
	r.t.Helper()
	for range 2 {
		r.held()
		list := r.l.Holdings().Timelines
		require.Len(r.t, list, 2)
		require.Equal(r.t, pinned, list[0].Pinned)
		rep := r.verifyRetained(r.fs, one)
		require.Equal(r.t, r.before[0].end(), rep.Position.Offset)
		require.Len(r.t, list[0].Bases, 2, "that of the chain, and the one before the rewrite")
		require.NoError(r.t, r.l.Close())
		r.reopen(nil)
		r.goOn()
	}
	old := r.l.Holdings().Timelines[0]
	r.l.Shipped(one, old.Bases[1].From)
	require.NoError(r.t, r.l.tendAll())
	r.verifyRetained(r.fs, one)
	left := r.l.Holdings().Timelines[0]
	require.Len(r.t, left.Bases, 1)
	require.Equal(r.t, old.Bases[1].From, left.Increments[0].From, "the chain stays whole")
	r.l.Shipped(one, old.End.Offset-1)
	require.NoError(r.t, r.l.tendAll())
	r.verifyRetained(r.fs, one)
	r.l.Shipped(one, old.End.Offset)
	require.NoError(r.t, r.l.tendAll())
	if pinned {
		r.verifyRetained(r.fs, one)
		return
	}
	require.Len(r.t, r.l.Holdings().Timelines, 1)
	require.Contains(r.t, r.seen().removed, rigDir+"/retained/"+one)
}

// A file that cannot be linked ends the rewrite, and nothing has changed; a file that cannot be removed is tried again.
func TestSpoolFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 4), archived)
		r.start()
		require.NoError(t, grow(r))
		f := failOps(r.fs, -1, syscall.ENOSPC, on(fsxtest.Link, ""))
		_, err := r.l.Rewrite(t.Context(), "test")
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.Positive(t, f.count())
		f.heal()
		r.held()
		require.Empty(t, r.spooled())

		linked := false
		g := failOps(r.fs, -1, syscall.ENOSPC, func(op fsxtest.Op) bool {
			linked = linked || op.Kind == fsxtest.Link
			return linked && op.Kind == fsxtest.Create && strings.HasSuffix(op.Path, "manifest")
		})
		_, err = r.l.Rewrite(t.Context(), "test")
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.Positive(t, g.count())
		g.heal()
		r.held()
		require.Empty(t, r.spooled())

		r.rewritten()
		f = failOps(r.fs, -1, syscall.EACCES, inRetained(fsxtest.Remove, ""))
		r.l.Shipped(r.l.Status().Timeline, r.held().Increments[0].To)
		for range 3 {
			require.NoError(t, r.l.tendAll())
		}
		require.GreaterOrEqual(t, f.count(), 3)
		require.Len(t, r.seen().notes, 1)
		f.heal()
		first := r.held().Increments[0].Name
		require.NoError(t, r.l.tendAll())
		require.NotEqual(t, first, r.held().Increments[0].Name)
	})
}

// A full resync that is asked for comes once, when there is space, and not again for what was wanted of the timeline before.
func TestNewTimeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 4), archived)
		r.start()
		r.feed()
		_, stop := r.run()
		for range 3 {
			r.l.NewTimeline("the archive is ahead")
			pass(time.Millisecond)
		}
		<-r.l.Reconnect()
		require.Len(t, r.seen().notes, 1)
		require.Empty(t, r.l.Reconnect())
		pos, _, err := r.l.Resume()
		require.NoError(t, err)
		require.Zero(t, pos)
		r.before = append(r.before, r.h)
		r.nextTimeline("b2", 10, 4)
		pass(5 * time.Second)
		require.Empty(t, r.l.Reconnect())
		require.Equal(t, r.h.end(), r.goOn().Offset)

		r.fs.SetCapacity(100)
		r.l.NewTimeline("the archive is ahead")
		pass(5 * time.Second)
		require.Empty(t, r.l.Reconnect())
		require.Len(t, r.seen().notes, 2)
		r.fs.SetCapacity(1 << 40)
		pass(time.Second)
		<-r.l.Reconnect()
		stop()
		synctest.Wait()
	})
}

// A directory that was lost gives no timeline's id again, unless the clock goes back.
func TestTimelineIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		r := newRig(t, newHistory(t, "a1", 100, 4), func(o *Options) { o.Now = func() time.Time { return now } })
		r.start()
		require.Equal(t, "946684800-a1a1a1a1", r.l.Status().Timeline)
		now = now.Add(time.Minute)
		r.nextTimeline("b2", 10, 0)
		require.Equal(t, "946684860-b2b2b2b2", r.l.Status().Timeline)
		r.nextTimeline("c3", 10, 0)
		require.Equal(t, "946684861-c3c3c3c3", r.l.Status().Timeline)
		now = time.Unix(5, 0)
		r.nextTimeline("d4", 10, 0)
		require.Equal(t, "946684862-d4d4d4d4", r.l.Status().Timeline)
		lost := newRig(t, newHistory(t, "a1", 100, 4), func(o *Options) { o.Now = func() time.Time { return now } })
		lost.start()
		require.Equal(t, "00000005-a1a1a1a1", lost.l.Status().Timeline)
	})
}

func TestParseKept(t *testing.T) {
	for name, want := range map[string]stream.LogFile{
		"00000000000000000100.base.rdb":                      {From: 100, To: 100, Closed: true, Keys: -1},
		"00000000000000000100.base.aof":                      {From: 100, To: 100, Closed: true, Keys: -1, RESP: true},
		"00000000000000000100-00000000000000000200.incr.aof": {From: 100, To: 200, Closed: true, Keys: -1},
		"09223372036854775807.base.rdb":                      {From: 1<<63 - 1, To: 1<<63 - 1, Closed: true, Keys: -1},
	} {
		got, ok := parseKept(name)
		require.True(t, ok, name)
		require.Equal(t, want, got)
	}
	for _, name := range []string{
		"", ".base.rdb", "100.base.rdb", "-0000000000000000100.base.rdb", "+0000000000000000100.base.rdb", "00000000000000000100.base.rdb.x",
		"99999999999999999999.base.rdb", "00000000000000000200-00000000000000000100.incr.aof", "00000000000000000100.incr.aof",
		"00000000000000000100-.incr.aof", "appendonly.aof.manifest", "appendonly.aof.1.incr.aof", "dump.rdb",
		"temp-00000000000000000100.base.rdb", "00000000000000000100-00000000000000000200-00000000000000000300.incr.aof",
	} {
		_, ok := parseKept(name)
		require.False(t, ok, name)
	}
}

// Whether a link is on the disk nobody knows after an fsync that failed: the log latches before the manifest forgets the file.
func TestSpoolSyncFailureLatches(t *testing.T) {
	for _, dir := range []string{"/appendonlydir", "/retained"} {
		t.Run(dir, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 4), archived)
				r.start()
				require.NoError(t, grow(r))
				id := r.l.Status().Timeline
				f := failOps(r.fs, 1, syscall.EIO, inRetained(fsxtest.SyncDir, dir))
				_, err := r.l.Rewrite(t.Context(), "test")
				require.ErrorIs(t, err, ErrFailed)
				require.Equal(t, 1, f.count())
				require.NoError(t, r.l.tend(), "Run says what failed")
				r.reopen(fsxtest.KillProcess{})
				r.goOn()
				r.feed()
				require.Empty(t, r.spooled(), "doubles go")
				require.Equal(t, id, r.held().ID)
				require.Equal(t, r.h.start, r.held().Bases[0].From, "the old base stands")
				require.NoError(t, r.l.Close())
				requireChain(t, r.fs, r.l.at, r.h, r.h.end(), "in the end")
			})
		})
	}
}

// What a process that was killed has made in retained/ may have a name that no fsync has covered: the next one does not build on it.
func TestLeftoversInRetainedAreNotBuiltOn(t *testing.T) {
	points := 0
	for again := true; again; {
		again = false
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newHistory(t, "a1", 100, 4), archived)
			r.start()
			require.NoError(t, grow(r))
			n, left := 0, (*fsxtest.FS)(nil)
			r.fs.OnOp(func(_ int, op fsxtest.Op) {
				if n++; n > points && left == nil && strings.Contains(op.Path, "/retained") {
					left, again = r.fs.CrashClone(fsxtest.KillProcess{}), true
					points = n
				}
			})
			r.rewritten()
			r.fs.OnOp(nil)
			if left == nil {
				return
			}
			require.NoError(t, r.l.Close())
			r.fs, r.opt.FS = left, left
			r.open()
			r.goOn()
			r.feed()
			r.rewritten()
			want := r.held()
			r.reopen(fsxtest.PowerLossAll{})
			got := r.held()
			require.Len(t, got.Bases, len(want.Bases), "killed at operation %d", points)
			require.Equal(t, want.Bases[0].Name, got.Bases[0].Name, "killed at operation %d", points)
			require.Equal(t, want.Increments[0], got.Increments[0], "killed at operation %d", points)
		})
	}
	require.Greater(t, points, 4)
}
