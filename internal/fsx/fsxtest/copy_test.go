package fsxtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

func TestCopyTo(t *testing.T) {
	fsys := newDir(t)
	require.NoError(t, fsys.MkdirAll("/d/appendonlydir/empty", 0o750))
	store(t, fsys, "/d/appendonlydir/a", "content")
	require.NoError(t, fsys.Link("/d/appendonlydir/a", "/d/b"))
	f := open(t, fsys, "/d/holes")
	_, err := f.WriteAt([]byte("x"), 100_000)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(200_000))
	store(t, fsys, "/elsewhere", "not copied")

	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, fsys.CopyTo("/d", to))
	for _, name := range []string{"appendonlydir/a", "b", "holes"} {
		require.Equal(t, read(t, fsys, "/d/"+name), read(t, fsx.OS{}, filepath.Join(to, name)), name)
	}
	require.DirExists(t, filepath.Join(to, "appendonlydir", "empty"))
	a, err := os.Stat(filepath.Join(to, "appendonlydir", "a"))
	require.NoError(t, err)
	b, err := os.Stat(filepath.Join(to, "b"))
	require.NoError(t, err)
	require.True(t, os.SameFile(a, b))
	entries, err := os.ReadDir(to)
	require.NoError(t, err)
	require.Len(t, entries, 3)

	require.ErrorIs(t, fsys.CopyTo("/none", to), os.ErrNotExist)
	require.ErrorIs(t, fsys.CopyTo("/d", to), os.ErrExist, "it overwrites nothing")
}

func TestDump(t *testing.T) {
	fsys := newDir(t)
	storeDurable(t, fsys, "/d/a", "durable")
	f := open(t, fsys, "/d/a")
	_, err := f.WriteAt([]byte("!"), 7)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(3))
	require.NoError(t, fsys.Link("/d/a", "/d/b"))
	require.Equal(t, `not durable: link /d/a -> /d/b
4096 of 1099511627776 bytes used
/
/d
/d/a inode 3, 3 bytes, 7 on disk, 2 links; write 7+1; truncate 3
    ends "dur"
/d/b inode 3, 3 bytes, 7 on disk, 2 links; write 7+1; truncate 3
    ends "dur"
`, fsys.Dump())
}

func TestSeedRepeats(t *testing.T) {
	t.Setenv(fsxtest.SeedEnv, "42")
	require.Equal(t, uint64(42), fsxtest.Seed(t))
	t.Setenv(fsxtest.SeedEnv, "")
	one, two := fsxtest.Seed(t), fsxtest.Seed(t)
	require.NotEqual(t, one, two)
}
