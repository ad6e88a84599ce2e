package fsx

import (
	"errors"
	"io/fs"
	"math"
	"math/bits"
	"os"

	"golang.org/x/sys/unix"
)

// OS is the file system of the machine. The zero value is ready.
type OS struct{}

var _ FS = OS{}

// OpenFile opens name; see [FS].
func (OS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	if err := refuseDir(f, name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return osFile{f}, nil
}

// refuseDir returns EISDIR for a directory, which the kernel lets us open for reading.
func refuseDir(f *os.File, name string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return &fs.PathError{Op: "open", Path: name, Err: unix.EISDIR}
	}
	return nil
}

// MkdirAll makes name and its missing parents; see [FS].
func (OS) MkdirAll(name string, perm fs.FileMode) error { return os.MkdirAll(name, perm) }

// ReadDir lists name; see [FS].
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// Stat describes name, following symbolic links; see [FS].
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// Rename renames oldname to newname; see [FS].
func (OS) Rename(oldname, newname string) error { return os.Rename(oldname, newname) }

// Link makes a hard link; see [FS].
func (OS) Link(oldname, newname string) error { return os.Link(oldname, newname) }

// Remove unlinks name; see [FS].
func (OS) Remove(name string) error { return os.Remove(name) }

// SyncDir syncs the directory name; see [FS]. File systems that cannot sync a directory answer EINVAL or
// ENOTSUP: there is nothing more to do there, so that is no error (as Redis util.c:fsyncFileDir).
func (OS) SyncDir(name string) error {
	d, err := os.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// Space asks statfs(2); see [FS].
func (OS) Space(name string) (Space, error) {
	var st unix.Statfs_t
	err := ignoreEINTR(func() error { return unix.Statfs(name, &st) })
	if err != nil {
		return Space{}, &fs.PathError{Op: "statfs", Path: name, Err: err}
	}
	unit, free, total := blocks(&st)
	return Space{Free: product(free, unit), Total: product(total, unit)}, nil
}

// SameFile is os.SameFile; see [FS].
func (OS) SameFile(a, b fs.FileInfo) bool { return os.SameFile(a, b) }

// osFile adds to *os.File what package os does not have.
type osFile struct{ *os.File }

var _ File = osFile{}

// SyncData calls fdatasync(2) where there is one, and fsync else.
func (f osFile) SyncData() error { return syncData(f.File) }

// ignoreEINTR repeats call while a signal interrupts it, as package os does for its own calls.
func ignoreEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// product is a*b, or math.MaxInt64 where that does not fit: FUSE file systems announce 2^64-1 blocks.
func product(a, b uint64) int64 {
	hi, lo := bits.Mul64(a, b)
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}
