//go:build !linux

package filestore

import "syscall"

// temporaryHere is temporary for what only this system has.
func temporaryHere(syscall.Errno) bool { return false }
