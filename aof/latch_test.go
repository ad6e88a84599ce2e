package aof

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// breakage is one operation that fails for good, and what the log does when it meets it.
type breakage struct {
	match   func() func(fsxtest.Op) bool
	errno   syscall.Errno
	options func(*Options)
	act     func(r *rig) error // returns what the caller is told
	byRun   bool               // Run is told
}

func always(o *Options)     { o.Fsync = FsyncAlways }
func smallFiles(o *Options) { o.IncrementBytes = 600 }

func appendMore(r *rig) error {
	r.h.add("SET", "more", strings.Repeat("v", 200))
	return r.tryFeed(r.t.Context())
}

func appendAndTick(r *rig) error {
	if err := appendMore(r); err != nil {
		return err
	}
	pass(1500 * time.Millisecond)
	return appendMore(r)
}

// appendDroppedAndTick leaves a mark before the tick that no sync covers.
func appendDroppedAndTick(r *rig) error {
	for range 3 {
		r.h.add("SET", "before", strings.Repeat("v", 5000))
		r.h.add("PING")
	}
	return appendAndTick(r)
}

func grow(r *rig) error {
	for range 4 {
		if err := appendMore(r); err != nil {
			return err
		}
	}
	return nil
}

func goOnUnderNewID(r *rig) error {
	r.h.promote(replID(r.t, "c3"))
	return r.l.Continue(r.t.Context(), r.h.idNow())
}

func resyncEmpty(r *rig) error {
	r.next = newHistory(r.t, "b2", 9000, 2)
	return r.tryResync(r.next, rdbOf(0))
}

func rollBackTorn(r *rig) error {
	r.h.add("SET", "torn", strings.Repeat("v", 50))
	if err := r.feeder().feed(r.t.Context(), r.l, r.l.Received(), r.h.end()-9); err != nil {
		return err
	}
	return r.l.Rollback()
}

func continueTorn(r *rig) error {
	r.h.add("SET", "torn", strings.Repeat("v", 50))
	if err := r.feeder().feed(r.t.Context(), r.l, r.l.Received(), r.h.end()-9); err != nil {
		return err
	}
	return r.l.Continue(r.t.Context(), r.h.id)
}

func inRetained(kind fsxtest.Kind, suffix string) func(fsxtest.Op) bool {
	return func(op fsxtest.Op) bool {
		return op.Kind == kind && strings.Contains(op.Path, "/retained") && strings.HasSuffix(op.Path, suffix)
	}
}

// nth matches the n-th operation of those that match.
func nth(n int, match func(fsxtest.Op) bool) func() func(fsxtest.Op) bool {
	return func() func(fsxtest.Op) bool {
		seen := 0
		return func(op fsxtest.Op) bool {
			if match(op) {
				seen++
			}
			return seen == n && match(op)
		}
	}
}

func breakages() map[string]breakage {
	const (
		eio      = syscall.EIO
		manifest = rigDir + "/appendonlydir/temp-aofsidecar-appendonly.aof.manifest"
		aofDir   = rigDir + "/appendonlydir"
	)
	incr1, incr2 := ".1.incr.aof", ".2.incr.aof"
	return map[string]breakage{
		"sync by the clock":                   {match: nth(1, on(fsxtest.SyncData, incr1)), errno: eio, act: appendAndTick, byRun: true},
		"sync by the clock, marks in between": {match: nth(1, on(fsxtest.SyncData, incr1)), errno: eio, act: appendDroppedAndTick, byRun: true},
		"sync by the clock, ENOSPC":           {match: nth(1, on(fsxtest.SyncData, incr1)), errno: syscall.ENOSPC, act: appendAndTick, byRun: true},
		"sync under always":                   {match: nth(1, on(fsxtest.SyncData, incr1)), errno: eio, options: always, act: appendAndTick, byRun: true},
		"sync by Continue":                    {match: nth(1, on(fsxtest.SyncData, incr1)), errno: eio, act: goOnUnderNewID},
		"sync by Continue, ENOSPC":            {match: nth(1, on(fsxtest.SyncData, incr1)), errno: syscall.ENOSPC, act: goOnUnderNewID},
		"sync by rotation":                    {match: nth(1, on(fsxtest.SyncData, incr1)), errno: eio, options: smallFiles, act: grow},
		"sync by rotation, EDQUOT":            {match: nth(1, on(fsxtest.SyncData, incr1)), errno: syscall.EDQUOT, options: smallFiles, act: grow},
		"sync of a closing mark":              {match: nth(2, on(fsxtest.SyncData, incr1)), errno: eio, options: smallFiles, act: grow},
		"sync of a head":                      {match: nth(1, on(fsxtest.Sync, incr2)), errno: eio, options: smallFiles, act: grow},
		"directory in rotation":               {match: nth(1, on(fsxtest.SyncDir, aofDir)), errno: eio, options: smallFiles, act: grow},
		"directory in rotation, 28":           {match: nth(1, on(fsxtest.SyncDir, aofDir)), errno: syscall.ENOSPC, options: smallFiles, act: grow},
		"manifest in rotation":                {match: nth(1, on(fsxtest.Sync, manifest)), errno: eio, options: smallFiles, act: grow},
		"name of manifest":                    {match: nth(1, on(fsxtest.Rename, manifest)), errno: eio, options: smallFiles, act: grow},
		"directory of manifest":               {match: nth(2, on(fsxtest.SyncDir, aofDir)), errno: eio, options: smallFiles, act: grow},
		"directory of manifest, 28":           {match: nth(2, on(fsxtest.SyncDir, aofDir)), errno: syscall.ENOSPC, options: smallFiles, act: grow},
		"sync of the old in a swap":           {match: nth(1, on(fsxtest.Sync, incr1)), errno: eio, act: resyncEmpty},
		"the same, ENOSPC":                    {match: nth(1, on(fsxtest.Sync, incr1)), errno: syscall.ENOSPC, act: resyncEmpty},
		"sync of a snapshot":                  {match: nth(1, on(fsxtest.Sync, "snapshot.rdb")), errno: eio, act: resyncEmpty},
		"write of a snapshot":                 {match: nth(1, on(fsxtest.Write, "snapshot.rdb")), errno: eio, act: resyncEmpty},
		"sync of the new in a swap":           {match: nth(1, on(fsxtest.Sync, incr2)), errno: eio, act: resyncEmpty},
		"directory in a swap":                 {match: nth(1, on(fsxtest.SyncDir, aofDir)), errno: eio, act: resyncEmpty},
		"directory in a swap, 28":             {match: nth(1, on(fsxtest.SyncDir, aofDir)), errno: syscall.ENOSPC, act: resyncEmpty},
		"name of the base":                    {match: nth(2, on(fsxtest.SyncDir, aofDir)), errno: eio, act: resyncEmpty},
		"retained/":                           {match: nth(1, on(fsxtest.SyncDir, rigDir)), errno: eio, act: resyncEmpty},
		"retained timeline":                   {match: nth(1, inRetained(fsxtest.SyncDir, "/retained")), errno: eio, act: resyncEmpty},
		"retained links":                      {match: nth(1, inRetained(fsxtest.SyncDir, "/appendonlydir")), errno: eio, act: resyncEmpty},
		"retained manifest":                   {match: nth(1, inRetained(fsxtest.Sync, ".manifest")), errno: eio, act: resyncEmpty},
		"pin":                                 {match: nth(1, inRetained(fsxtest.Sync, "pinned.json")), errno: eio, act: resyncEmpty},
		"manifest in a swap":                  {match: nth(1, on(fsxtest.Sync, manifest)), errno: eio, act: resyncEmpty},
		"its directory in a swap":             {match: nth(3, on(fsxtest.SyncDir, aofDir)), errno: eio, act: resyncEmpty},
		"write of stream bytes":               {match: nth(1, on(fsxtest.Write, incr1)), errno: eio, act: appendMore},
		"write of a mark":                     {match: nth(1, func(op fsxtest.Op) bool { return op.Kind == fsxtest.Write && op.Len < 150 && op.Off > 0 }), errno: eio, act: appendAndTick, byRun: true},
		"write of a new id":                   {match: nth(1, on(fsxtest.Write, incr1)), errno: eio, act: goOnUnderNewID},
		"write of a head":                     {match: nth(1, on(fsxtest.Write, incr2)), errno: eio, options: smallFiles, act: grow},
		"create in rotation":                  {match: nth(1, on(fsxtest.Create, incr2)), errno: eio, options: smallFiles, act: grow},
		"truncate by Rollback":                {match: nth(1, on(fsxtest.Truncate, incr1)), errno: eio, act: rollBackTorn},
		"truncate by Continue":                {match: nth(1, on(fsxtest.Truncate, incr1)), errno: eio, act: continueTorn},
		"truncate by Rollback, 28":            {match: nth(1, on(fsxtest.Truncate, incr1)), errno: syscall.ENOSPC, act: rollBackTorn},
	}
}

// TestLatch breaks one operation for good. The log refuses everything after it, Run ends, Durable stands still, Close lets go of the
// directory; and whatever then happens to the machine, the next log holds all that was acknowledged.
func TestLatch(t *testing.T) {
	for name, b := range breakages() {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { checkLatch(t, b, seed) })
			})
		}
	}
}

// checkLatch breaks one thing; seed decides what a sync that fails loses.
func checkLatch(t *testing.T, b breakage, seed uint64) {
	t.Helper()
	r := newRig(t, newHistory(t, "a1", 0, 3), b.options)
	r.fs.SetSeed(seed)
	r.start()
	r.feed()
	require.NoError(t, r.l.onTick())
	done, stop := r.run()
	defer synctest.Wait()
	defer stop()
	r.h.plain(3)
	r.feed()
	var told Status
	f := &fault{match: b.match(), err: b.errno, left: 1, onHit: func(fsxtest.Op) { told = r.l.Status() }}
	r.fs.FailOp(f.ask)
	err := b.act(r)
	r.fs.FailOp(nil)
	require.Equal(t, 1, f.count())
	if !b.byRun {
		requireDiskError(t, err, b.errno)
	}
	requireDiskError(t, r.ended(done), b.errno)
	r.requireLatched(told)
	acked := r.durable()
	require.NoError(t, r.l.Close())
	r.requireSurvives(acked)
}

func requireDiskError(t *testing.T, err error, errno syscall.Errno) {
	t.Helper()
	var disk *DiskError
	require.ErrorAs(t, err, &disk)
	require.ErrorIs(t, err, errno)
	require.ErrorIs(t, err, ErrFailed)
	require.True(t, fatal(err))
	require.NotEmpty(t, disk.Path)
}

// requireLatched wants every call to be refused and nothing to move; told is what Status said when the disk failed.
func (r *rig) requireLatched(told Status) {
	r.t.Helper()
	t := r.t
	before := tree(t, r.fs, rigDir)
	_, _, err := r.l.Resume()
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorIs(t, r.l.Continue(t.Context(), r.h.id), ErrFailed)
	require.ErrorIs(t, r.l.Rollback(), ErrFailed)
	require.ErrorIs(t, appendMore(r), ErrFailed)
	require.ErrorIs(t, resyncEmpty(r), ErrFailed)
	again, _ := r.run()
	require.ErrorIs(t, r.ended(again), ErrFailed)
	pass(3 * time.Second)
	requireTree(t, before, tree(t, r.fs, rigDir))
	now := r.l.Status()
	require.Equal(t, told.Durable, now.Durable)
	require.Equal(t, int64(r.l.Received()), now.Received)
	require.Contains(t, now.Failed, "what was not yet durable is unknown")
	require.Len(t, r.seen().failed, 1)
}

// requireSurvives wants the stream up to acked in what the next start finds after each kind of crash; and again after that start
// went on, said that more is durable, and lost the power.
func (r *rig) requireSurvives(acked stream.Offset) {
	r.t.Helper()
	for seed := range uint64(20) {
		crashes := fsxtest.Crashes(seed)
		if seed > 0 {
			crashes = crashes[3:] // the others know no seed
		}
		for _, crash := range crashes {
			next := r.after(crash, acked, "after %v", crash)
			next.goOn()
			next.feed()
			require.NoError(r.t, next.l.onTick())
			require.Equal(r.t, next.h.end(), next.durable())
			for _, again := range []fsxtest.Crash{fsxtest.PowerLossAll{}, fsxtest.PowerLoss{Seed: seed}} {
				last := next.after(again, next.h.end(), "after %v, then %v", crash, again)
				last.goOn()
				last.feed()
				require.NoError(r.t, last.l.Close())
				last.requireHolds(last.fs, last.h.end())
			}
			require.NoError(r.t, next.l.Close())
		}
	}
}

// after opens what a crash leaves, which must hold the stream up to acked and stand at one of its positions.
func (r *rig) after(crash fsxtest.Crash, acked stream.Offset, format string, args ...any) *rig {
	r.t.Helper()
	next := newRig(r.t, r.h, func(o *Options) { *o = r.opt })
	next.fs = r.fs.CrashClone(crash)
	next.opt.FS = next.fs
	next.open()
	pos, _, err := next.l.Resume()
	require.NoError(r.t, err)
	if r.next != nil && r.next.knows(pos) { // a full resync took place after all
		next.h, acked = r.next, r.next.start
	}
	require.True(r.t, next.h.knows(pos), "at %s", pos)
	want := next.h.kept(acked)
	held := streamBytes(r.t, next.fs, r.opt.withLayout())
	requireBytes(r.t, want, held[:min(len(held), len(want))], format, args...)
	return next
}

// A disk that failed is not told about twice, and the first failure stays the one that is reported.
func TestLatchKeepsTheFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 0, 3), nil)
		r.start()
		r.feed()
		failOps(r.fs, -1, syscall.EIO, on(fsxtest.SyncData, ".incr.aof"))
		first := r.l.syncOnce()
		require.Error(t, first)
		require.Same(t, first, r.l.Rollback())
		done, stop := r.run()
		defer stop()
		require.Same(t, first, r.ended(done))
		require.Len(t, r.seen().failed, 1)
		require.NoError(t, r.l.Close())
		require.NoError(t, r.l.Close())
		_, err := Open(t.Context(), Options{Dir: rigDir, FS: r.fs})
		require.NoError(t, err, "the lock is free")
	})
}

// A write that failed and could not be cut again leaves half a command in the file: the log latches, also when the cut
// failed for want of space.
func TestLatchWhenFailedWriteIsNotCut(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
		t.Run(fmt.Sprint(errno), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 0, 3), nil)
				r.start()
				r.feed()
				require.NoError(t, r.l.onTick())
				acked := r.durable()
				r.fs.FailOp(func(op fsxtest.Op) error {
					if op.Kind == fsxtest.Write {
						return &fsxtest.ShortWriteError{N: 11, Err: syscall.ENOSPC}
					}
					return errno
				})
				requireDiskError(t, appendMore(r), errno)
				r.fs.FailOp(nil)
				require.NoError(t, r.l.Close())
				r.requireSurvives(acked)
			})
		})
	}
}

// The directory's own name is part of the chain: an fsync of it that fails is as final, and is not forgotten by the next start.
func TestLatchBeforeTheFirstSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 0, 3), nil)
		r.open()
		failOps(r.fs, 1, syscall.EIO, on(fsxtest.SyncDir, rigDir))
		requireDiskError(t, r.tryResync(r.h, rdbOf(3)), syscall.EIO)
		require.ErrorIs(t, r.tryResync(r.h, rdbOf(3)), ErrFailed)
		require.NoError(t, r.l.Close())
		r.start()
		r.feed()
		require.NoError(t, r.l.Close())
		r.after(fsxtest.PowerLossAll{}, r.h.end(), "after a power loss")
	})
}
