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
	if err != nil {
		return err
	}
	if syncErr != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: syncErr}
	}
	return nil
}

// blockBytes is the unit in which statfs counts: f_frsize, and f_bsize from file systems that leave it out.
func blockBytes(st *unix.Statfs_t) uint64 {
	if st.Frsize > 0 {
		return uint64(st.Frsize)
	}
	return uint64(max(st.Bsize, 0))
}
