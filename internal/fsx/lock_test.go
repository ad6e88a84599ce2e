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
		fmt.Fprintln(os.Stdout, tryLock(name))
		os.Exit(0)
	}
	os.Exit(m.Run())
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
	defer held.Close()

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
	defer stale.Close()
	require.NoError(t, os.Remove(name))

	held, err := fsx.OS{}.Lock(name)
	require.NoError(t, err)
	defer held.Close()
	require.Equal(t, "locked\n", tryLockElsewhere(t, name))
}
