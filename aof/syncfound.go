package aof

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// syncFound makes durable what is found that was not written in this boot. Behind a reboot there is nothing to write. But the directory may be a copy that was made since
// then, and its marks tell what the disk of the original had. That the manifest's name is durable renewManifest sees to.
func (l *Log) syncFound() error {
	if err := fsx.SyncParents(l.fs, l.opt.Dir); err != nil {
		return fmt.Errorf("sync what is found: %w", err)
	}
	files := []string{l.at.path(l.at.manifest())}
	if l.man.base != nil {
		files = append(files, l.at.path(l.man.base.name))
	}
	for i := range l.man.incrs {
		files = append(files, l.at.path(l.man.incrs[i].name))
	}
	var dirs []string
	for _, sh := range l.shelves {
		y := l.at.retained(sh.Timeline)
		files = append(files, l.at.pinPath(sh.Timeline), y.path(y.manifest()))
		for _, k := range sh.files() {
			files = append(files, k.path)
		}
		dirs = append(dirs, y.aofDir(), y.dir, l.at.retainedDir())
	}
	for _, path := range files {
		if err := l.syncFile(path); err != nil {
			return fmt.Errorf("sync what is found: %w", err)
		}
	}
	for _, dir := range append(dirs, l.at.aofDir()) {
		if err := l.fs.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sync what is found in %s: %w", filepath.Base(dir), err)
		}
	}
	return nil
}

// syncFile syncs a file, if it is there.
func (l *Log) syncFile(path string) error {
	f, err := l.fs.OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
