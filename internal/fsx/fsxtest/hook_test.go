package fsxtest_test

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

func TestOnOpSeesEveryPoint(t *testing.T) {
	fsys := newDir(t)
	start := fsys.Points()
	var seen []string
	fsys.OnOp(func(n int, op fsxtest.Op) {
		require.Equal(t, start+len(seen)+1, n)
		require.Equal(t, n, fsys.Points())
		seen = append(seen, op.String())
	})
	f := open(t, fsys, "/d/a")
	write(t, f, "12345")
	write(t, f, "6")
	require.NoError(t, f.Truncate(2))
	require.NoError(t, f.Sync())
	require.NoError(t, f.SyncData())
	require.NoError(t, fsys.Link("/d/a", "/d/b"))
	require.NoError(t, fsys.Rename("/d/a", "/d/c"))
	require.NoError(t, fsys.MkdirAll("/d/e/f", 0o750))
	require.NoError(t, fsys.Remove("/d/c"))
	require.NoError(t, fsys.SyncDir("/d"))
	_, err := fsys.OpenFile("/d/b", os.O_RDWR|os.O_TRUNC, 0)
	require.NoError(t, err)
	read(t, fsys, "/d/b")
	require.Equal(t, []string{
		"create /d/a", "write /d/a 0+2 (first half)", "write /d/a 0+5", "write /d/a 5+1", "truncate /d/a 2", "sync /d/a",
		"syncdata /d/a", "link /d/a -> /d/b", "rename /d/a -> /d/c", "mkdir /d/e", "mkdir /d/e/f", "remove /d/c",
		"syncdir /d", "truncate /d/b 0",
	}, seen)
}

func TestOnOpInTheMiddleOfAWrite(t *testing.T) {
	fsys := newDir(t)
	f := open(t, fsys, "/d/a")
	var halves []string
	fsys.OnOp(func(_ int, op fsxtest.Op) {
		if op.Half {
			halves = append(halves, read(t, fsys.CrashClone(fsxtest.KillProcess{}), "/d/a"))
		}
	})
	write(t, f, "abcdef")
	write(t, f, "ghi")
	require.Equal(t, []string{"abc", "abcdefg"}, halves)
	require.Equal(t, "abcdefghi", read(t, fsys, "/d/a"))
}

// failing makes operations of one kind fail with EIO.
func failing(kind fsxtest.Kind) func(fsxtest.Op) error {
	return func(op fsxtest.Op) error {
		if op.Kind == kind {
			return syscall.EIO
		}
		return nil
	}
}

func TestFailOpOfEachKind(t *testing.T) {
	calls := map[fsxtest.Kind]func(*fsxtest.FS, fsx.File) error{
		fsxtest.Create: func(fsys *fsxtest.FS, _ fsx.File) error {
			_, err := fsys.OpenFile("/d/b", os.O_RDWR|os.O_CREATE, 0o640)
			return err
		},
		fsxtest.Mkdir:    func(fsys *fsxtest.FS, _ fsx.File) error { return fsys.MkdirAll("/d/b", 0o750) },
		fsxtest.Write:    func(_ *fsxtest.FS, f fsx.File) error { _, err := f.Write([]byte("x")); return err },
		fsxtest.Truncate: func(_ *fsxtest.FS, f fsx.File) error { return f.Truncate(0) },
		fsxtest.Rename:   func(fsys *fsxtest.FS, _ fsx.File) error { return fsys.Rename("/d/a", "/d/b") },
		fsxtest.Link:     func(fsys *fsxtest.FS, _ fsx.File) error { return fsys.Link("/d/a", "/d/b") },
		fsxtest.Remove:   func(fsys *fsxtest.FS, _ fsx.File) error { return fsys.Remove("/d/a") },
		fsxtest.Sync:     func(_ *fsxtest.FS, f fsx.File) error { return f.Sync() },
		fsxtest.SyncData: func(_ *fsxtest.FS, f fsx.File) error { return f.SyncData() },
		fsxtest.SyncDir:  func(fsys *fsxtest.FS, _ fsx.File) error { return fsys.SyncDir("/d") },
	}
	for kind, call := range calls {
		t.Run(kind.String(), func(t *testing.T) {
			fsys := newDir(t)
			storeDurable(t, fsys, "/d/a", "data")
			f := open(t, fsys, "/d/a")
			var reported error
			fsys.OnOp(func(_ int, op fsxtest.Op) { reported = op.Err })
			fsys.FailOp(failing(kind))
			require.ErrorIs(t, call(fsys, f), syscall.EIO)
			require.ErrorIs(t, reported, syscall.EIO)
			require.Equal(t, "data", read(t, fsys, "/d/a"))
			require.Equal(t, "missing", read(t, fsys, "/d/b"))
			fsys.FailOp(nil)
			require.NoError(t, call(fsys, f))
		})
	}
}

func TestShortWrite(t *testing.T) {
	for _, limit := range []int{0, 1, 3, 5, 6} {
		fsys := newDir(t)
		f := open(t, fsys, "/d/a")
		fsys.FailOp(func(fsxtest.Op) error { return &fsxtest.ShortWriteError{N: limit, Err: syscall.ENOSPC} })
		n, err := f.Write([]byte("abcdef"))
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.Equal(t, limit, n)
		require.Equal(t, "abcdef"[:limit], read(t, fsys, "/d/a"))
		fsys.FailOp(nil)
		write(t, f, "X")
		require.Equal(t, "abcdef"[:limit]+"X", read(t, fsys, "/d/a"))
	}
}

// After a sync that failed, the lost bytes stay lost although a second sync succeeds.
func TestFailedSyncMarksPagesClean(t *testing.T) {
	var lost, evicted int
	for seed := range uint64(seeds) {
		fsys := newDir(t)
		fsys.SetSeed(seed)
		storeDurable(t, fsys, "/d/a", "durable")
		f := open(t, fsys, "/d/a")
		_, err := f.WriteAt([]byte(" and more"), 7)
		require.NoError(t, err)
		fsys.FailOp(failing(fsxtest.Sync))
		require.ErrorIs(t, f.Sync(), syscall.EIO)
		fsys.FailOp(nil)
		require.NoError(t, f.Sync())

		disk := read(t, fsys.CrashClone(fsxtest.PowerLossAll{}), "/d/a")
		require.Equal(t, disk, read(t, fsys.CrashClone(fsxtest.Reboot{}), "/d/a"))
		require.Equal(t, "durable", disk[:7])
		seen := read(t, fsys, "/d/a")
		if disk != "durable and more" {
			lost++
			if seen == disk {
				evicted++
			}
		}
		require.Contains(t, []string{disk, "durable and more"}, seen)
	}
	require.Positive(t, lost)
	require.Positive(t, evicted)
	require.Less(t, evicted, lost)
}

func TestFailedSyncDirForgetsNames(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(seeds) {
		fsys := newDir(t)
		fsys.SetSeed(seed)
		store(t, fsys, "/d/a", "a")
		fsys.FailOp(failing(fsxtest.SyncDir))
		require.ErrorIs(t, fsys.SyncDir("/d"), syscall.EIO)
		fsys.FailOp(nil)
		require.NoError(t, fsys.SyncDir("/d"))
		seen[read(t, fsys.CrashClone(fsxtest.PowerLossAll{}), "/d/a")] = true
		require.Equal(t, "a", read(t, fsys, "/d/a"))
	}
	require.Equal(t, map[string]bool{"a": true, "missing": true}, seen)
}

// A sync covers what was written before it began, and nothing that came while it ran.
func TestSyncUnderWay(t *testing.T) {
	for _, call := range []func(fsx.File) error{fsx.File.Sync, fsx.File.SyncData} {
		fsys := newDir(t)
		f := open(t, fsys, "/d/a")
		require.NoError(t, fsys.SyncDir("/d"))
		write(t, f, "before")
		began, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error)
		fsys.DuringSync(func(fsxtest.Op) { close(began); <-goOn })
		go func() { done <- call(f) }()

		<-began
		write(t, f, " after")
		require.Empty(t, read(t, fsys.CrashClone(fsxtest.PowerLossAll{}), "/d/a"))
		close(goOn)
		require.NoError(t, <-done)
		require.Equal(t, "before", read(t, fsys.CrashClone(fsxtest.PowerLossAll{}), "/d/a"))
		require.Equal(t, "before after", read(t, fsys, "/d/a"))
	}
}

func TestSyncDirUnderWay(t *testing.T) {
	fsys := newDir(t)
	store(t, fsys, "/d/a", "a")
	fsys.DuringSync(func(op fsxtest.Op) {
		if op.Kind == fsxtest.SyncDir {
			fsys.DuringSync(nil)
			store(t, fsys, "/d/b", "b")
		}
	})
	require.NoError(t, fsys.SyncDir("/d"))
	lost := fsys.CrashClone(fsxtest.PowerLossAll{})
	require.Equal(t, "a", read(t, lost, "/d/a"))
	require.Equal(t, "missing", read(t, lost, "/d/b"))
}

func TestDiskFull(t *testing.T) {
	fsys := newDir(t)
	fsys.SetCapacity(3 * 4096)
	f := open(t, fsys, "/d/a")
	write(t, f, strings.Repeat("a", 4000))
	n, err := f.Write([]byte(strings.Repeat("b", 20_000)))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, 3*4096-4000, n)
	space, err := fsys.Space("/d")
	require.NoError(t, err)
	require.Equal(t, fsx.Space{Free: 0, Total: 3 * 4096}, space)

	_, err = f.WriteAt([]byte("over"), 0)
	require.NoError(t, err, "a page that is there can be written")
	n, err = f.WriteAt([]byte("gap"), 1<<20)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Zero(t, n)

	require.NoError(t, f.Truncate(4096))
	requireFree(t, fsys, 2*4096)
	write(t, open(t, fsys, "/d/b"), "small")
	requireFree(t, fsys, 4096)
	require.NoError(t, fsys.Remove("/d/a"))
	requireFree(t, fsys, 4096)
	require.NoError(t, f.Close())
	requireFree(t, fsys, 2*4096)
	require.NoError(t, fsys.Rename("/d/b", "/d/a"))
	requireFree(t, fsys.CrashClone(fsxtest.KillProcess{}), 2*4096)
	requireFree(t, fsys.CrashClone(fsxtest.PowerLossAll{}), 3*4096)
	fsys.SetCapacity(0)
	requireFree(t, fsys, 0)
}

func requireFree(t *testing.T, fsys *fsxtest.FS, want int64) {
	t.Helper()
	space, err := fsys.Space("/d")
	require.NoError(t, err)
	require.Equal(t, want, space.Free)
}

func TestRefusesWhatItDoesNotModel(t *testing.T) {
	fsys := newDir(t)
	for _, flag := range []int{os.O_APPEND, os.O_SYNC, os.O_EXCL | os.O_APPEND} {
		_, err := fsys.OpenFile("/d/a", os.O_RDWR|os.O_CREATE|flag, 0o640)
		require.ErrorIs(t, err, syscall.EINVAL)
	}
	f := open(t, fsys, "/d/a")
	_, err := f.WriteAt([]byte("x"), 1<<62)
	require.ErrorIs(t, err, syscall.EFBIG)
	require.ErrorIs(t, f.Truncate(1<<62), syscall.EFBIG)
	var pathErr *fs.PathError
	require.ErrorAs(t, err, &pathErr)
}

func TestSparseFileTakesNoSpace(t *testing.T) {
	fsys := newDir(t)
	fsys.SetCapacity(1 << 20)
	f := open(t, fsys, "/d/a")
	require.NoError(t, f.Truncate(1<<40))
	_, err := f.WriteAt([]byte("end"), 1<<40)
	require.NoError(t, err)
	p := make([]byte, 4)
	n, err := f.ReadAt(p, 1<<40-1)
	require.NoError(t, err)
	require.Equal(t, "\x00end", string(p[:n]))
	requireFree(t, fsys, 1<<20-4096)
}
