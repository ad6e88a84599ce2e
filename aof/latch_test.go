package aof

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

func appendMore(r *rig) error {
	r.h.add("SET", "more", strings.Repeat("v", 200))
	return r.tryFeed(r.t.Context())
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
		require.Len(t, r.saw.failed, 1)
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
					switch op.Kind {
					case fsxtest.Write:
						return &fsxtest.ShortWriteError{N: 11, Err: syscall.ENOSPC}
					case fsxtest.Truncate:
						return errno
					default:
						return nil
					}
				})
				requireDiskError(t, appendMore(r), errno)
				r.fs.FailOp(nil)
				require.NoError(t, r.l.Close())
				r.requireSurvives(acked)
			})
		})
	}
}
