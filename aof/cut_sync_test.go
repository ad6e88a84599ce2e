package aof

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

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
					torn := r.h.fork(end)
					torn.add("SET", "torn", strings.Repeat("v", 2000))
					require.NoError(t, feeder{h: torn}.feed(t.Context(), r.l, from, torn.end()-9))
					require.NoError(t, r.l.syncOnce())
					require.NoError(t, r.l.Rollback())
					r.h.add("SET", "k", "v")
					r.feed()
					failOps(r.fs, 1, syscall.EIO, on(fsxtest.SyncData, ".incr.aof"))
					require.Error(t, r.l.syncOnce())
					r.reopen(fsxtest.KillProcess{})
					r.goOn()
					r.feed()
					require.NoError(t, grow(r))
					require.NoError(t, r.l.onTick())
					want := r.durable()
					r.reopen(fsxtest.PowerLossAll{})
					r.requireHolds(r.fs, want)
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
				torn := r.h.fork(from)
				torn.add("SET", "torn", strings.Repeat("v", 2000))
				require.NoError(t, feeder{h: torn}.feed(t.Context(), r.l, from, torn.end()-9))
				require.NoError(t, r.l.syncOnce())
				failOps(r.fs, 1, syscall.EIO, on(fsxtest.SyncData, ".incr.aof"))
				require.Error(t, r.l.Close())
				r.reopen(fsxtest.KillProcess{})
				r.goOn()
				require.NoError(t, grow(r))
				require.NoError(t, r.l.onTick())
				want := r.durable()
				r.reopen(fsxtest.PowerLossAll{})
				r.requireHolds(r.fs, want)
			})
		})
	}
}
