package fsxtest_test

import (
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

// seeds is how many draws show with certainty what happens in a tenth of them.
const seeds = 300

// newDir returns a file system with the durable directory /d.
func newDir(t require.TestingT) *fsxtest.FS {
	fsys := fsxtest.New()
	require.NoError(t, fsx.MkdirAllDurable(fsys, "/d", 0o750))
	return fsys
}

func open(t require.TestingT, fsys fsx.FS, name string) fsx.File {
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	require.NoError(t, err)
	return f
}

func write(t require.TestingT, f fsx.File, data string) {
	n, err := f.Write([]byte(data))
	require.NoError(t, err)
	require.Equal(t, len(data), n)
}

// store makes a file that is durable but for its name.
func store(t require.TestingT, fsys fsx.FS, name, data string) {
	f := open(t, fsys, name)
	write(t, f, data)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
}

// storeDurable makes a file in /d that is durable with its name.
func storeDurable(t require.TestingT, fsys fsx.FS, name, data string) {
	store(t, fsys, name, data)
	require.NoError(t, fsys.SyncDir("/d"))
}

// read returns the content, or "missing".
func read(t require.TestingT, fsys fsx.FS, name string) string {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		require.ErrorIs(t, err, os.ErrNotExist)
		return "missing"
	}
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return string(data)
}

// outcomes counts what look says about the clones of many seeds.
func outcomes(fsys *fsxtest.FS, crash func(seed uint64) fsxtest.Crash, look func(*fsxtest.FS) string) map[string]int {
	seen := map[string]int{}
	for seed := range uint64(seeds) {
		seen[look(fsys.CrashClone(crash(seed)))]++
	}
	return seen
}

func scattered(seed uint64) fsxtest.Crash { return fsxtest.PowerLoss{Seed: seed} }
func ordered(seed uint64) fsxtest.Crash   { return fsxtest.PowerLossOrdered{Seed: seed} }

// requireOnly checks that exactly these outcomes were seen.
func requireOnly(t *testing.T, seen map[string]int, want ...string) {
	t.Helper()
	require.Len(t, seen, len(want), "%v", seen)
	for _, w := range want {
		require.Contains(t, seen, w, fmt.Sprint(seen))
	}
}
