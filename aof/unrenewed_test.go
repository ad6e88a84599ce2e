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

// loseName has do fail at the fsync of the directory behind the n-th replacement of the manifest, and the next process open what that leaves on a disk that is full for manifests.
func (r *rig) loseName(n int, do func() error) {
	r.t.Helper()
	failOps(r.fs, 1, syscall.EIO, func(op fsxtest.Op) bool {
		if op.Kind == fsxtest.Rename && strings.HasSuffix(op.Path, ".manifest") {
			n--
		}
		return n == 0 && op.Kind == fsxtest.SyncDir
	})
	require.Error(r.t, do())
	require.NoError(r.t, r.l.Close())
	r.killedOnAFullDisk()
}

// killedOnAFullDisk goes on with what a kill leaves, on a disk that has no space for a manifest.
func (r *rig) killedOnAFullDisk() *fault {
	r.t.Helper()
	r.fs = r.fs.CrashClone(fsxtest.KillProcess{})
	r.opt.FS = r.fs
	full := failOps(r.fs, -1, syscall.ENOSPC, on(fsxtest.Write, ".manifest"))
	r.open()
	return full
}

// openWithoutPower opens what a power loss would leave now, beside the log.
func (r *rig) openWithoutPower() *Log {
	r.t.Helper()
	opt := r.opt
	opt.FS = r.fs.CrashClone(fsxtest.PowerLossAll{})
	l, err := Open(r.t.Context(), opt)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = l.Close() })
	return l
}

// The fsync of the directory failed behind the manifest of a rewrite, and there is no space to write it anew: what the manifest on the disk may name stays.
func TestManifestOfARewriteThatIsNotRenewed(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 5), smallFiles)
				r.fs.SetSeed(seed)
				r.start()
				require.NoError(t, grow(r))
				r.loseName(3, func() error { _, err := r.l.Rewrite(t.Context(), "test"); return err })
				r.goOn()
				r.feed()
				r.openWithoutPower()
				full := r.killedOnAFullDisk()
				r.goOn()
				r.feed()
				r.openWithoutPower()
				full.heal()
				require.NoError(t, r.l.onTick())
				require.Equal(t, r.h.end(), r.durable())
				require.NotContains(t, string(r.read(r.l.at.path(r.l.at.manifest()))), "type h")
				r.reopen(fsxtest.PowerLossAll{})
				require.Equal(t, r.h.end(), r.l.Position().Offset)
			})
		})
	}
}

// The same behind the manifest of a rotation: what is in the increment that the manifest on the disk may not name is promised to nobody.
func TestManifestOfARotationThatIsNotRenewed(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 5), smallFiles)
				r.fs.SetSeed(seed)
				r.start()
				r.loseName(1, func() error { return grow(r) })
				r.goOn()
				r.h.add("SET", "k", "v")
				r.feed()
				require.NoError(t, r.l.onTick())
				require.GreaterOrEqual(t, r.openWithoutPower().Position().Offset, r.durable())
				full := r.killedOnAFullDisk()
				r.goOn()
				r.feed()
				require.NoError(t, r.l.onTick())
				promised := r.durable()
				require.GreaterOrEqual(t, r.openWithoutPower().Position().Offset, promised)
				full.heal()
				require.NoError(t, r.l.onTick())
				require.Equal(t, r.h.end(), r.durable())
				r.reopen(fsxtest.PowerLossAll{})
				require.Equal(t, r.h.end(), r.l.Position().Offset)
			})
		})
	}
}
