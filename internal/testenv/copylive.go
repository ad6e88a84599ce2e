package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// errMoved says that a copy is not of one moment.
var errMoved = errors.New("directory changed while it was copied")

// CopyLive copies a multi-part AOF directory (the one with the manifest in it) that is being written to.
// dst must not exist. The copy is what a stop of the writer at some moment would have left: the manifest,
// every file that it names, and of the last increment some length, which may end inside a command.
//
// A plain recursive copy is not that: the manifest may be replaced after it was copied. So the copy is
// taken again until the manifest and the bytes that were copied are the same before and after.
func CopyLive(ctx context.Context, src, dst string) error {
	for {
		err := copyOnce(src, dst)
		if err == nil {
			return nil
		}
		// A file that the old manifest named may be gone by the time it is opened.
		if !errors.Is(err, errMoved) && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("copy %s: %w", src, err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("copy %s: %w: %w", src, ctx.Err(), err)
		}
		if err := os.RemoveAll(dst); err != nil {
			return fmt.Errorf("copy %s: %w", src, err)
		}
	}
}

func copyOnce(src, dst string) error {
	manifest, err := manifestName(src)
	if err != nil {
		return err
	}
	before, err := os.ReadFile(filepath.Join(src, manifest))
	if err != nil {
		return err
	}
	if err := os.Mkdir(dst, 0o755); err != nil {
		return err
	}
	for _, name := range namedFiles(string(before)) {
		if err := copyFile(filepath.Join(src, name), filepath.Join(dst, name)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dst, manifest), before, 0o644); err != nil {
		return err
	}
	// A tail that was cut back and written anew under the copy leaves a seam in it.
	for _, name := range namedFiles(string(before)) {
		if err := isPrefix(filepath.Join(dst, name), filepath.Join(src, name)); err != nil {
			return err
		}
	}
	after, err := os.ReadFile(filepath.Join(src, manifest))
	if err != nil {
		return err
	}
	if !bytes.Equal(before, after) {
		return errMoved
	}
	return nil
}

// manifestName finds the one manifest of a directory, less temporary ones.
func manifestName(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasSuffix(name, ".manifest") && !strings.HasPrefix(name, "temp-") {
			return name, nil
		}
	}
	return "", fmt.Errorf("no manifest in %s: %w", dir, os.ErrNotExist)
}

// namedFiles returns the base and the increments of a manifest; history files need not exist.
func namedFiles(manifest string) []string {
	var names []string
	for line := range strings.Lines(manifest) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		pairs := make(map[string]string)
		fields := strings.Fields(line)
		for i := 0; i+1 < len(fields); i += 2 {
			pairs[fields[i]] = fields[i+1]
		}
		if pairs["type"] != "h" {
			names = append(names, pairs["file"])
		}
	}
	return names
}

// copyFile copies as many bytes as the file has at the start, so that a busy writer does not keep it.
func copyFile(src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // read only
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.CopyN(out, in, info.Size())
	if errors.Is(err, io.EOF) {
		err = errMoved
	}
	return errors.Join(err, out.Close())
}

// isPrefix returns errMoved unless the live file still begins with all that was copied from it.
func isPrefix(copied, live string) error {
	a, err := os.Open(copied)
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }() // read only
	b, err := os.Open(live)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }() // read only
	bufA, bufB := make([]byte, 256<<10), make([]byte, 256<<10)
	for {
		n, err := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB[:n])
		if m != n || !bytes.Equal(bufA[:n], bufB[:n]) {
			return errors.Join(errMoved, ignoreEOF(errB))
		}
		if err != nil {
			return ignoreEOF(err)
		}
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
