package filestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/upload"
)

// chunk is how much is copied between two looks at the context.
const chunk = 256 << 10

// Put stores body under key; see [upload.Store].
func (s *Store) Put(ctx context.Context, key string, body upload.Body, cond upload.Condition) (upload.Object, error) {
	if err := upload.CheckKey(key); err != nil {
		return upload.Object{}, err
	}
	var object upload.Object
	err := s.within(ctx, "put", key, func(v volume) error {
		if cond.Absent { // found out before gigabytes are copied; link decides
			if _, err := v.Stat(v.path(key)); err == nil {
				return s.found(v, key)
			}
		}
		if err := s.folders.make(v, path.Dir(key)); err != nil {
			return err
		}
		temp := v.path(path.Join(path.Dir(key), tempPrefix+rand.Text()))
		err := write(ctx, v, temp, body)
		if err == nil {
			object, err = s.commit(ctx, v, temp, key, cond)
		}
		if err != nil {
			return errors.Join(err, discard(v, temp))
		}
		return nil
	})
	return object, err
}

func exists(key string) error {
	return &upload.StoreError{Op: "put", Key: key, Code: unix.ErrnoName(unix.EEXIST), Err: upload.ErrExists}
}

// found says that a key exists, once its name is durable: who stored it may have been killed before that, and whoever is told takes it for stored.
func (s *Store) found(v volume, key string) error {
	if err := s.folders.make(v, path.Dir(key)); err != nil {
		return err
	}
	if err := v.SyncDir(v.path(path.Dir(key))); err != nil {
		return err
	}
	return exists(key)
}

// discard removes what may be there.
func discard(v volume, name string) error {
	if err := v.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// write leaves body whole and synced in the new file temp.
func write(ctx context.Context, v volume, temp string, body upload.Body) (err error) {
	from, err := body.Open()
	if err != nil {
		return fmt.Errorf("open body: %w", err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	f, err := v.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := fill(ctx, f, from)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != n || body.Size >= 0 && n != body.Size {
		return fmt.Errorf("check size: the body has %d bytes, was said to have %d, and the file has %d", n, body.Size, info.Size())
	}
	return f.Sync()
}

// bodyError is a failure of the body to be stored, whatever it was: the store did nothing wrong.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "read body: " + e.err.Error() }

func (e *bodyError) Unwrap() error { return e.err }

func fill(ctx context.Context, f io.Writer, from io.Reader) (int64, error) {
	buffer := make([]byte, chunk)
	for total := int64(0); ; {
		if ctx.Err() != nil {
			return total, context.Cause(ctx)
		}
		n, failed := from.Read(buffer)
		if n > 0 {
			if _, err := f.Write(buffer[:n]); err != nil {
				return total, err
			}
			total += int64(n)
			upload.Moved(ctx)
		}
		switch {
		case failed == io.EOF: // a wrapped EOF is no end
			return total, nil
		case failed != nil:
			return total, &bodyError{failed}
		}
	}
}

// commit gives the written file its key, if cond holds, and makes that durable.
func (s *Store) commit(ctx context.Context, v volume, temp, key string, cond upload.Condition) (upload.Object, error) {
	object, err := describe(v, temp, key)
	if err != nil {
		return upload.Object{}, err
	}
	if cond.Absent {
		err = v.Link(temp, v.path(key))
		switch {
		case errors.Is(err, fs.ErrExist):
			return upload.Object{}, s.found(v, key)
		case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EMLINK):
			// No hard links here.
		case err != nil:
			return upload.Object{}, err
		default:
			return object, errors.Join(discard(v, temp), settle(v, v.path(key)))
		}
	}
	err = s.locked(ctx, v, func() error {
		if err := holds(v, key, cond); err != nil {
			return err
		}
		if err := v.Rename(temp, v.path(key)); err != nil {
			return err
		}
		if cond.Absent {
			return settle(v, v.path(key))
		}
		return v.SyncDir(path.Dir(temp))
	})
	return object, err
}

// settle makes a new name durable, or removes it: an fsync that fails may lose it and call it clean, and the next try would find it.
func settle(v volume, name string) error {
	err := v.SyncDir(path.Dir(name))
	if err != nil {
		err = errors.Join(err, discard(v, name))
	}
	return err
}

// holds reports, under the lock, that the condition does not.
func holds(v volume, key string, cond upload.Condition) error {
	if !cond.Absent && cond.ETag == "" {
		return nil
	}
	there, err := describe(v, v.path(key), key)
	gone := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !gone:
		return err
	case cond.Absent && !gone:
		return exists(key)
	case cond.ETag != "" && (gone || there.ETag != cond.ETag):
		return &upload.StoreError{Op: "put", Key: key, Err: upload.ErrChanged}
	}
	return nil
}

// lockPoll is how often another process' lock is tried; it is held for one fsync.
const (
	lockPoll    = time.Millisecond
	maxLockPoll = 50 * time.Millisecond
)

// locked runs do while no other Put or Delete of this root, by whatever process, changes anything.
func (s *Store) locked(ctx context.Context, v volume, do func() error) error {
	select {
	case s.committing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.committing }()
	for wait := lockPoll; ; wait = min(2*wait, maxLockPoll) {
		held, err := v.Lock(v.path(lockName))
		if err == nil {
			return errors.Join(do(), held.Close())
		}
		if !errors.Is(err, fsx.ErrLocked) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
