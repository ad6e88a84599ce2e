package fsxtest

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

const (
	accessFlags = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
	knownFlags  = accessFlags | os.O_CREATE | os.O_EXCL | os.O_TRUNC
	lockPerm    = 0o640
)

// OpenFile opens name; see [fsx.FS]. Flags other than the access mode, O_CREATE, O_EXCL and O_TRUNC are EINVAL.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	h, err := f.open(name, flag, perm)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return h, nil
}

// Lock opens name and locks its inode; see [fsx.FS].
func (f *FS) Lock(name string) (fsx.File, error) {
	h, err := f.open(name, os.O_RDWR|os.O_CREATE, lockPerm)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f.mu.Lock()
	locked := h.node.holder != nil
	if !locked {
		h.node.holder = h
	}
	f.mu.Unlock()
	if locked {
		return nil, closeWith(h, &fs.PathError{Op: "lock", Path: name, Err: fsx.ErrLocked})
	}
	return h, nil
}

func (f *FS) open(name string, flag int, perm fs.FileMode) (*handle, error) {
	if flag&^knownFlags != 0 {
		return nil, syscall.EINVAL
	}
	created := false
	h, err := f.attach(name, flag)
	if errors.Is(err, syscall.ENOENT) && flag&os.O_CREATE != 0 {
		created, err = f.create(name, perm)
		if err != nil {
			return nil, err
		}
		if created {
			flag &^= os.O_EXCL
		}
		h, err = f.attach(name, flag)
	}
	if err != nil {
		return nil, err
	}
	if flag&os.O_TRUNC != 0 && !created {
		if err := h.empty(); err != nil {
			return nil, closeWith(h, err)
		}
	}
	return h, nil
}

// attach opens a file that is there.
func (f *FS) attach(name string, flag int) (*handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.lookup(name)
	switch {
	case err != nil:
		return nil, err
	case flag&os.O_EXCL != 0 && flag&os.O_CREATE != 0:
		return nil, syscall.EEXIST
	case n.isDir():
		return nil, syscall.EISDIR
	}
	n.opens++
	return &handle{fs: f, node: n, name: name, path: clean(name), access: flag & accessFlags}, nil
}

// create makes an empty file; false if one came there meanwhile.
func (f *FS) create(name string, perm fs.FileMode) (created bool, err error) {
	made := f.newNode(perm.Perm())
	err = f.changeNames(Op{Kind: Create, Path: clean(name)}, func() (*nameOp, error) {
		key, err := f.locate(name)
		if err != nil {
			return nil, err
		}
		if created = key.node() == nil; !created {
			return nil, nil
		}
		return &nameOp{changes: []change{{nameKey: key, to: made}}}, nil
	})
	return created, err
}
