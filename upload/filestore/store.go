package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/upload"
)

const (
	dirPerm  = 0o750
	filePerm = 0o640
	lockName = ".lock"
	// tempPrefix is beside fsx.TempPrefix, which has no dot, and would be a key.
	tempPrefix = ".tmp-"
)

// Store keeps objects below a directory. Safe for concurrent use, also by several processes.
type Store struct {
	dir string
	// enter opens the root for one operation: a descriptor that is kept would go on in a directory that was removed or unmounted.
	enter func() (volume, error)
	// committing is the turn within this process, so that its goroutines do not poll the file lock.
	committing chan struct{}
	ships      bool // what is listed counts as stored
	folders    folders
}

var _ upload.Store = (*Store)(nil)

// volume is a file system, and where in it the root is.
type volume struct {
	fsx.FS

	base    string
	close   func() error
	settles bool // a folder is synced before its names are told
}

func (v volume) path(name string) string { return path.Join(v.base, name) }

// Create makes dir, an absolute path, durably if it is not there, and opens it. It is for who ships: who restores wants an archive that is there. What the store lists
// is durable, as what it has put.
func Create(dir string) (*Store, error) {
	if err := makeRoot(fsx.OS{}, dir); err != nil {
		return nil, fmt.Errorf("create file store: %w", err)
	}
	s, err := Open(dir)
	if err == nil {
		s.ships = true
	}
	return s, err
}

// Open returns the store in dir, an absolute path. fs.ErrNotExist says that there is none. A directory that goes later is not made again, since it may be a
// volume that is not mounted: operations then fail, and are Temporary.
func Open(dir string) (*Store, error) {
	s := newStore(dir, func() (volume, error) {
		root, err := fsx.OpenRoot(dir)
		return volume{FS: root, base: ".", close: root.Close}, err
	})
	v, err := s.enter()
	if err != nil {
		return nil, fmt.Errorf("open file store: %w", err)
	}
	if err := v.close(); err != nil {
		return nil, fmt.Errorf("open file store: %w", err)
	}
	return s, nil
}

func newStore(dir string, enter func() (volume, error)) *Store {
	return &Store{dir: dir, enter: enter, committing: make(chan struct{}, 1), folders: newFolders()}
}

// String is the URL: "file:///path".
func (s *Store) String() string { return upload.Location{Dir: s.dir}.String() }

// within runs do in the root, and makes its error a *upload.StoreError.
func (s *Store) within(ctx context.Context, op, key string, do func(volume) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	v, err := s.enter()
	if err != nil {
		return &upload.StoreError{Op: op, Key: key, Code: "NoRoot", Temporary: true, Err: err}
	}
	return storeError(ctx, op, key, errors.Join(do(v), v.close()))
}

// storeError says what went wrong in the words of package upload.
func storeError(ctx context.Context, op, key string, err error) error {
	var known *upload.StoreError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &known):
		return err
	}
	failure := &upload.StoreError{Op: op, Key: key, Err: err}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		failure.Code = unix.ErrnoName(errno)
		failure.Temporary = temporary(errno)
	}
	if errors.Is(err, fs.ErrNotExist) {
		failure.Err, failure.Temporary = fmt.Errorf("%w: %w", upload.ErrNotFound, err), false
	}
	return failure
}

// temporary says whether time, or an operator who makes room, can mend it. What is not listed is a mistake in the path or a lack of rights.
func temporary(errno syscall.Errno) bool {
	switch errno { //nolint:exhaustive // there are hundreds
	case unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EAGAIN, unix.EINTR, unix.EBUSY, unix.ENOMEM, unix.EMFILE, unix.ENFILE, unix.ENOLCK,
		unix.ESTALE, unix.ETIMEDOUT, unix.EHOSTDOWN, unix.EHOSTUNREACH, unix.ENETDOWN, unix.ENETUNREACH, unix.ECONNRESET, unix.ENOTCONN, unix.ESHUTDOWN:
		return true
	}
	return temporaryHere(errno)
}
