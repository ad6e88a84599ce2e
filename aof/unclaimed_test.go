package aof

import (
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

// killAtFailedSync has the next sync of an increment fail, and goes on with what a process leaves that is killed before it notes that.
func (r *rig) killAtFailedSync(do func() error) {
	r.t.Helper()
	failOps(r.fs, 1, syscall.EIO, on(fsxtest.SyncData, ".incr.aof"))
	var killed *fsxtest.FS
	r.fs.OnOp(func(_ int, op fsxtest.Op) {
		if killed == nil && op.Kind == fsxtest.SyncData {
			killed = r.fs.CrashClone(fsxtest.KillProcess{})
		}
	})
	require.Error(r.t, do())
	r.fs, r.opt.FS = killed, killed
	r.reopen(nil)
}

// After a reboot, a process cuts what is torn, that fsync fails, and it is killed before it could note that: the lock file still names the boot before.
func TestCutOfAFailedSyncInABootOfItsOwn(t *testing.T) {
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
					r.reopen(fsxtest.Reboot{})
					r.fs.SetSeed(seed)
					r.h.promote(replID(t, "b2"))
					r.killAtFailedSync(func() error { return r.l.Continue(t.Context(), r.h.idNow()) })
					r.goOn()
					r.requireHeldWithoutPower()
				})
			})
		}
	}
}
