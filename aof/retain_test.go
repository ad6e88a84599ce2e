package aof

import (
	"fmt"
	"io/fs"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// next takes a full resync into a new history of n commands, with so many keys.
func (r *rig) nextTimeline(fill string, keys, n int) {
	r.t.Helper()
	r.h = newHistory(r.t, fill, 1000, n)
	r.h.keys = keys
	require.NoError(r.t, r.tryResync(r.h, rdbOf(keys)))
	r.feed()
}

// requireRetained wants exactly these timelines in retained/, each whole; it returns them.
func (r *rig) requireRetained(timelines ...string) []Retained {
	r.t.Helper()
	var got []string
	for _, c := range r.l.Status().Retained {
		got = append(got, c.Timeline)
		r.verifyRetained(r.fs, c.Timeline)
	}
	require.Equal(r.t, timelines, got)
	return r.l.Status().Retained
}

// verifyRetained checks a retained chain as if it were a log's directory, which is what a server takes it for.
func (r *rig) verifyRetained(fsys fsx.FS, timeline string) Report {
	r.t.Helper()
	rep, err := Verify(r.t.Context(), Options{Dir: rigDir + "/retained/" + timeline, FS: fsys})
	require.NoError(r.t, err)
	require.Zero(r.t, rep.Torn)
	require.Equal(r.t, timeline, rep.Timeline)
	return rep
}

// What leaves the manifest is kept whole under names that say what is in it: the chain before the present one, and those that the
// guard pinned, until they are released.
func TestRetainedChains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 4), smallFiles)
		r.open()
		resync(t, r.l, r.h, 1000)
		require.NoError(t, grow(r))
		require.NoError(t, grow(r))
		first := r.h
		one := r.l.Status().Timeline
		require.Equal(t, "946684800-"+first.id.Short(), one)

		r.nextTimeline("b2", 5, 10)
		two := r.l.Status().Timeline
		chains := r.requireRetained(one)
		require.Equal(t, int64(1000), chains[0].Guard.KeysWas)
		rep := r.verifyRetained(r.fs, one)
		require.Equal(t, stream.Position{ReplID: first.id, Offset: first.end()}, rep.Position)
		require.Equal(t, "00000000000000000100.base.rdb", rep.Base.Name)
		require.Greater(t, len(rep.Increments), 2)
		for i, inc := range rep.Increments {
			require.Equal(t, fmt.Sprintf("%020d-%020d.incr.aof", inc.From, inc.To), inc.Name)
			if i > 0 {
				require.Equal(t, rep.Increments[i-1].To, inc.From)
			}
		}
		y := r.l.at.retained(one)
		requireBytes(t, first.kept(first.end()), streamBytes(t, r.fs, y), "the retained stream")
		require.Equal(t, chains[0].Bytes, sizeOf(tree(t, r.fs, y.aofDir())))
		r.verifyRetained(r.fs.CrashClone(fsxtest.PowerLossAll{}), one)

		r.nextTimeline("c3", 5, 3)
		three := r.l.Status().Timeline
		r.requireRetained(one, two)
		r.nextTimeline("d4", 5, 3)
		four := r.l.Status().Timeline
		r.requireRetained(one, three)
		require.Equal(t, []string{rigDir + "/retained/" + two}, r.seen().removed)

		require.ErrorIs(t, r.l.Unpin(three), fs.ErrNotExist, "it is not pinned")
		require.ErrorIs(t, r.l.Unpin("../"+one), fs.ErrNotExist)
		require.ErrorIs(t, r.l.Unpin(""), fs.ErrNotExist)
		require.NoError(t, r.l.Close())
		r.reopen(nil)
		r.requireRetained(one, three)
		require.NoError(t, r.l.Unpin(one))
		require.ErrorIs(t, r.l.Unpin(one), fs.ErrNotExist)
		require.Empty(t, r.l.Status().Guarded())
		r.requireRetained(one, three)
		r.goOn()
		r.nextTimeline("e5", 5, 3)
		r.requireRetained(four)
		require.NoError(t, r.l.Close())
		require.ErrorIs(t, r.l.Unpin(four), ErrClosed)
		r.requireHolds(r.fs, r.h.end())
	})
}

func sizeOf(files map[string]string) (n int64) {
	for _, data := range files {
		n += int64(len(data))
	}
	return n
}

// Somebody may boot a server in a retained chain, as the operator is told to. What it leaves there is not ours and stops nothing.
func TestForeignFilesInRetained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 4), nil)
		r.start()
		r.feed()
		one := r.l.Status().Timeline
		r.nextTimeline("b2", 10, 4)
		require.NoError(t, fsx.ReplaceFile(r.fs, rigDir+"/retained/"+one+"/dump.rdb", []byte("a server's"), 0o600))
		for _, fill := range []string{"c3", "d4"} {
			before := r.l.Status().Timeline
			r.nextTimeline(fill, 10, 4)
			r.requireRetained(before)
		}
		require.Equal(t, "a server's", string(r.read(rigDir+"/retained/"+one+"/dump.rdb")))
		require.NoError(t, r.l.Close())
		r.reopen(nil)
	})
}

// A full resync that is in place stays one, though what it replaced cannot be removed; the next start, or the next resync, tries again.
func TestResyncCannotCleanUp(t *testing.T) {
	for name, match := range map[string]func(fsxtest.Op) bool{
		"old base":       on(fsxtest.Remove, "appendonlydir/appendonly.aof.1.base.rdb"),
		"old increment":  on(fsxtest.Remove, "appendonlydir/appendonly.aof.1.incr.aof"),
		"retained files": inRetained(fsxtest.Remove, ".base.rdb"),
		"retained":       inRetained(fsxtest.Remove, "-a1a1a1a1"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 4), nil)
				r.start()
				r.feed()
				f := failOps(r.fs, -1, syscall.EACCES, match)
				r.nextTimeline("b2", 10, 4)
				r.nextTimeline("c3", 0, 4)
				require.Positive(t, f.count())
				require.Len(t, r.seen().resynced, 3)
				require.NotEmpty(t, r.seen().notes)
				require.Len(t, r.l.Status().Guarded(), 1)
				require.Equal(t, r.h.id.String(), r.l.Status().ReplID)
				f.heal()
				require.NoError(t, r.l.Close())
				r.reopen(nil)
				r.goOn()
				r.nextTimeline("d4", 0, 4)
				require.NoError(t, r.l.Close())
				r.requireHolds(r.fs, r.h.end())
				for path := range tree(t, r.fs, rigDir) {
					require.NotContains(t, path, "a1a1a1a1")
					require.NotContains(t, path, "appendonly.aof.1.")
				}
			})
		})
	}
}

// Wherever a crash stops a full resync that trips the guard: the timeline that lives is not pinned, its copies in retained/ are gone
// after the start, and the other one, if it left, is whole and pinned.
func TestCrashInGuardedResync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 30), smallFiles)
		r.open()
		resync(t, r.l, r.h, 1000)
		r.feed()
		require.NoError(t, r.l.onTick())
		one := r.l.Status().Timeline
		old := r.h
		points := 0
		r.fs.OnOp(func(n int, op fsxtest.Op) {
			points++
			for _, crash := range fsxtest.Crashes(uint64(n)) {
				r.checkGuardedCrash(crash, one, old, "%v after %v", crash, op)
			}
		})
		r.nextTimeline("b2", 5, 0)
		require.Greater(t, points, 40)
	})
}

func (r *rig) checkGuardedCrash(crash fsxtest.Crash, one string, old *history, format string, args ...any) {
	r.t.Helper()
	where := fmt.Sprintf(format, args...)
	next := newRig(r.t, r.h, nil)
	next.fs = r.fs.CrashClone(crash)
	next.opt.FS = next.fs
	next.open()
	defer func() { require.NoError(r.t, next.l.Close(), where) }()
	requireNoTemp(r.t, next.fs)
	if live := next.l.Status().Timeline; live != one {
		require.Equal(r.t, "946684801-b2b2b2b2", live, where)
		next.requireRetained(one)
		require.Len(r.t, next.l.Status().Guarded(), 1, where)
		y := next.l.at.retained(one)
		requireBytes(r.t, old.kept(old.end()), streamBytes(r.t, next.fs, y), "retained, %s", where)
		return
	}
	require.Empty(r.t, next.l.Status().Retained, where)
	for path := range tree(r.t, next.fs, rigDir) {
		require.NotContains(r.t, path, "/retained/", where)
	}
	next.h = old
	next.goOn()
	next.nextTimeline("c3", 1000, 0)
	require.Empty(r.t, next.l.Status().Guarded(), "%s: a full resync that lost nothing", where)
	next.requireRetained(one)
}
