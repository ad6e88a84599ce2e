package aof

import (
	"errors"
	"fmt"
	"os"
	"path"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

// copyOf is what cp or rsync make of the log's directory on another machine: nothing of it is synced.
func (r *rig) copyOf() *fsxtest.FS {
	r.t.Helper()
	to := fsxtest.New().CrashClone(fsxtest.Reboot{})
	for name, data := range tree(r.t, r.fs, rigDir) {
		require.NoError(r.t, to.MkdirAll(path.Dir(name), dirMode))
		f, err := to.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
		require.NoError(r.t, err)
		_, err = f.WriteAt([]byte(data), 0)
		require.NoError(r.t, errors.Join(err, f.Close()))
	}
	return to
}

// A sidecar is moved as the documentation says: stopped, its directory copied, started there. What FACK promises then, a power loss must not take, whose kernel has
// written nothing of the copy yet.
func TestCopiedDirectoryIsDurable(t *testing.T) {
	for _, policy := range []Policy{FsyncAlways, FsyncEverySec, FsyncNo} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 5), func(o *Options) { o.IncrementBytes, o.Fsync = 600, policy })
				r.start()
				r.feed()
				require.NoError(t, grow(r))
				require.NoError(t, r.l.Close())
				r.fs = r.copyOf()
				r.opt.FS = r.fs
				r.open()
				r.goOn()
				require.Equal(t, r.h.end(), r.durable())
				r.reopen(fsxtest.PowerLossAll{})
				r.requireHolds(r.fs, r.h.end())
			})
		})
	}
}
