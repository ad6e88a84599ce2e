package fsx

import (
	"fmt"
	"io/fs"
	"syscall"
)

// Identity names the file behind info among all files that this kernel has mounted, as "<device>:<inode>"; empty if the
// system does not say. A copy has another identity, and so has, as a rule, the same file on a snapshot of its volume.
func Identity(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
