package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A disk that is full takes nothing, of another process either, until it is emptied.
func TestDiskIsFilled(t *testing.T) {
	d := NewDisk(t, 1<<20)
	file := filepath.Join(d.Path(), "folder", "file")
	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte("kept"), 0o600))
	require.NoError(t, d.Fill())
	require.ErrorIs(t, os.WriteFile(file+"2", make([]byte, 8<<10), 0o600), unix.ENOSPC)
	require.NoError(t, os.Remove(file+"2"))
	require.NoError(t, d.Fill())
	said, err := exec.CommandContext(t.Context(), "cp", file, file+"3").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(said), "No space")
	require.NoError(t, d.Empty())
	require.NoError(t, d.Empty())
	require.NoError(t, os.WriteFile(file+"2", make([]byte, 8<<10), 0o600))
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "kept", string(got))
}
