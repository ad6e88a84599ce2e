package fsx_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

func openRoot(t *testing.T, dir string) fsx.Root {
	t.Helper()
	root, err := fsx.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	return root
}

func TestConformanceOfRoot(t *testing.T) {
	fsxtest.Conformance(t, func() (fsx.FS, string) {
		root := openRoot(t, t.TempDir())
		require.NoError(t, root.MkdirAll("a/b", 0o750))
		return root, "a/b"
	})
}

func TestRootLetsNothingOut(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "root"), 0o750))
	require.NoError(t, os.Mkdir(outside, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "root", "absolute")))
	require.NoError(t, os.Symlink("../outside", filepath.Join(dir, "root", "relative")))
	root := openRoot(t, filepath.Join(dir, "root"))
	for _, way := range []string{"absolute", "relative", "../outside", outside} {
		_, err := root.OpenFile(way+"/secret", os.O_RDONLY, 0)
		require.Error(t, err, way)
		_, err = root.OpenFile(way+"/new", os.O_CREATE|os.O_WRONLY, 0o600)
		require.Error(t, err, way)
		require.Error(t, root.Remove(way+"/secret"), way)
		require.Error(t, root.MkdirAll(way+"/new", 0o750), way)
		_, err = root.ReadDir(way)
		require.Error(t, err, way)
	}
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// A pipe in a file's place has no writer, and nobody waits for one.
func TestRootDoesNotWaitForAPipe(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	root, err := fsx.OpenRoot(dir)
	require.NoError(t, err)
	f, err := root.OpenFile("pipe", os.O_RDONLY, 0)
	require.NoError(t, err)
	require.NoError(t, errors.Join(f.Close(), root.Close()))
}
