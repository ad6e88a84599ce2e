package fsxtest

import (
	"fmt"
	"os"
	"path/filepath"
)

// CopyTo writes what reads see below the directory from into the directory to of the machine, which it makes if need
// be: a stock server can then boot from a crash clone. Holes stay holes and hard links stay links. Nothing is synced.
func (f *FS) CopyTo(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.lookup(from)
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	if err := n.copyTo(to, map[*node]string{}); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return nil
}

func (n *node) copyTo(name string, written map[*node]string) error {
	if !n.isDir() {
		if first, ok := written[n]; ok {
			return os.Link(first, name)
		}
		written[n] = name
		return n.copyFile(name)
	}
	if err := os.MkdirAll(name, n.mode.Perm()|0o700); err != nil {
		return err
	}
	for base, child := range n.names {
		if err := child.copyTo(filepath.Join(name, base), written); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) copyFile(name string) (err error) {
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, n.mode.Perm()|0o600)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := out.Close(); err == nil {
			err = closeErr
		}
	}()
	for index, pg := range n.now.pages {
		if _, err := out.WriteAt(pg[:], index*pageSize); err != nil {
			return err
		}
	}
	return out.Truncate(n.now.size)
}
