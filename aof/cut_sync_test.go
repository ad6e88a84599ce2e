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

// feedTorn feeds the history from one offset to another, and behind it a large command that does not end; all of it is synced.
func (r *rig) feedTorn(from, to stream.Offset) {
	r.t.Helper()
	torn := r.h.fork(to)
	torn.add("SET", "torn", strings.Repeat("v", 2000))
	require.NoError(r.t, feeder{h: torn}.feed(r.t.Context(), r.l, from, torn.end()-9))
	require.NoError(r.t, r.l.syncOnce())
}

// requireHeldWithoutPower has an increment close, and wants that a power loss takes nothing of what is durable then.
func (r *rig) requireHeldWithoutPower() {
	r.t.Helper()
	require.NoError(r.t, grow(r))
	require.NoError(r.t, r.l.onTick())
	want := r.durable()
	r.reopen(fsxtest.PowerLossAll{})
	r.requireHolds(r.fs, want)
}

// The fsync that failed was the one for a cut: the next process takes the file for as short as it reads it, the power goes, and what was cut is behind the mark that closes the increment.
func TestCutOfAFailedSync(t *testing.T) {
	for _, headOnly := range []bool{false, true} {
		for seed := range uint64(20) {
			t.Run(fmt.Sprintf("%v/%d", headOnly, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newHistory(t, "a1", 100, 5), smallFiles)
					r.fs.SetSeed(seed)
					r.start()
					if !headOnly {
						r.feed()
						require.NoError(t, r.l.onTick())
					}
					from, end := r.l.Received(), r.h.end()
					if headOnly {
						end = from
						r.h = newHistory(t, "a1", 100, 0)
					}
					r.feedTorn(from, end)
					require.NoError(t, r.l.Rollback())
					r.h.add("SET", "k", "v")
					r.feed()
					failOps(r.fs, 1, syscall.EIO, on(fsxtest.SyncData, ".incr.aof"))
					require.Error(t, r.l.syncOnce())
					r.reopen(fsxtest.KillProcess{})
					r.goOn()
					r.feed()
					r.requireHeldWithoutPower()
				})
			})
		}
	}
}

// The same where the cut leaves no tail: a log that has its head only, and is stopped.
func TestCutOfAFailedSyncWithoutATail(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 0), smallFiles)
				r.fs.SetSeed(seed)
				r.start()
				from := r.l.Received()
				r.feedTorn(from, from)
				failOps(r.fs, 1, syscall.EIO, on(fsxtest.SyncData, ".incr.aof"))
				require.Error(t, r.l.Close())
				r.reopen(fsxtest.KillProcess{})
				r.goOn()
				r.requireHeldWithoutPower()
			})
		})
	}
}

// The process was killed between a failed fsync, which was the one for a cut, and the note of it.
func TestCutOfAFailedSyncThatWasNotNoted(t *testing.T) {
	for _, headOnly := range []bool{false, true} {
		for seed := range uint64(40) {
			t.Run(fmt.Sprintf("%v/%d", headOnly, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newHistory(t, "a1", 100, 5), smallFiles)
					if headOnly {
						r.h = newHistory(t, "a1", 100, 0)
					}
					r.fs.SetSeed(seed)
					r.start()
					if !headOnly {
						r.feed()
						require.NoError(t, r.l.onTick())
					}
					r.feedTorn(r.l.Received(), r.h.end())
					failOps(r.fs, 1, syscall.EIO, on(fsxtest.SyncData, ".incr.aof"))
					var killed *fsxtest.FS
					r.fs.OnOp(func(_ int, op fsxtest.Op) {
						if killed == nil && op.Kind == fsxtest.SyncData {
							killed = r.fs.CrashClone(fsxtest.KillProcess{})
						}
					})
					require.Error(t, r.l.Close())
					r.fs, r.opt.FS = killed, killed
					r.reopen(nil)
					r.goOn()
					r.requireHeldWithoutPower()
				})
			})
		}
	}
}
