package aof

import (
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

// While a sync runs, a full disk takes half of a write, which is cut. That sync does not cover the cut: the increment that closes then is synced once more, or a power loss brings the half back.
func TestRotateBehindAFailedWriteBesideASync(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newHistory(t, "a1", 50, 3), func(o *Options) { o.IncrementAge = time.Second })
			r.fs.SetSeed(seed)
			r.start()
			r.feed()
			require.NoError(t, r.l.onTick()) // synced, with a mark that is not
			pass(time.Second)
			h := holdSync(r.fs)
			ticked := background(r.l.onTick)
			<-h.begun
			r.h.add("SET", "big", strings.Repeat("v", 9000))
			full := failOps(r.fs, -1, &fsxtest.ShortWriteError{N: 5000, Err: syscall.ENOSPC}, func(op fsxtest.Op) bool {
				return op.Kind == fsxtest.Write && op.Len > 300
			})
			r.beside(func() error { return r.tryFeed(t.Context()) })
			require.Positive(t, full.count())
			h.end()
			require.NoError(t, <-ticked)
			require.NotEmpty(t, r.seen().rotated)
			left := r.fs.CrashClone(fsxtest.PowerLoss{Seed: seed})
			opt := r.opt
			opt.FS = left
			l, err := Open(t.Context(), opt)
			require.NoError(t, err, "%s", left.Dump())
			require.NoError(t, l.Close())
			full.heal()
			pass(2 * spaceRetry)
			require.NoError(t, <-r.besides)
		})
	}
}
