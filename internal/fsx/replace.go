package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// TempPrefix begins the name of every temporary file that we make. Recovery removes such names and no
// others. It is not "temp-<appendfilename>", which are a server's.
const TempPrefix = "temp-aofsidecar-"

// TempName is the temporary name for what will be renamed to name: same directory, [TempPrefix], same base name.
func TempName(name string) string {
	return filepath.Join(filepath.Dir(name), TempPrefix+filepath.Base(name))
}

// ReplaceFile makes data the durable content of name, which may or may not exist. perm is before umask.
//
// It writes [TempName], checks its size, syncs, closes, renames and syncs the directory. When it returns nil,
// name and data survive a power loss. After an error, and after a crash at any moment, name holds the old
// content or all of data; the temporary file is removed, or left to recovery after a crash. If the error
// is SyncDir's it is unknown which of the two a power loss would leave.
//
// One call at a time for one name.
func ReplaceFile(fsys FS, name string, data []byte, perm fs.FileMode) error {
	temp := TempName(name)
	if err := writeTemp(fsys, temp, data, perm); err != nil {
		return fmt.Errorf("replace %s: %w", name, err)
	}
	if err := fsys.Rename(temp, name); err != nil {
		return fmt.Errorf("replace %s: %w", name, errors.Join(err, fsys.Remove(temp)))
	}
	if err := fsys.SyncDir(filepath.Dir(name)); err != nil {
		return fmt.Errorf("replace %s: %w", name, err)
	}
	return nil
}

// writeTemp leaves data synced in the new file temp, or no such file.
func writeTemp(fsys FS, temp string, data []byte, perm fs.FileMode) error {
	f, err := createFresh(fsys, temp, perm)
	if err != nil {
		return err
	}
	err = errors.Join(fill(f, data), f.Close())
	if err != nil {
		return errors.Join(err, fsys.Remove(temp))
	}
	return nil
}

// createFresh makes a new file, also where a crash left one of that name: its mode and links are not ours.
func createFresh(fsys FS, name string, perm fs.FileMode) (File, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	f, err := fsys.OpenFile(name, flags, perm)
	if !errors.Is(err, fs.ErrExist) {
		return f, err
	}
	if err := fsys.Remove(name); err != nil {
		return nil, err
	}
	return fsys.OpenFile(name, flags, perm)
}

func fill(f File, data []byte) error {
	if _, err := f.Write(data); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != int64(len(data)) {
		return fmt.Errorf("check size of %s: wrote %d bytes, file has %d", info.Name(), len(data), info.Size())
	}
	return f.Sync()
}

// MkdirAllDurable makes name and its missing parents, and syncs every directory that got a new
// name. When it returns nil the path survives a power loss, if what existed before was durable: a directory
// that a killed process made and did not sync is found here and believed. One whose sync failed is removed. Whoever depends on a directory that
// it did not make syncs the parent once.
func MkdirAllDurable(fsys FS, name string, perm fs.FileMode) error {
	var missing []string // deepest first
	for dir := filepath.Clean(name); ; dir = filepath.Dir(dir) {
		_, err := fsys.Stat(dir)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return fmt.Errorf("make directory %s: %w", name, err)
		}
		missing = append(missing, dir)
	}
	for _, dir := range slices.Backward(missing) { // one by one: if one cannot be made, those above it are durable, and believed the next time
		if err := fsys.MkdirAll(dir, perm); err != nil {
			return fmt.Errorf("make directory %s: %w", name, err)
		}
		if err := fsys.SyncDir(filepath.Dir(dir)); err != nil { // its name may be lost and called clean: it must not be found
			return fmt.Errorf("make directory %s: %w", name, errors.Join(err, fsys.Remove(dir)))
		}
	}
	return nil
}

// SyncParents makes the name of dir durable, whoever made it and whatever is above it. Where we may not look we made nothing.
func SyncParents(fsys FS, dir string) error {
	dir = filepath.Clean(dir)
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		if err := fsys.SyncDir(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}
