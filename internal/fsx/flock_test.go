package fsx

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Between open and flock another process may remove the file, and a third lock a new one of that name.
func TestFlockNamedSeesThatFileWasReplaced(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	f, err := os.Create(name)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })

	stat := func() (os.FileInfo, error) { return os.Stat(name) }
	named, err := flockNamed(f, name, stat)
	require.NoError(t, err)
	require.True(t, named)

	require.NoError(t, os.Remove(name))
	named, err = flockNamed(f, name, stat)
	require.NoError(t, err)
	require.False(t, named)

	require.NoError(t, os.WriteFile(name, nil, lockPerm))
	named, err = flockNamed(f, name, stat)
	require.NoError(t, err)
	require.False(t, named)
}
