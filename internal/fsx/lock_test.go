package fsx_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// lockEnv makes the test binary a second process that tries a lock and says what it got.
const lockEnv = "FSX_TEST_LOCK"

func TestMain(m *testing.M) {
	if name := os.Getenv(lockEnv); name != "" {
		_, err := fmt.Fprintln(os.Stdout, tryLock(name))
		if err != nil {
			panic(err)
		}
		return
	}
	m.Run()
}

func tryLock(name string) string {
	f, err := fsx.OS{}.Lock(name)
	switch {
	case errors.Is(err, fsx.ErrLocked):
		return "locked"
	case err != nil:
		return err.Error()
	}
	return fmt.Sprint("got it ", f.Close())
}

func tryLockElsewhere(t *testing.T, name string) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), lockEnv+"="+name)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func mustClose(t *testing.T, f fsx.File) {
	t.Helper()
	require.NoError(t, f.Close())
}

func TestLockExcludesOtherProcess(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	held, err := fsx.OS{}.Lock(name)
	require.NoError(t, err)
	require.Equal(t, "locked\n", tryLockElsewhere(t, name))

	require.NoError(t, held.Close())
	require.Equal(t, "got it <nil>\n", tryLockElsewhere(t, name))
}

func TestLockErrorNamesFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	held, err := fsx.OS{}.Lock(name)
	require.NoError(t, err)
	defer mustClose(t, held)

	_, err = fsx.OS{}.Lock(name)
	var pathErr *fs.PathError
	require.ErrorAs(t, err, &pathErr)
	require.Equal(t, name, pathErr.Path)
	require.ErrorIs(t, err, fsx.ErrLocked)
}

// A lock on a file that was removed keeps nobody out, so the next one must be on the file that the name means now.
func TestLockAfterFileWasReplaced(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	stale, err := fsx.OS{}.Lock(name)
	require.NoError(t, err)
	defer mustClose(t, stale)
	require.NoError(t, os.Remove(name))

	held, err := fsx.OS{}.Lock(name)
	require.NoError(t, err)
	defer mustClose(t, held)
	require.Equal(t, "locked\n", tryLockElsewhere(t, name))
}
