package upload

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// The modes of what is restored, before umask.
const (
	restoredFile = 0o640
	restoredDir  = 0o750
)

const (
	// stagingName is the folder in which a restore works.
	stagingName = ".aofsidecar-restore"
	// lockName is the lock that a log holds (package aof).
	lockName = "aofsidecar.lock"
	// keptSuffix is appended to the name of what a restore by force replaced.
	keptSuffix = ".before-restore"
	// spareBytes is what a restore leaves free.
	spareBytes = 16 << 20
)

// What Restore may find in the directory; test with errors.Is.
var (
	ErrTargetNotEmpty = errors.New("the directory is not empty")
	// ErrInterrupted comes with ErrTargetNotEmpty: the data are not under their name, and what was there before is. Whoever boots from the directory has nothing.
	ErrInterrupted = errors.New("a restore by force was interrupted")
	ErrHeld        = errors.New("held by another process")
)

// SpaceError says that a result does not fit.
type SpaceError struct {
	Dir        string
	Need, Free int64 // bytes
}

// Error says how much is missing.
func (e *SpaceError) Error() string {
	return fmt.Sprintf("no space in %s: at least %d bytes are needed and %d are free", e.Dir, e.Need, e.Free)
}

// target is the directory that a restore writes to.
type target struct {
	fs    fsx.FS
	dir   string
	name  string // of the result
	force bool

	locks  []fsx.File
	staged bool // the staging folder is ours
}

func (t *target) path(elem ...string) string {
	return filepath.Join(append([]string{t.dir}, elem...)...)
}
func (t *target) staging(name string) string { return t.path(stagingName, name) }

// check looks whether a restore may write here, and changes nothing. A mount point has lost+found, and a log that never had a base its lock.
func (t *target) check() error {
	entries, err := t.fs.ReadDir(t.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read target: %w", err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	if kept := t.name + keptSuffix; !t.force && names[kept] && !names[t.name] {
		return fmt.Errorf("%w: %w: %s has %s, and no %s; rename it, or restore with --force", ErrTargetNotEmpty, ErrInterrupted, t.dir, kept, t.name)
	}
	for _, e := range entries {
		switch e.Name() {
		case "lost+found", lockName:
		case stagingName:
			if !e.IsDir() {
				return fmt.Errorf("%w: %s is no folder", ErrTargetNotEmpty, t.path(stagingName))
			}
		default:
			if !t.force {
				return fmt.Errorf("%w: %s has %s", ErrTargetNotEmpty, t.dir, e.Name())
			}
		}
	}
	return nil
}

// room checks that need bytes fit. Where nothing is yet it looks at the first parent that there is.
func (t *target) room(need int64) error {
	for dir := filepath.Clean(t.dir); ; dir = filepath.Dir(dir) {
		space, err := t.fs.Space(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			continue
		}
		if err != nil {
			return fmt.Errorf("ask for free space: %w", err)
		}
		if need += spareBytes; space.Free < need {
			return &SpaceError{Dir: t.dir, Need: need, Free: space.Free}
		}
		return nil
	}
}

// stage makes a staging folder, empty but for what an earlier try of this restore leaves under the name keep, and holds it and the directory.
func (t *target) stage(keep string) error {
	if t.staged {
		return t.empty(keep)
	}
	if err := fsx.MkdirAllDurable(t.fs, t.dir, restoredDir); err != nil {
		return fmt.Errorf("make target: %w", err)
	}
	if _, err := t.fs.Stat(t.path(lockName)); err == nil {
		if err := t.lock(t.path(lockName)); err != nil {
			return err
		}
	}
	_, found := t.fs.Stat(t.path(stagingName))
	if err := t.fs.MkdirAll(t.path(stagingName), restoredDir); err != nil {
		return fmt.Errorf("make staging folder: %w", err)
	}
	if err := t.lock(t.staging(lockName)); err != nil {
		if found != nil {
			err = errors.Join(err, t.fs.Remove(t.path(stagingName)))
		}
		return err
	}
	t.staged = true
	return t.empty("")
}

func (t *target) lock(path string) error {
	l, err := t.fs.Lock(path)
	if errors.Is(err, fsx.ErrLocked) {
		return fmt.Errorf("%s: %w", path, ErrHeld)
	}
	if err != nil {
		return fmt.Errorf("lock target: %w", err)
	}
	t.locks = append(t.locks, l)
	return nil
}

// empty removes what another restore left in the staging folder.
func (t *target) empty(keep string) error {
	entries, err := t.fs.ReadDir(t.path(stagingName))
	if err != nil {
		return fmt.Errorf("read staging folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() == lockName || e.Name() == keep {
			continue
		}
		if err := t.removeAll(t.staging(e.Name()), e.IsDir()); err != nil {
			return fmt.Errorf("empty staging folder: %w", err)
		}
	}
	return nil
}

// removeAll removes a file, or a folder with all in it.
func (t *target) removeAll(path string, isDir bool) error {
	if isDir {
		entries, err := t.fs.ReadDir(path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := t.removeAll(filepath.Join(path, e.Name()), e.IsDir()); err != nil {
				return err
			}
		}
	}
	return t.fs.Remove(path)
}

// install gives the staged result its name, durably, and removes the staging folder. It returns what was there before, under its new name.
func (t *target) install() (kept string, err error) {
	from, to := t.staging(t.name), t.path(t.name)
	if err := t.fs.SyncDir(t.path(stagingName)); err != nil {
		return "", fmt.Errorf("install: %w", err)
	}
	if _, err := t.fs.Stat(to); errors.Is(err, fs.ErrNotExist) {
		err = t.fs.Rename(from, to)
		if err != nil {
			return "", fmt.Errorf("install: %w", err)
		}
	} else if err != nil {
		return "", fmt.Errorf("install: %w", err)
	} else if kept, err = t.swap(from, to); err != nil {
		return "", fmt.Errorf("install: %w", err)
	}
	for _, dir := range []string{t.path(stagingName), t.dir} {
		if err := t.fs.SyncDir(dir); err != nil {
			return "", fmt.Errorf("install: %w", err)
		}
	}
	return kept, t.abandon()
}

// swap puts from in the place of to, which stays as the third name. With an [fsx.Exchanger] there is at each moment the old or the new one under
// the name; without, there may be none after a crash, and then the old one has the third name.
func (t *target) swap(from, to string) (kept string, err error) {
	kept = to + keptSuffix
	if err := t.removeOld(kept); err != nil {
		return "", err
	}
	ex, ok := t.fs.(fsx.Exchanger)
	if ok {
		err = ex.Exchange(from, to)
	}
	if !ok || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSYS) {
		if err := t.fs.Rename(to, kept); err != nil {
			return "", err
		}
		if err := t.fs.Rename(from, to); err != nil {
			return "", errors.Join(err, t.fs.Rename(kept, to))
		}
		return kept, nil
	}
	if err != nil {
		return "", err
	}
	if err = t.fs.SyncDir(t.dir); err == nil {
		err = t.fs.Rename(from, kept)
	}
	if err == nil {
		return kept, nil
	}
	if back := ex.Exchange(from, to); back != nil {
		t.staged = false // what was there before is in the staging folder, which stays
		err = errors.Join(err, fmt.Errorf("what was there before is %s now: %w", from, back))
	}
	return "", err
}

// removeOld removes what the last restore by force kept.
func (t *target) removeOld(kept string) error {
	entries, err := t.fs.ReadDir(t.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == filepath.Base(kept) && strings.HasSuffix(kept, keptSuffix) {
			return t.removeAll(kept, e.IsDir())
		}
	}
	return nil
}

// abandon removes the staging folder, if it is ours, and lets go of the locks.
func (t *target) abandon() error {
	var err error
	if t.staged {
		if err = t.empty(""); err == nil {
			err = errors.Join(t.fs.Remove(t.staging(lockName)), t.fs.Remove(t.path(stagingName)))
		}
	}
	for _, l := range t.locks {
		err = errors.Join(err, l.Close())
	}
	t.locks, t.staged = nil, false
	if err != nil {
		return fmt.Errorf("remove staging folder: %w", err)
	}
	return nil
}
