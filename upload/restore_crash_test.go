package upload_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/upload"
)

// smallBackup is one base and one increment.
func smallBackup(t *testing.T) *backup {
	t.Helper()
	b := newBackup(t, upload.SealOptions{})
	b.base(someRDB(t, b.h, 20, rdb.Format{Version: 11}, ""))
	b.increment(10, false, true)
	return b
}

func exists(t *testing.T, fsys fsx.FS, path string) bool {
	t.Helper()
	_, err := fsys.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	return err == nil
}

// A crash at any point leaves no result or all of it, and the next restore works.
func TestRestoreCrashesAtEveryPoint(t *testing.T) {
	b := smallBackup(t)
	fsys := fsxtest.New()
	require.NoError(t, fsx.MkdirAllDurable(fsys, "/d", 0o750))
	seen := map[bool]int{}
	var mu sync.Mutex // base and increment are written beside one another
	fsys.OnOp(func(n int, op fsxtest.Op) {
		mu.Lock()
		defer mu.Unlock()
		for _, crash := range fsxtest.Crashes(uint64(n)) {
			clone := fsys.CrashClone(crash)
			done := exists(t, clone, "/d/appendonlydir")
			seen[done]++
			if done {
				v, err := aof.Verify(t.Context(), aof.Options{Dir: "/d", FS: clone})
				require.NoError(t, err, "%v\n%s", op, clone.Dump())
				require.Equal(t, b.h.offset, v.Position.Offset)
			}
			rep, err := upload.Restore(t.Context(), b.store, upload.RestoreOptions{Dir: "/d", FS: clone, Force: done, Parallelism: 1})
			require.NoError(t, err, "%v\n%s", op, clone.Dump())
			require.Equal(t, b.h.offset, rep.Offset)
			require.False(t, exists(t, clone, "/d/.aofsidecar-restore"))
		}
	})
	_, err := upload.Restore(t.Context(), b.store, upload.RestoreOptions{Dir: "/d", FS: fsys, Parallelism: 1})
	require.NoError(t, err)
	require.Len(t, seen, 2)
	for _, crash := range fsxtest.Crashes(1) {
		_, err := aof.Verify(t.Context(), aof.Options{Dir: "/d", FS: fsys.CrashClone(crash)})
		require.NoError(t, err, "what was reported is durable")
	}
}

// A crash of a restore by force leaves the old data or the new ones.
func TestRestoreByForceCrashesAtEveryPoint(t *testing.T) {
	b := smallBackup(t)
	for _, exchange := range []bool{true, false} {
		mem := fsxtest.New()
		fsys := fsx.FS(mem)
		if exchange {
			fsys = exchanger{mem}
		}
		require.NoError(t, fsx.MkdirAllDurable(fsys, "/d/appendonlydir", 0o750))
		require.NoError(t, fsx.ReplaceFile(fsys, "/d/appendonlydir/old", []byte("old"), 0o640))
		states := map[string]int{}
		var mu sync.Mutex
		mem.OnOp(func(n int, op fsxtest.Op) {
			mu.Lock()
			defer mu.Unlock()
			for _, crash := range fsxtest.Crashes(uint64(n)) {
				clone := mem.CrashClone(crash)
				switch {
				case exists(t, clone, "/d/appendonlydir/old"):
					states["old"]++
				case exists(t, clone, "/d/appendonlydir/appendonly.aof.manifest"):
					states["new"]++
					_, err := aof.Verify(t.Context(), aof.Options{Dir: "/d", FS: clone})
					require.NoError(t, err)
				default:
					states["none"]++
					require.True(t, exists(t, clone, "/d/appendonlydir.before-restore/old"), "%v\n%s", op, clone.Dump())
				}
			}
		})
		rep, err := upload.Restore(t.Context(), b.store, upload.RestoreOptions{Dir: "/d", FS: fsys, Force: true, Parallelism: 1})
		require.NoError(t, err)
		require.Equal(t, "/d/appendonlydir.before-restore", rep.Kept)
		require.True(t, exists(t, fsys, "/d/appendonlydir.before-restore/old"))
		require.Positive(t, states["old"])
		require.Positive(t, states["new"])
	}
}

// exchanger is a file system of a kernel that cannot do it.
type exchanger struct{ *fsxtest.FS }

func (e exchanger) Exchange(string, string) error {
	return errors.Join(syscall.EINVAL, errNothing)
}

var errNothing = errors.New("this file system cannot exchange names")

// Whatever step fails, the error is told, and the directory is as it was.
func TestRestoreWhenAStepFails(t *testing.T) {
	b := smallBackup(t)
	for _, kind := range []fsxtest.Kind{fsxtest.Create, fsxtest.Write, fsxtest.Sync, fsxtest.SyncDir, fsxtest.Rename, fsxtest.Truncate} {
		for skip := range 4 {
			fsys := fsxtest.New()
			require.NoError(t, fsx.MkdirAllDurable(fsys, "/d", 0o750))
			left, failed := skip, false
			var mu sync.Mutex
			fsys.FailOp(func(op fsxtest.Op) error {
				mu.Lock()
				defer mu.Unlock()
				if op.Kind != kind || failed {
					return nil
				}
				if left--; left >= 0 {
					return nil
				}
				failed = true
				return &fsxtest.ShortWriteError{N: 1, Err: syscall.ENOSPC}
			})
			_, err := upload.Restore(t.Context(), b.store, upload.RestoreOptions{Dir: "/d", FS: fsys, Parallelism: 1})
			if !failed {
				require.NoError(t, err)
				continue
			}
			if err == nil {
				continue // it was the removal of the staging folder
			}
			require.ErrorIs(t, err, syscall.ENOSPC, "%v %d", kind, skip)
			fsys.FailOp(nil)
			require.False(t, exists(t, fsys, "/d/.aofsidecar-restore"), "%v %d", kind, skip)
			rep, err := upload.Restore(t.Context(), b.store, upload.RestoreOptions{
				Dir: "/d", FS: fsys, Force: exists(t, fsys, "/d/appendonlydir"), Parallelism: 1,
			})
			require.NoError(t, err)
			require.Equal(t, b.h.offset, rep.Offset)
		}
	}
}

// TestRestoredFilesAreTheObjects: base and increment have the bytes that were shipped.
func TestRestoredFilesAreTheObjects(t *testing.T) {
	b := newBackup(t, upload.SealOptions{})
	base := someRDB(t, b.h, 20, rdb.Format{Version: 11}, "")
	b.base(base)
	b.h.open()
	b.h.steps(10)
	data, file := b.h.close()
	b.segment(wholeObject(t, data, file))
	fsys := fsxtest.New()
	_, err := upload.Restore(t.Context(), b.store, upload.RestoreOptions{Dir: "/d", FS: fsys})
	require.NoError(t, err)
	for name, want := range map[string][]byte{"appendonly.aof.1.base.rdb": base, "appendonly.aof.1.incr.aof": data} {
		f, err := fsys.OpenFile("/d/appendonlydir/"+name, os.O_RDONLY, 0)
		require.NoError(t, err)
		got, err := io.ReadAll(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Equal(t, want, got[:min(len(got), len(want))])
		require.Less(t, len(got)-len(want), 200, "a mark that proves the end, at most")
	}
}

// stepFS is the operating system's, with names that can be exchanged, and steps that fail.
type stepFS struct {
	fsx.OS
	fail func(op, path string) error
}

func (s stepFS) Rename(from, to string) error {
	if err := s.fail("rename", to); err != nil {
		return err
	}
	return s.OS.Rename(from, to)
}

func (s stepFS) SyncDir(dir string) error {
	if err := s.fail("sync", dir); err != nil {
		return err
	}
	return s.OS.SyncDir(dir)
}

// Whatever fails once the old data have been exchanged for the new ones, they are not lost.
func TestRestoreByForceFailsBehindTheExchange(t *testing.T) {
	b := smallBackup(t)
	for _, step := range []string{"sync", "rename", "all from then on"} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			old := filepath.Join(dir, "appendonlydir", "old")
			require.NoError(t, os.MkdirAll(filepath.Dir(old), 0o750))
			require.NoError(t, os.WriteFile(old, []byte("old"), 0o600))
			failed := false
			fsys := stepFS{fail: func(op, path string) error {
				switch {
				case failed && step == "all from then on":
				case op == "sync" && path == dir && step != "rename":
				case op == "rename" && strings.HasSuffix(path, ".before-restore") && step == "rename":
				default:
					return nil
				}
				if _, err := os.Stat(old); err == nil { // not yet, or again
					return nil
				}
				failed = true
				return syscall.EIO
			}}
			_, err := upload.Restore(t.Context(), b.store, upload.RestoreOptions{Dir: dir, FS: fsys, Force: true})
			require.ErrorIs(t, err, syscall.EIO)
			require.True(t, failed)
			kept, err := filepath.Glob(filepath.Join(dir, "*", "old"))
			require.NoError(t, err)
			require.Equal(t, []string{old}, kept, "as it was")
			require.NoDirExists(t, filepath.Join(dir, ".aofsidecar-restore"))
		})
	}
}
