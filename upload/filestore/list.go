package filestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aofsidecar/aofsidecar/upload"
)

// List yields objects in order of their keys; see [upload.Store]. It holds one directory of each level at a time. Objects that come or go meanwhile
// are listed or not. For who ships, names are durable when they are yielded: who stored them may have been killed before that.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[upload.Object, error] {
	return func(yield func(upload.Object, error) bool) {
		err := s.within(ctx, "list", prefix, func(v volume) error {
			v.settles = s.ships
			return v.walk(ctx, ".", prefix, func(key string, info fs.FileInfo) (bool, error) {
				return key <= after || yield(listed(key, info), nil), nil
			}, func(dir string) bool { return after < dir || strings.HasPrefix(after, dir) })
		})
		if err != nil && !errors.Is(err, errStop) && !errors.Is(err, upload.ErrNotFound) {
			yield(upload.Object{}, err)
		}
	}
}

// errStop ends a walk whose caller has seen enough.
var errStop = errors.New("stop")

// walk calls visit for each object below dir whose key begins with prefix, in order, and skips directories ("a/b/") that enter does not want.
func (v volume) walk(ctx context.Context, dir, prefix string, visit func(string, fs.FileInfo) (bool, error), enter func(string) bool) error {
	entries, err := v.names(dir)
	if errors.Is(err, fs.ErrNotExist) && dir != "." {
		return nil // went while we came
	}
	if err != nil {
		return err
	}
	// Keys are sorted as strings: "a/b" comes behind "a-b", but "a" before it.
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortName(a), sortName(b)) })
	for _, entry := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		upload.Moved(ctx)
		key := path.Join(dir, entry.Name())
		if upload.CheckKey(key) != nil {
			continue
		}
		if entry.IsDir() {
			below := key + "/"
			if overlaps(below, prefix) && enter(below) {
				if err := v.walk(ctx, key, prefix, visit, enter); err != nil {
					return err
				}
			}
			continue
		}
		if !entry.Type().IsRegular() || !strings.HasPrefix(key, prefix) {
			continue
		}
		if err := v.visit(entry, key, visit); err != nil {
			return err
		}
	}
	return nil
}

// names reads a folder.
func (v volume) names(dir string) ([]fs.DirEntry, error) {
	entries, err := v.ReadDir(v.path(dir))
	if err == nil && v.settles {
		err = v.SyncDir(v.path(dir))
	}
	return entries, err
}

func (volume) visit(entry fs.DirEntry, key string, visit func(string, fs.FileInfo) (bool, error)) error {
	info, err := entry.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // went while we came
	}
	if err != nil {
		return err
	}
	more, err := visit(key, info)
	if err == nil && !more {
		err = errStop
	}
	return err
}

func sortName(entry fs.DirEntry) string {
	if entry.IsDir() {
		return entry.Name() + "/"
	}
	return entry.Name()
}

// overlaps says that keys below dir may begin with prefix.
func overlaps(dir, prefix string) bool {
	return strings.HasPrefix(dir, prefix) || strings.HasPrefix(prefix, dir)
}

// Delete removes an object; see [upload.Store]. Directories that are empty then stay. A name that the file system does not let go, because of its attributes or of rights, is retained.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := upload.CheckKey(key); err != nil {
		return err
	}
	return s.within(ctx, "delete", key, func(v volume) error {
		name := v.path(key)
		if _, err := v.Stat(name); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return s.locked(ctx, v, func() error {
			err := v.Remove(name)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case errors.Is(err, fs.ErrPermission):
				return &upload.StoreError{Op: "delete", Key: key, Code: "EPERM", Err: fmt.Errorf("%w: %w", upload.ErrRetained, err)}
			case err != nil:
				return err
			}
			return v.SyncDir(path.Dir(name))
		})
	})
}

// Sweep removes the temporary files of Puts below prefix that were last written before; see [upload.Store].
func (s *Store) Sweep(ctx context.Context, prefix string, before time.Time) (int, error) {
	swept := 0
	err := s.within(ctx, "sweep", prefix, func(v volume) error {
		return v.sweep(ctx, ".", prefix, before, &swept)
	})
	if errors.Is(err, upload.ErrNotFound) {
		return swept, nil
	}
	return swept, err
}

func (v volume) sweep(ctx context.Context, dir, prefix string, before time.Time, swept *int) error {
	entries, err := v.ReadDir(v.path(dir))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && dir != "." {
			return nil
		}
		return err
	}
	for _, entry := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		upload.Moved(ctx)
		name := path.Join(dir, entry.Name())
		switch {
		case entry.IsDir() && overlaps(name+"/", prefix):
			err = v.sweep(ctx, name, prefix, before, swept)
		case strings.HasPrefix(entry.Name(), tempPrefix) && entry.Type().IsRegular() && belongs(dir, prefix):
			err = v.sweepFile(entry, name, before, swept)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// belongs says that a temporary file in dir may be of a Put below prefix: it does not say of which key it was to be.
func belongs(dir, prefix string) bool {
	if dir == "." {
		return !strings.Contains(prefix, "/")
	}
	return strings.HasPrefix(dir+"/", prefix)
}

func (v volume) sweepFile(entry fs.DirEntry, name string, before time.Time, swept *int) error {
	info, err := entry.Info()
	if err == nil && !info.ModTime().Before(before) {
		return nil
	}
	if err == nil {
		err = v.Remove(v.path(name))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another sweep, or its own Put
	}
	if err == nil {
		*swept++
	}
	return err
}
