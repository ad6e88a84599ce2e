package fsx

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

const lockPerm = 0o640

// Lock takes flock(2) on name; see [FS]. A flock belongs to the open file and not to the process, so it
// keeps out a second open here as well, and no unrelated close in this process drops it, as with fcntl locks.
func (OS) Lock(name string) (File, error) {
	return lock(name, func() (*os.File, error) { return os.OpenFile(name, os.O_RDWR|os.O_CREATE, lockPerm) },
		func() (fs.FileInfo, error) { return os.Stat(name) })
}

func lock(name string, open func() (*os.File, error), stat func() (fs.FileInfo, error)) (File, error) {
	// A turn is repeated only if someone removed or replaced the file between open and flock.
	for {
		f, err := open()
		if err != nil {
			return nil, err
		}
		named, err := flockNamed(f, name, stat)
		if err == nil && named {
			return osFile{f}, nil
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
}

// flockNamed locks f and reports whether name still names it, which stat tells: a lock on an unlinked file keeps nobody out.
func flockNamed(f *os.File, name string, stat func() (fs.FileInfo, error)) (bool, error) {
	err := ignoreEINTR(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, &fs.PathError{Op: "lock", Path: name, Err: ErrLocked}
	case err != nil:
		return false, &fs.PathError{Op: "flock", Path: name, Err: err}
	}
	held, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := stat()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(held, there), err
}
