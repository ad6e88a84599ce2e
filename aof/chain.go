package aof

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// chain is what a directory holds for a reader.
type chain struct {
	*manifest
	text  string     // of the manifest, "" where there is none
	kept  int        // so many of incrs come before those that the manifest names
	bases []fileInfo // and these bases
}

// readChain returns what a directory's manifest names. In retained/ it adds what came before, and takes what was kept without a manifest by its
// names. fs.ErrNotExist: there is nothing.
func readChain(fsys fsx.FS, y layout) (*chain, error) {
	man, text, err := readManifest(fsys, y)
	c := &chain{manifest: man, text: text}
	if errors.Is(err, fs.ErrNotExist) {
		c.manifest = &manifest{}
	} else if err != nil {
		return c, err
	}
	if kerr := c.addKept(fsys, y); kerr != nil {
		return c, kerr
	}
	if c.kept == 0 && len(c.bases) == 0 {
		return c, err
	}
	if c.base == nil && len(c.bases) > 0 {
		c.base, c.bases = &c.bases[0], c.bases[1:]
	}
	return c, nil
}

// addKept adds the files whose names say what is in them.
func (c *chain) addKept(fsys fsx.FS, y layout) error {
	entries, err := fsys.ReadDir(y.aofDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", y.aofDir(), err)
	}
	before := maxOffset
	if len(c.incrs) > 0 {
		before = c.incrs[0].startOffset
	}
	var incrs []fileInfo
	for _, e := range entries {
		f, ok := parseKept(e.Name())
		if !ok || f.From >= before {
			continue
		}
		info := fileInfo{name: e.Name(), kind: kindBase, timeline: filepath.Base(y.dir)}
		if strings.HasSuffix(e.Name(), incrSuffix) {
			incrs = append(incrs, fileInfo{name: e.Name(), kind: kindIncr, startOffset: f.From, hasStart: true})
		} else {
			c.bases = append(c.bases, info)
		}
	}
	c.kept, c.incrs = len(incrs), slices.Concat(incrs, c.incrs)
	return nil
}

// mayBegin reports whether increment i may begin at a position where the one before it ends at end: what was kept may have holes, where
// files were given up.
func (c *chain) mayBegin(i int, at, end stream.Position) bool {
	return i == 0 || at == end || (i <= c.kept && at.Offset > end.Offset)
}
