package fsx

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const bootIDPath = "/proc/sys/kernel/random/boot_id"

// BootID reads the kernel's boot id; see [FS]. In a container it is the host's, as the page cache is.
func (OS) BootID() (string, error) {
	b, err := os.ReadFile(bootIDPath)
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	id := strings.TrimSpace(string(b))
	if id == "" {
		return "", fmt.Errorf("read boot id: %s is empty", bootIDPath)
	}
	return id, nil
}

func syncData(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	// Control keeps the descriptor open during the call, also when another goroutine closes the file.
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		syncErr = ignoreEINTR(func() error { return unix.Fdatasync(int(fd)) })
	})
	if err != nil { // its only one, and not fs.ErrClosed
		syncErr = fs.ErrClosed
	}
	if syncErr != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: syncErr}
	}
	return nil
}

// blocks counts in units of f_frsize, or of f_bsize from file systems that leave that out.
func blocks(st *unix.Statfs_t) (unit, free, total uint64) {
	bytes := st.Frsize
	if bytes <= 0 {
		bytes = max(st.Bsize, 0)
	}
	return uint64(bytes), st.Bavail, st.Blocks
}
