package aof

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

// The process is killed between the removal of a pin and its sync; the next one removes files of the chain one by one, as the archive has them or for want of disk; and the power goes.
func TestUnpinIsDurableBeforeFilesGo(t *testing.T) {
	for _, shipped := range []bool{true, false} {
		for turns := 1; turns <= 3; turns++ {
			t.Run(fmt.Sprintf("shipped %v, %d", shipped, turns), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newHistory(t, "a1", 100, 5), archived)
					r.start()
					r.feed()
					require.NoError(t, r.tryResync(newHistory(t, "b2", 9000, 2), rdbOf(0)))
					pinned := r.l.shelves[0]
					require.NotNil(t, pinned.Guard)
					var killed *fsxtest.FS
					r.fs.OnOp(func(_ int, op fsxtest.Op) {
						if killed == nil && op.Kind == fsxtest.Remove {
							killed = r.fs.CrashClone(fsxtest.KillProcess{})
						}
					})
					require.NoError(t, r.l.Unpin(pinned.Timeline))
					r.fs, r.opt.FS = killed, killed
					r.open()
					if shipped {
						for _, tl := range r.l.Holdings().Timelines {
							r.l.Shipped(tl.ID, tl.End.Offset)
						}
					} else {
						r.l.opt.MaxDisk.Bytes = r.l.diskUsed() - int64(100*turns)
					}
					for range turns {
						require.NoError(t, r.l.tend())
					}
					r.reopen(fsxtest.PowerLossAll{})
					for _, sh := range r.l.shelves {
						require.Nil(t, sh.Guard, "pinned again, with files missing")
					}
				})
			})
		}
	}
}
