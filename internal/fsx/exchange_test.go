package fsx_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

func TestExchangeSwapsDirectories(t *testing.T) {
	ex, ok := any(fsx.OS{}).(fsx.Exchanger)
	if !ok {
		return // only Linux has it
	}
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	require.NoError(t, os.Mkdir(a, 0o750))
	require.NoError(t, os.Mkdir(b, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(a, "of a"), nil, 0o640))
	require.NoError(t, ex.Exchange(a, b))
	require.FileExists(t, filepath.Join(b, "of a"))
	require.NoFileExists(t, filepath.Join(a, "of a"))
	require.ErrorIs(t, ex.Exchange(a, filepath.Join(dir, "missing")), fs.ErrNotExist)
}
