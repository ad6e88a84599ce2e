package aof

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// TestFailAtEveryOperation lets each operation of a workload fail once, with an error that no waiting heals. The log stops, or goes on
// as if nothing had happened; whatever then happens to the machine, what is left holds all that was acknowledged.
func TestFailAtEveryOperation(t *testing.T) {
	for _, policy := range []Policy{FsyncAlways, FsyncEverySec, FsyncNo} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				over := false
				synctest.Test(t, func(t *testing.T) { over = !failOne(t, policy, n) })
				if over {
					require.Greater(t, n, 100)
					return
				}
			}
		})
	}
}

// failOne lets the n-th operation fail; false means that there are fewer.
func failOne(t *testing.T, policy Policy, n int) bool {
	t.Helper()
	r := newCrashRig(t, policy, uint64(n))
	r.rng = rand.New(rand.NewPCG(3, 4)) // the same workload for each n
	r.fs.SetSeed(uint64(n))
	count := 0
	var failed fsxtest.Op
	r.fs.FailOp(func(op fsxtest.Op) error {
		if count++; count != n {
			return nil
		}
		failed = op
		return syscall.EIO
	})
	r.fs.OnOp(func(int, fsxtest.Op) { r.note() })
	err := failWorkload(r)
	r.fs.OnOp(nil)
	if count < n {
		require.NoError(t, err)
		return false
	}
	if r.l != nil {
		if errors.Is(err, ErrFailed) {
			require.ErrorIs(t, r.l.usableNow(), ErrFailed, "after %v", failed)
		}
		_ = r.l.Close()
	}
	for i, crash := range fsxtest.Crashes(uint64(n)) {
		c := crashed{
			t: t, fs: r.fs.CrashClone(crash), opt: r.opt, promise: r.promise.clone(), depth: 2,
			rng: rand.New(rand.NewPCG(uint64(n), uint64(i))), after: fmt.Sprintf("failing %v (%v)", failed, err),
		}
		c.check()
	}
	return true
}

// usableNow returns why the log cannot be written.
func (l *Log) usableNow() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.usable()
}

// failWorkload does some of everything, and returns the first error.
func failWorkload(r *crashRig) error {
	first := &history{id: replID(r.t, "a1"), start: 0}
	second := &history{id: replID(r.t, "b2"), start: 7}
	r.opt.IncrementBytes = 1500
	for _, step := range []func() error{
		r.tryOpen,
		func() error { return r.resyncOnce(first, 20) },
		func() error { return r.tryStream(first, 6) },
		r.tryRewrite,
		func() error { return r.tryStream(first, 2) },
		func() error { return r.l.Close() },
		r.tryOpen,
		func() error { return r.tryStream(first, 2) },
		func() error { return r.resyncOnce(second, 1) },
		func() error { return r.tryStream(second, 2) },
		r.tryRewrite,
		r.tryRewrite,
		func() error { return r.l.Close() },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *crashRig) tryOpen() error {
	var err error
	r.l, err = Open(r.t.Context(), r.opt)
	return err
}

// tryRewrite rewrites; that may fail, but not the log.
func (r *crashRig) tryRewrite() error {
	_, err := r.l.Rewrite(r.t.Context(), "test")
	if err == nil || errors.Is(err, ErrFailed) {
		return err
	}
	require.NoError(r.t, r.l.usableNow())
	return nil
}

// resyncOnce asks once. An error leaves it open which of the two histories the log is in.
func (r *crashRig) resyncOnce(h *history, keys int) error {
	h.keys = keys
	r.promise.live = append(r.promise.live, h)
	_, err := r.l.FullResync(r.t.Context(), snapshotOf(h, -1), rdbOf(keys))
	if err != nil {
		return err
	}
	r.resynced(h)
	return nil
}

// resynced notes that h is the history now, and what is pinned.
func (r *crashRig) resynced(h *history) {
	r.promise.live, r.promise.pinned = []*history{h}, nil
	for _, g := range r.l.Status().Guarded() {
		r.promise.pinned = append(r.promise.pinned, g.Timeline)
	}
	r.note()
}

// tryStream resumes, and feeds n pieces with a tick and a lost connection after each.
func (r *crashRig) tryStream(h *history, n int) error {
	for range n {
		pos, _, err := r.l.Resume()
		if err != nil {
			return err
		}
		if r.rng.IntN(3) == 0 {
			h.promote(replID(r.t, fmt.Sprintf("%s%02x", h.id[:2], len(h.renames))))
		}
		if err := r.l.Continue(r.t.Context(), h.idNow()); err != nil {
			return err
		}
		h.grow(r.rng, 1+r.rng.IntN(6))
		pass(300 * time.Millisecond)
		f := feeder{h: h, rng: r.rng, now: func() int64 { return time.Now().UnixMilli() }}
		if err := f.feed(r.t.Context(), r.l, pos.Offset, max(pos.Offset, h.end()-stream.Offset(r.rng.IntN(15)))); err != nil {
			return err
		}
		if err := r.l.onTick(); err != nil {
			return err
		}
		if err := r.l.Rollback(); err != nil {
			return err
		}
	}
	return nil
}

// TestKilledBeforeTheFailedSyncIsNoted ends the process after the fsync that failed and before the lock file says so: the next one finds
// everything that was written, and the kernel calls it clean.
func TestKilledBeforeTheFailedSyncIsNoted(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			r := newCrashRig(t, FsyncEverySec, seed)
			h := &history{id: replID(t, "a1"), start: 0}
			r.fs.SetSeed(seed)
			r.open()
			r.resync(h, 3)
			h.grow(r.rng, 20)
			end, _ := h.boundary(h.end())
			require.NoError(t, feeder{h: h}.feed(t.Context(), r.l, 0, end))
			failOps(r.fs, 1, syscall.EIO, func(op fsxtest.Op) bool { return op.Kind == fsxtest.SyncData })
			var left *crashed
			r.fs.OnOp(func(_ int, op fsxtest.Op) {
				if left == nil && op.Kind == fsxtest.SyncData {
					left = &crashed{
						t: t, fs: r.fs.CrashClone(fsxtest.KillProcess{}), opt: r.opt, promise: r.promise.clone(), depth: 1,
						rng: r.rng, after: op.String(),
					}
				}
			})
			require.ErrorIs(t, r.l.onTick(), ErrFailed)
			left.check()
			left.promise.acked[h] = end
			left.fs = left.fs.CrashClone(fsxtest.PowerLossAll{})
			left.check()
		})
	}
}
