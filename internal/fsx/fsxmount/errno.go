package fsxmount

import (
	"errors"
	"syscall"
)

// answer is what a call answers: EIO behind a power cut, whatever it did.
func (m *Mount) answer(err error) syscall.Errno {
	select {
	case <-m.cut:
		return syscall.EIO
	default:
	}
	var errno syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &errno):
		return errno
	}
	return syscall.EIO
}
