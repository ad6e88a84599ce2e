//go:build !linux

package fsx

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// BootID is not known here; see [FS].
func (OS) BootID() (string, error) {
	return "", fmt.Errorf("read boot id: %w", errors.ErrUnsupported)
}

// syncData is a whole sync: package os asks the drive to flush (F_FULLFSYNC) where that is needed.
func syncData(f *os.File) error { return f.Sync() }

// blocks says nothing is free where f_bavail is negative: root has eaten into its reserve.
func blocks(st *unix.Statfs_t) (unit, free, total uint64) {
	return uint64(st.Bsize), uint64(max(st.Bavail, 0)), st.Blocks
}
