package fsx

import (
	"os"

	"golang.org/x/sys/unix"
)

// Exchange swaps two names atomically, whatever they name; see [Exchanger].
func (OS) Exchange(a, b string) error {
	err := ignoreEINTR(func() error { return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE) })
	if err != nil {
		return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
	}
	return nil
}
