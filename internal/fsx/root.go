package fsx

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Root is the part of the machine's file system below one directory, as os.Root confines it: names are relative to that ("." is it), and neither ".." nor a symbolic link leads
// out, whatever happens to the directories meanwhile. Errors of opened files name them in full. The caller closes it; files that it opened stay open.
type Root struct{ root *os.Root }

var _ FS = Root{}

// OpenRoot opens the directory name, which must exist.
func OpenRoot(name string) (Root, error) {
	root, err := os.OpenRoot(name)
	return Root{root}, err
}

// Close releases the directory.
func (r Root) Close() error { return r.root.Close() }

// OpenFile opens name; see [FS]. Who reads does not wait for somebody to write to what should be a file and is a pipe.
func (r Root) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	if name == "" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: unix.ENOENT}
	}
	f, err := r.root.OpenFile(name, flag|unix.O_NONBLOCK, perm)
	if err != nil {
		return nil, err
	}
	if err := refuseDir(f, name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return osFile{f}, nil
}

// MkdirAll makes name and its missing parents; see [FS].
func (r Root) MkdirAll(name string, perm fs.FileMode) error {
	err := r.root.MkdirAll(name, perm)
	if errors.Is(err, fs.ErrExist) { // os.Root's word for a file in the way
		return &fs.PathError{Op: "mkdir", Path: name, Err: unix.ENOTDIR}
	}
	return err
}

// ReadDir lists name; see [FS].
func (r Root) ReadDir(name string) ([]fs.DirEntry, error) {
	d, err := r.root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	entries, err := d.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, errors.Join(err, d.Close())
}

// Stat describes name, following symbolic links that stay inside; see [FS].
func (r Root) Stat(name string) (fs.FileInfo, error) { return r.root.Stat(name) }

// Rename renames oldname to newname; see [FS].
func (r Root) Rename(oldname, newname string) error { return r.root.Rename(oldname, newname) }

// Link makes a hard link; see [FS].
func (r Root) Link(oldname, newname string) error { return r.root.Link(oldname, newname) }

// Remove unlinks name; see [FS].
func (r Root) Remove(name string) error { return r.root.Remove(name) }

// SyncDir syncs the directory name, as [OS.SyncDir]; see [FS].
func (r Root) SyncDir(name string) error {
	d, err := r.root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// Lock takes flock(2) on name, as [OS.Lock]; see [FS].
func (r Root) Lock(name string) (File, error) {
	return lock(name, func() (*os.File, error) { return r.root.OpenFile(name, os.O_RDWR|os.O_CREATE, lockPerm) },
		func() (fs.FileInfo, error) { return r.root.Stat(name) })
}

// Space asks fstatfs(2); see [FS].
func (r Root) Space(name string) (Space, error) {
	f, err := r.root.Open(name)
	if err != nil {
		return Space{}, err
	}
	var st unix.Statfs_t
	err = ignoreEINTR(func() error { return unix.Fstatfs(int(f.Fd()), &st) })
	if err = errors.Join(err, f.Close()); err != nil {
		return Space{}, &fs.PathError{Op: "statfs", Path: name, Err: err}
	}
	unit, free, total := blocks(&st)
	return Space{Free: product(free, unit), Total: product(total, unit)}, nil
}

// SameFile is os.SameFile; see [FS].
func (r Root) SameFile(a, b fs.FileInfo) bool { return os.SameFile(a, b) }

// BootID asks the machine; see [FS].
func (r Root) BootID() (string, error) { return OS{}.BootID() }
