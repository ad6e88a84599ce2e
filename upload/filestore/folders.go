package filestore

import (
	"errors"
	"io/fs"
	"path"
	"sync"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// folders knows which folders of the root have a durable name. One that is found may be of a process that was killed before it synced that, or of another Put
// that has not yet: it is synced once, up to the root, before something in it counts as stored. Safe for concurrent use.
type folders struct {
	mu      sync.Mutex // held while one is made: who finds it waits until its name is durable
	durable map[string]bool
}

func newFolders() folders { return folders{durable: map[string]bool{}} }

// make makes the folder dir, a path within the root, if it is not there, and its name durable.
func (f *folders) make(v volume, dir string) error {
	if dir == "." {
		return nil // a renewal of the lease waits for no folder
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ensure(v, dir)
}

func (f *folders) ensure(v volume, dir string) error {
	if dir == "." {
		return nil
	}
	_, err := v.Stat(v.path(dir))
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err == nil && f.durable[dir]:
		return nil
	case err != nil && !missing:
		return err
	}
	if err := f.ensure(v, path.Dir(dir)); err != nil {
		return err
	}
	if missing {
		if err := v.MkdirAll(v.path(dir), dirPerm); err != nil {
			return err
		}
	}
	err = v.SyncDir(v.path(path.Dir(dir)))
	if err != nil && missing { // an fsync that fails may lose the name and call it clean: the next try makes it again
		return errors.Join(err, discard(v, v.path(dir)))
	}
	f.durable[dir] = err == nil
	return err
}

// makeRoot makes the root dir durably, also where a process that was killed made it and did not sync its name: then nothing is in it yet.
func makeRoot(fsys fsx.FS, dir string) error {
	if err := fsx.MkdirAllDurable(fsys, dir, dirPerm); err != nil {
		return err
	}
	entries, err := fsys.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		return err
	}
	return fsx.SyncParents(fsys, dir)
}
