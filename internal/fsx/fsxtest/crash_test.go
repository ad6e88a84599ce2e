package fsxtest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

func bootID(t *testing.T, fsys fsx.FS) string {
	t.Helper()
	id, err := fsys.BootID()
	require.NoError(t, err)
	return id
}

func TestKillProcessKeepsWrittenAndNotSynced(t *testing.T) {
	fsys := newDir(t)
	held, err := fsys.Lock("/d/lock")
	require.NoError(t, err)
	write(t, held, "not synced")

	killed := fsys.CrashClone(fsxtest.KillProcess{})
	require.Equal(t, "not synced", read(t, killed, "/d/lock"))
	require.Equal(t, bootID(t, fsys), bootID(t, killed))
	again, err := killed.Lock("/d/lock")
	require.NoError(t, err, "the lock died with the process")
	require.NoError(t, again.Close())
	_, err = fsys.Lock("/d/lock")
	require.ErrorIs(t, err, fsx.ErrLocked, "the original process lives")

	require.Equal(t, "missing", read(t, killed.CrashClone(fsxtest.PowerLossAll{}), "/d/lock"))
}

func TestRebootKeepsAllUnderNewBootID(t *testing.T) {
	fsys := newDir(t)
	write(t, open(t, fsys, "/d/a"), "not synced")
	rebooted := fsys.CrashClone(fsxtest.Reboot{})
	require.NotEqual(t, bootID(t, fsys), bootID(t, rebooted))
	require.Equal(t, "not synced", read(t, rebooted.CrashClone(fsxtest.PowerLossAll{}), "/d/a"))
}

func TestPowerLossAllKeepsOnlySynced(t *testing.T) {
	fsys := newDir(t)
	f := open(t, fsys, "/d/a")
	write(t, f, "one")
	look := func() string { return read(t, fsys.CrashClone(fsxtest.PowerLossAll{}), "/d/a") }
	require.Equal(t, "missing", look())

	require.NoError(t, f.Sync())
	require.Equal(t, "missing", look(), "a file's sync does not make its name durable")
	require.NoError(t, fsys.SyncDir("/d"))
	require.Equal(t, "one", look())

	write(t, f, " two")
	require.NoError(t, fsys.SyncDir("/d"))
	require.Equal(t, "one", look(), "a directory's sync does not make content durable")
	require.NoError(t, f.SyncData())
	require.Equal(t, "one two", look())

	require.NoError(t, f.Truncate(3))
	require.Equal(t, "one two", look())
	require.NoError(t, f.SyncData())
	require.Equal(t, "one", look())

	require.NoError(t, fsys.Remove("/d/a"))
	require.Equal(t, "one", look())
	require.NoError(t, fsys.SyncDir("/d"))
	require.Equal(t, "missing", look())
}

func TestNameWithoutContent(t *testing.T) {
	fsys := newDir(t)
	write(t, open(t, fsys, "/d/a"), "content")
	require.NoError(t, fsys.SyncDir("/d"))
	require.Empty(t, read(t, fsys.CrashClone(fsxtest.PowerLossAll{}), "/d/a"))
}

func TestDirectoryWithoutName(t *testing.T) {
	fsys := newDir(t)
	require.NoError(t, fsys.MkdirAll("/d/sub", 0o750))
	store(t, fsys, "/d/sub/a", "content")
	require.NoError(t, fsys.SyncDir("/d/sub"))
	require.Equal(t, "missing", read(t, fsys.CrashClone(fsxtest.PowerLossAll{}), "/d/sub/a"))
	require.NoError(t, fsys.SyncDir("/d"))
	require.Equal(t, "content", read(t, fsys.CrashClone(fsxtest.PowerLossAll{}), "/d/sub/a"))
}

func TestRenameIsAtomic(t *testing.T) {
	fsys := newDir(t)
	storeDurable(t, fsys, "/d/name", "old")
	storeDurable(t, fsys, "/d/temp", "new")
	require.NoError(t, fsys.Rename("/d/temp", "/d/name"))
	look := func(fsys *fsxtest.FS) string {
		return read(t, fsys, "/d/name") + " " + read(t, fsys, "/d/temp")
	}
	requireOnly(t, outcomes(fsys, scattered, look), "old new", "new missing")
	requireOnly(t, outcomes(fsys, ordered, look), "old new", "new missing")
	require.NoError(t, fsys.SyncDir("/d"))
	requireOnly(t, outcomes(fsys, scattered, look), "new missing")
}

func TestRenameBetweenDirectories(t *testing.T) {
	fsys := newDir(t)
	require.NoError(t, fsx.MkdirAllDurable(fsys, "/e", 0o750))
	storeDurable(t, fsys, "/d/a", "content")
	require.NoError(t, fsys.Rename("/d/a", "/e/a"))
	look := func(fsys *fsxtest.FS) string { return read(t, fsys, "/d/a") + " " + read(t, fsys, "/e/a") }

	requireOnly(t, outcomes(fsys, scattered, look), "content missing", "missing content")
	require.NoError(t, fsys.SyncDir("/e"))
	requireOnly(t, outcomes(fsys, scattered, look), "content missing", "missing content")
	require.NoError(t, fsys.SyncDir("/d"))
	requireOnly(t, outcomes(fsys, scattered, look), "missing content")
}

// What is made durable needs what came before it on the same names, also where that was not synced.
func TestSyncDirTakesWhatItNeeds(t *testing.T) {
	fsys := newDir(t)
	require.NoError(t, fsx.MkdirAllDurable(fsys, "/e", 0o750))
	storeDurable(t, fsys, "/d/a", "first")
	require.NoError(t, fsys.Rename("/d/a", "/e/a"))
	store(t, fsys, "/d/a", "second")
	require.NoError(t, fsys.SyncDir("/d"))
	lost := fsys.CrashClone(fsxtest.PowerLossAll{})
	require.Equal(t, "second", read(t, lost, "/d/a"))
	require.Equal(t, "first", read(t, lost, "/e/a"))
}

func TestRemovedDirectoryWasEmptied(t *testing.T) {
	fsys := newDir(t)
	require.NoError(t, fsx.MkdirAllDurable(fsys, "/d/staging", 0o750))
	store(t, fsys, "/d/staging/a", "content")
	require.NoError(t, fsys.SyncDir("/d/staging"))
	require.NoError(t, fsys.Rename("/d/staging/a", "/d/a"))
	require.NoError(t, fsys.Remove("/d/staging"))
	look := func(fsys *fsxtest.FS) string {
		return read(t, fsys, "/d/staging/a") + " " + read(t, fsys, "/d/a")
	}
	requireOnly(t, outcomes(fsys, scattered, look), "content missing", "missing content")
	require.NoError(t, fsys.SyncDir("/d"))
	requireOnly(t, outcomes(fsys, scattered, look), "missing content")
}

// The order of retention: link, sync the new directory, then unlink.
func TestLinkBeforeRemove(t *testing.T) {
	for _, synced := range []bool{true, false} {
		fsys := newDir(t)
		require.NoError(t, fsx.MkdirAllDurable(fsys, "/retained", 0o750))
		storeDurable(t, fsys, "/d/a", "content")
		require.NoError(t, fsys.Link("/d/a", "/retained/a"))
		if synced {
			require.NoError(t, fsys.SyncDir("/retained"))
		}
		require.NoError(t, fsys.Remove("/d/a"))
		seen := outcomes(fsys, scattered, func(fsys *fsxtest.FS) string {
			return read(t, fsys, "/d/a") + " " + read(t, fsys, "/retained/a")
		})
		if synced {
			requireOnly(t, seen, "content content", "missing content")
		} else {
			requireOnly(t, seen, "content content", "missing content", "content missing", "missing missing")
		}
	}
}

func TestPowerLossScattersData(t *testing.T) {
	fsys := newDir(t)
	f := open(t, fsys, "/d/a")
	storeDurable(t, fsys, "/d/a", strings.Repeat("0", 4096))
	_, err := f.WriteAt([]byte(strings.Repeat("1", 4096)), 4096)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte(strings.Repeat("2", 4096)), 8192)
	require.NoError(t, err)

	seen := map[string]bool{}
	for seed := range uint64(seeds) {
		data := read(t, fsys.CrashClone(scattered(seed)), "/d/a")
		require.Equal(t, strings.Repeat("0", 4096), data[:4096])
		switch len(data) {
		case 4096:
			seen["nothing new"] = true
		case 12288:
			seen["later without earlier"] = seen["later without earlier"] || data[4096] == 0 && data[8192] == '2'
			seen["size without data"] = seen["size without data"] || strings.Trim(data[4096:], "\x00") == ""
			seen["all"] = seen["all"] || data[4096:] == strings.Repeat("1", 4096)+strings.Repeat("2", 4096)
			seen["torn page"] = seen["torn page"] || data[8192] == 0 && data[8192+512] == '2'
		}
	}
	for _, want := range []string{"nothing new", "later without earlier", "size without data", "all", "torn page"} {
		require.True(t, seen[want], want)
	}
}

func TestPowerLossOrderedKeepsPrefix(t *testing.T) {
	fsys := newDir(t)
	f := open(t, fsys, "/d/a")
	require.NoError(t, fsys.SyncDir("/d"))
	var whole strings.Builder
	for _, part := range []string{"first ", "second ", strings.Repeat("third", 2000)} {
		write(t, f, part)
		whole.WriteString(part)
	}
	sizes := map[int]bool{}
	for seed := range uint64(seeds) {
		data := read(t, fsys.CrashClone(ordered(seed)), "/d/a")
		require.True(t, strings.HasPrefix(whole.String(), data))
		sizes[len(data)] = true
	}
	require.Greater(t, len(sizes), 20)
	require.True(t, sizes[0] && sizes[whole.Len()])
}

// A truncation that was not synced may be lost though what was written after it is there.
func TestTruncationMayBeLost(t *testing.T) {
	fsys := newDir(t)
	storeDurable(t, fsys, "/d/a", strings.Repeat("old", 100))
	f := open(t, fsys, "/d/a")
	require.NoError(t, f.Truncate(0))
	write(t, f, "N")
	seen := outcomes(fsys, scattered, func(fsys *fsxtest.FS) string {
		data := read(t, fsys, "/d/a")
		return fmt.Sprintf("%.3q of %d", data, len(data))
	})
	requireOnly(t, seen, `"old" of 300`, `"Nld" of 300`, `"" of 0`, `"\x00" of 1`, `"N" of 1`)
}

func TestSameSeedSameClone(t *testing.T) {
	fsys := newDir(t)
	for _, name := range []string{"/d/a", "/d/b", "/d/c"} {
		f := open(t, fsys, name)
		for range 50 {
			write(t, f, strings.Repeat(name, 100))
		}
	}
	for _, crash := range fsxtest.Crashes(42) {
		one, two := fsys.CrashClone(crash), fsys.CrashClone(crash)
		require.Equal(t, one.Dump(), two.Dump())
	}
}

func TestCloneIsIndependent(t *testing.T) {
	fsys := newDir(t)
	f := open(t, fsys, "/d/a")
	write(t, f, "before")
	require.NoError(t, f.Sync())
	require.NoError(t, fsys.SyncDir("/d"))
	for _, crash := range fsxtest.Crashes(7) {
		clone := fsys.CrashClone(crash)
		before := clone.Dump()
		_, err := f.WriteAt([]byte(crash.String()), 0)
		require.NoError(t, err)
		require.Equal(t, before, clone.Dump())
		before = fsys.Dump()
		store(t, clone, "/d/a", "other")
		store(t, clone, "/d/b", "other")
		require.NoError(t, clone.SyncDir("/d"))
		require.Equal(t, before, fsys.Dump())
	}
}

func TestPastNamesCrashesAndSeeds(t *testing.T) {
	fsys := newDir(t)
	clone := fsys.CrashClone(fsxtest.PowerLoss{Seed: 7}).CrashClone(fsxtest.KillProcess{})
	require.Equal(t, []string{"PowerLoss{Seed: 7} at point 2", "KillProcess at point 0"}, clone.Past())
	require.Contains(t, clone.Dump(), "after PowerLoss{Seed: 7} at point 2\nafter KillProcess at point 0\n")
	require.Empty(t, fsys.Past())
}

// The kernel clears the rest of the last page before the new size is on the disk.
func TestLostTruncationMayHaveClearedThePage(t *testing.T) {
	fsys := newDir(t)
	storeDurable(t, fsys, "/d/a", strings.Repeat("o", 600))
	require.NoError(t, open(t, fsys, "/d/a").Truncate(100))
	seen := outcomes(fsys, scattered, func(fsys *fsxtest.FS) string {
		data := read(t, fsys, "/d/a")
		return fmt.Sprintf("%d o of %d", strings.Count(data, "o"), len(data))
	})
	requireOnly(t, seen, "600 o of 600", "188 o of 600", "100 o of 600", "100 o of 100")
}
