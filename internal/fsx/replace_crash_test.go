package fsx_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

const manifest = "/d/manifest"

var (
	oldContent = strings.Repeat("old", 3000)
	newContent = strings.Repeat("new line\n", 2000)
)

func newWithManifest(t *testing.T) *fsxtest.FS {
	t.Helper()
	fsys := fsxtest.New()
	require.NoError(t, fsx.MkdirAllDurable(fsys, "/d", 0o750))
	require.NoError(t, fsx.ReplaceFile(fsys, manifest, []byte(oldContent), 0o640))
	return fsys
}

func content(t *testing.T, fsys fsx.FS) string {
	t.Helper()
	f, err := fsys.OpenFile(manifest, os.O_RDONLY, 0)
	require.NoError(t, err)
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return string(data)
}

// A crash at any point leaves the old content or the new one, whole, and after the return only the new one.
func TestReplaceFileCrashesAtEveryPoint(t *testing.T) {
	fsys := newWithManifest(t)
	seen := map[string]int{}
	fsys.OnOp(func(_ int, op fsxtest.Op) {
		for seed := range uint64(20) {
			for _, crash := range fsxtest.Crashes(seed) {
				clone := fsys.CrashClone(crash)
				got := content(t, clone)
				require.Contains(t, []string{oldContent, newContent}, got, "%v\n%s", op, clone.Dump())
				seen[got]++
				require.NoError(t, fsx.ReplaceFile(clone, manifest, []byte("next"), 0o640), "recovery")
				require.Equal(t, "next", content(t, clone.CrashClone(fsxtest.PowerLossAll{})))
			}
		}
	})
	require.NoError(t, fsx.ReplaceFile(fsys, manifest, []byte(newContent), 0o640))
	require.Len(t, seen, 2)
	for seed := range uint64(20) {
		for _, crash := range fsxtest.Crashes(seed) {
			require.Equal(t, newContent, content(t, fsys.CrashClone(crash)))
		}
	}
}

// Whatever step fails, the error is reported, no temporary file stays, and the content is the old or the new one.
func TestReplaceFileWhenAStepFails(t *testing.T) {
	kinds := []fsxtest.Kind{fsxtest.Create, fsxtest.Write, fsxtest.Sync, fsxtest.Rename, fsxtest.SyncDir}
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			fsys := newWithManifest(t)
			fsys.FailOp(func(op fsxtest.Op) error {
				if op.Kind == kind {
					return &fsxtest.ShortWriteError{N: 10, Err: syscall.ENOSPC}
				}
				return nil
			})
			err := fsx.ReplaceFile(fsys, manifest, []byte(newContent), 0o640)
			require.ErrorIs(t, err, syscall.ENOSPC)
			require.ErrorContains(t, err, "replace "+manifest)
			_, err = fsys.Stat(fsx.TempName(manifest))
			require.ErrorIs(t, err, fs.ErrNotExist)
			if kind == fsxtest.SyncDir {
				require.Equal(t, newContent, content(t, fsys))
			} else {
				require.Equal(t, oldContent, content(t, fsys))
			}
			for seed := range uint64(20) {
				clone := fsys.CrashClone(fsxtest.PowerLoss{Seed: seed})
				require.Contains(t, []string{oldContent, newContent}, content(t, clone))
			}
		})
	}
}

func TestReplaceFileReportsWhatItCannotClean(t *testing.T) {
	fsys := newWithManifest(t)
	removed := errors.New("remove")
	fsys.FailOp(func(op fsxtest.Op) error {
		if op.Kind == fsxtest.Remove {
			return removed
		}
		if op.Kind == fsxtest.Sync {
			return syscall.EIO
		}
		return nil
	})
	err := fsx.ReplaceFile(fsys, manifest, []byte(newContent), 0o640)
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorIs(t, err, removed)
}

func TestMkdirAllDurableSurvives(t *testing.T) {
	fsys := fsxtest.New()
	require.NoError(t, fsx.MkdirAllDurable(fsys, "/a/b/c", 0o750))
	info, err := fsys.CrashClone(fsxtest.PowerLossAll{}).Stat("/a/b/c")
	require.NoError(t, err)
	require.True(t, info.IsDir())

	fsys.FailOp(func(op fsxtest.Op) error {
		if op.Kind == fsxtest.SyncDir {
			return syscall.EIO
		}
		return nil
	})
	require.ErrorIs(t, fsx.MkdirAllDurable(fsys, "/x/y", 0o750), syscall.EIO)
}

// One that fails halfway leaves nothing that the next one takes for durable and that is not.
func TestMkdirAllDurableAfterAFailure(t *testing.T) {
	fsys := fsxtest.New()
	fails := true
	fsys.FailOp(func(op fsxtest.Op) error {
		if fails && op.Path == "/a/b" {
			fails = false
			return syscall.EIO
		}
		return nil
	})
	require.ErrorIs(t, fsx.MkdirAllDurable(fsys, "/a/b/c", 0o750), syscall.EIO)
	require.NoError(t, fsx.MkdirAllDurable(fsys, "/a/b/c", 0o750))
	_, err := fsys.CrashClone(fsxtest.PowerLossAll{}).Stat("/a/b/c")
	require.NoError(t, err)
}
