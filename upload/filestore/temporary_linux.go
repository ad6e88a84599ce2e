package filestore

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// temporaryHere is temporary for what only Linux has: the file systems of others that are far away say so.
func temporaryHere(errno syscall.Errno) bool { return errno == unix.EREMOTEIO }
