package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// withoutCores has the kernel write no core of this process, nor of those that it starts: passwords, keys and data are in its memory. Whoever sets GOTRACEBACK=crash asks for
// one. A system that does not let us is no reason to do nothing: a Go program dies without a core by itself.
func withoutCores() {
	if os.Getenv("GOTRACEBACK") == "crash" {
		return
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil {
		limit.Cur = 0
		_ = unix.Setrlimit(unix.RLIMIT_CORE, &limit) // see above
	}
}
