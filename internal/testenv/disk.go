package testenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Disk is a small file system (tmpfs) that can be filled. It is mounted nowhere: a file descriptor of this process holds it, and the kernel takes it away with the last file that is open in it, however the process ends.
type Disk struct {
	root *os.File
}

// NewDisk makes one of so many bytes. It wants CAP_SYS_ADMIN, and fails the test without. It ends with the test.
func NewDisk(tb testing.TB, bytes int64) *Disk {
	tb.Helper()
	root, err := newTmpfs(bytes)
	require.NoError(tb, err, "this test makes a disk: run it as root (CAP_SYS_ADMIN)")
	tb.Cleanup(func() { require.NoError(tb, root.Close()) })
	return &Disk{root: root}
}

func newTmpfs(bytes int64) (*os.File, error) {
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open tmpfs: %w", err)
	}
	defer func() { _ = unix.Close(fs) }() // what was made of it stays
	if err := unix.FsconfigSetString(fs, "size", strconv.FormatInt(bytes, 10)); err != nil {
		return nil, fmt.Errorf("size tmpfs: %w", err)
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("create tmpfs: %w", err)
	}
	root, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("mount tmpfs: %w", err)
	}
	return os.NewFile(uintptr(root), "tmpfs"), nil
}

// Path returns a name of its root that other processes can open, too.
func (d *Disk) Path() string { return pathOf(d.root) }

func (d *Disk) filler() string { return filepath.Join(d.Path(), "filler") }

// Fill takes the space that is left. What becomes free after that is taken by the next call.
func (d *Disk) Fill() error {
	file, err := os.OpenFile(d.filler(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("fill disk: %w", err)
	}
	for chunk := make([]byte, 256<<10); err == nil; {
		_, err = file.Write(chunk)
	}
	if !errors.Is(err, unix.ENOSPC) {
		return errors.Join(fmt.Errorf("fill disk: %w", err), file.Close())
	}
	return file.Close()
}

// Empty gives the space back that Fill took.
func (d *Disk) Empty() error {
	if err := os.Remove(d.filler()); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("empty disk: %w", err)
	}
	return nil
}
