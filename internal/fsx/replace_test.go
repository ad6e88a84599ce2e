package fsx_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

func TestReplaceFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "manifest")
	for _, data := range []string{"first", "second, longer", ""} {
		require.NoError(t, fsx.ReplaceFile(fsx.OS{}, name, []byte(data), 0o600))
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, data, string(got))
	}
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
}

// A temporary file that a crash left must not lend its mode, its length or its other names to the new one.
func TestReplaceFileIgnoresStaleTemp(t *testing.T) {
	dir := t.TempDir()
	name, elsewhere := filepath.Join(dir, "manifest"), filepath.Join(dir, "elsewhere")
	require.NoError(t, os.WriteFile(elsewhere, []byte("left by a crash"), 0o666))
	require.NoError(t, os.Link(elsewhere, fsx.TempName(name)))

	require.NoError(t, fsx.ReplaceFile(fsx.OS{}, name, []byte("new"), 0o600))

	got, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "new", string(got))
	got, err = os.ReadFile(elsewhere)
	require.NoError(t, err)
	require.Equal(t, "left by a crash", string(got))
	require.NoFileExists(t, fsx.TempName(name))
}

func TestReplaceFileOverDirectory(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "manifest")
	require.NoError(t, os.Mkdir(name, 0o700))

	require.ErrorContains(t, fsx.ReplaceFile(fsx.OS{}, name, []byte("x"), 0o600), "replace "+name)
	require.NoFileExists(t, fsx.TempName(name))
}

func TestTempName(t *testing.T) {
	require.Equal(t, "a/b/temp-aofsidecar-c.manifest", fsx.TempName("a/b/c.manifest"))
	require.Equal(t, "temp-aofsidecar-c", fsx.TempName("c"))
}

func TestMkdirAllDurable(t *testing.T) {
	root := t.TempDir()
	name := filepath.Join(root, "a", "b", "c")
	for range 2 {
		require.NoError(t, fsx.MkdirAllDurable(fsx.OS{}, name, 0o750))
		require.DirExists(t, name)
	}

	file := filepath.Join(root, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Error(t, fsx.MkdirAllDurable(fsx.OS{}, filepath.Join(file, "sub"), 0o750))
}

func TestSyncDirRefusesFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	require.Error(t, fsx.OS{}.SyncDir(name))
	require.ErrorIs(t, fsx.OS{}.SyncDir(name+"x"), fs.ErrNotExist)
}

func TestBootIDStays(t *testing.T) {
	first, err := fsx.OS{}.BootID()
	if errors.Is(err, errors.ErrUnsupported) {
		require.Empty(t, first)
		return
	}
	require.NoError(t, err)
	require.Len(t, first, 36)
	second, err := fsx.OS{}.BootID()
	require.NoError(t, err)
	require.Equal(t, first, second)
}
