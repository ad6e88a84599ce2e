package aof

import (
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

// The fsync that was to make the name of a new directory durable failed; the next start must not find that name and believe it.
func TestNewDirectoryOfAFailedSync(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for seed := range uint64(10) {
			t.Run(fmt.Sprintf("%d/%d", n, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newHistory(t, "a1", 100, 5), func(o *Options) { o.Dir = rigDir + "/deep" })
					r.fs.SetSeed(seed)
					failOps(r.fs, 1, syscall.EIO, nth(n, func(op fsxtest.Op) bool { return op.Kind == fsxtest.SyncDir })())
					_, err := Open(t.Context(), r.opt)
					require.ErrorIs(t, err, syscall.EIO)
					r.start()
					r.feed()
					require.NoError(t, r.l.Close())
					require.Equal(t, r.h.end(), r.durable())
					r.reopen(fsxtest.PowerLossAll{})
					require.Equal(t, r.h.end(), r.l.Position().Offset)
				})
			})
		}
	}
}
