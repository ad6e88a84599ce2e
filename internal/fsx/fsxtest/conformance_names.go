package fsxtest

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"syscall"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

func (s *suite) mkdirAll() {
	for range 2 {
		s.NoError(s.fs.MkdirAll(s.path("a", "b"), 0o750))
	}
	info, err := s.fs.Stat(s.path("a", "b"))
	s.NoError(err)
	s.True(info.IsDir())
	s.Equal(fs.FileMode(0o750), info.Mode().Perm())

	s.write("file", "")
	s.ErrorIs(s.fs.MkdirAll(s.path("file"), 0o750), syscall.ENOTDIR)
	s.ErrorIs(s.fs.MkdirAll(s.path("file", "x"), 0o750), syscall.ENOTDIR)
}

func (s *suite) readDir() {
	s.Empty(s.names(""))
	for _, name := range []string{"c", "a", "b10", "b9"} {
		s.write(name, name)
	}
	s.NoError(s.fs.MkdirAll(s.path("b"), 0o750))
	s.Equal([]string{"a", "b", "b10", "b9", "c"}, s.names(""))

	entries, err := s.fs.ReadDir(s.root)
	s.NoError(err)
	s.True(entries[1].IsDir())
	s.False(entries[2].IsDir())
	info, err := entries[2].Info()
	s.NoError(err)
	s.Equal(int64(3), info.Size())

	_, err = s.fs.ReadDir(s.path("none"))
	s.pathError(err, "none", fs.ErrNotExist)
	_, err = s.fs.ReadDir(s.path("a"))
	s.ErrorIs(err, syscall.ENOTDIR)
}

func (s *suite) stat() {
	s.write("a", "12345")
	s.write("b", "12345")
	info, err := s.fs.Stat(s.path("a"))
	s.NoError(err)
	s.Equal("a", info.Name())
	s.Equal(int64(5), info.Size())
	s.True(info.Mode().IsRegular())
	s.False(info.ModTime().IsZero())

	f := s.open("a", os.O_RDWR)
	same, err := f.Stat()
	s.NoError(err)
	s.True(s.fs.SameFile(info, same))
	other, err := s.fs.Stat(s.path("b"))
	s.NoError(err)
	s.False(s.fs.SameFile(info, other))

	_, err = s.fs.Stat(s.path("none"))
	s.pathError(err, "none", fs.ErrNotExist)
	_, err = s.fs.Stat(s.path("a", "x"))
	s.pathError(err, "a/x", syscall.ENOTDIR)
}

func (s *suite) rename() {
	s.NoError(s.fs.MkdirAll(s.path("dir"), 0o750))
	s.write("a", "from a")
	s.write("b", "from b")
	s.write("dir/c", "from c")

	s.NoError(s.fs.Rename(s.path("a"), s.path("b")))
	s.Equal("from a", s.read("b"))
	s.NoError(s.fs.Rename(s.path("dir", "c"), s.path("b")))
	s.Equal("from c", s.read("b"))
	s.NoError(s.fs.Rename(s.path("b"), s.path("b")))
	s.Equal("from c", s.read("b"))
	s.Equal([]string{"b", "dir"}, s.names(""))
	s.Empty(s.names("dir"))

	f := s.open("b", os.O_RDWR)
	s.NoError(s.fs.Rename(s.path("b"), s.path("d")))
	_, err := f.Write([]byte("FROM"))
	s.NoError(err)
	s.Equal("FROM c", s.read("d"), "an open file follows its inode")
}

func (s *suite) renameErrors() {
	s.write("a", "a")
	s.NoError(s.fs.MkdirAll(s.path("dir"), 0o750))
	s.linkError(s.fs.Rename(s.path("none"), s.path("b")), fs.ErrNotExist)
	s.linkError(s.fs.Rename(s.path("a"), s.path("none", "b")), fs.ErrNotExist)
	s.linkError(s.fs.Rename(s.path("a"), s.path("dir")), fs.ErrExist)
	s.linkError(s.fs.Rename(s.path("dir"), s.path("a")), syscall.ENOTDIR)
	s.linkError(s.fs.Rename(s.path("dir"), s.path("dir")), fs.ErrExist)
	s.linkError(s.fs.Rename(s.path("dir"), s.path("dir", "sub")), syscall.EINVAL)
	s.Equal([]string{"a", "dir"}, s.names(""))
}

func (s *suite) renameDirectory() {
	s.NoError(s.fs.MkdirAll(s.path("staging", "appendonlydir"), 0o750))
	s.write("staging/appendonlydir/a", "a")
	s.NoError(s.fs.Rename(s.path("staging", "appendonlydir"), s.path("appendonlydir")))
	s.Equal("a", s.read("appendonlydir/a"))
	s.Empty(s.names("staging"))
	s.NoError(s.fs.Remove(s.path("staging")))
}

// Two names of one file: rename does nothing, and both stay (POSIX rename).
func (s *suite) renameSameFile() {
	s.write("a", "a")
	s.NoError(s.fs.Link(s.path("a"), s.path("b")))
	s.NoError(s.fs.Rename(s.path("a"), s.path("b")))
	s.Equal([]string{"a", "b"}, s.names(""))
}

func (s *suite) link() {
	s.NoError(s.fs.MkdirAll(s.path("retained"), 0o750))
	s.write("a", "old")
	s.NoError(s.fs.Link(s.path("a"), s.path("retained", "a")))
	one, err := s.fs.Stat(s.path("a"))
	s.NoError(err)
	two, err := s.fs.Stat(s.path("retained", "a"))
	s.NoError(err)
	s.True(s.fs.SameFile(one, two))

	f := s.open("a", os.O_RDWR)
	_, err = f.Write([]byte("new"))
	s.NoError(err)
	s.Equal("new", s.read("retained/a"))
	s.NoError(s.fs.Remove(s.path("a")))
	s.Equal("new", s.read("retained/a"))
	s.write("a", "another")
	s.Equal("new", s.read("retained/a"))
}

func (s *suite) linkErrors() {
	s.write("a", "a")
	s.write("b", "b")
	s.NoError(s.fs.MkdirAll(s.path("dir"), 0o750))
	s.linkError(s.fs.Link(s.path("a"), s.path("b")), fs.ErrExist)
	s.linkError(s.fs.Link(s.path("a"), s.path("a")), fs.ErrExist)
	s.linkError(s.fs.Link(s.path("none"), s.path("c")), fs.ErrNotExist)
	s.linkError(s.fs.Link(s.path("a"), s.path("none", "c")), fs.ErrNotExist)
	s.linkError(s.fs.Link(s.path("dir"), s.path("c")), fs.ErrPermission)
	s.Equal("b", s.read("b"))
}

func (s *suite) remove() {
	s.NoError(s.fs.MkdirAll(s.path("dir"), 0o750))
	s.write("dir/a", "a")
	s.pathError(s.fs.Remove(s.path("dir")), "dir", syscall.ENOTEMPTY)
	s.NoError(s.fs.Remove(s.path("dir", "a")))
	s.pathError(s.fs.Remove(s.path("dir", "a")), "dir/a", fs.ErrNotExist)
	s.NoError(s.fs.Remove(s.path("dir")))
	s.missing("dir")
}

func (s *suite) removeOpenFile() {
	s.write("a", "still here")
	f := s.open("a", os.O_RDWR)
	s.NoError(s.fs.Remove(s.path("a")))
	data, err := io.ReadAll(f)
	s.NoError(err)
	s.Equal("still here", string(data))
	_, err = f.Write([]byte("x"))
	s.NoError(err)
	s.NoError(f.Sync())
	s.NoError(f.Close())
	s.missing("a")
}

func (s *suite) syncDir() {
	s.write("a", "a")
	s.NoError(s.fs.SyncDir(s.root))
	s.pathError(s.fs.SyncDir(s.path("a")), "a", syscall.ENOTDIR)
	s.pathError(s.fs.SyncDir(s.path("none")), "none", fs.ErrNotExist)
}

func (s *suite) lock() {
	_, err := s.fs.Lock(s.path("none", "lock"))
	s.pathError(err, "none/lock", fs.ErrNotExist)

	first, err := s.fs.Lock(s.path("lock"))
	s.NoError(err)
	_, err = s.fs.Lock(s.path("lock"))
	s.pathError(err, "lock", fsx.ErrLocked)

	_, err = first.Write([]byte("boot id"))
	s.NoError(err)
	s.Equal("boot id", s.read("lock"), "the lock is advisory, and closing another open file does not drop it")
	_, err = s.fs.Lock(s.path("lock"))
	s.ErrorIs(err, fsx.ErrLocked)

	s.NoError(first.Close())
	second, err := s.fs.Lock(s.path("lock"))
	s.NoError(err)
	data, err := io.ReadAll(second)
	s.NoError(err)
	s.Equal("boot id", string(data))
	s.NoError(second.Close())
}

func (s *suite) lockIsOnTheInode() {
	first, err := s.fs.Lock(s.path("lock"))
	s.NoError(err)
	s.NoError(s.fs.Rename(s.path("lock"), s.path("moved")))
	_, err = s.fs.Lock(s.path("moved"))
	s.ErrorIs(err, fsx.ErrLocked)
	second, err := s.fs.Lock(s.path("lock"))
	s.NoError(err, "the name means a new file")
	s.NoError(errors.Join(first.Close(), second.Close()))
}

func (s *suite) space() {
	space, err := s.fs.Space(s.root)
	s.NoError(err)
	s.Positive(space.Total)
	s.GreaterOrEqual(space.Free, int64(0))
	s.LessOrEqual(space.Free, space.Total)
	s.Less(space.Total, int64(math.MaxInt64))
	_, err = s.fs.Space(s.path("none"))
	s.pathError(err, "none", fs.ErrNotExist)
}

func (s *suite) bootID() {
	first, err := s.fs.BootID()
	if err != nil {
		s.ErrorIs(err, errors.ErrUnsupported)
		return
	}
	second, err := s.fs.BootID()
	s.NoError(err)
	s.Equal(first, second)
	s.Len(first, len("00000000-0000-4000-8000-000000000000"))
}

func (s *suite) replaceFile() {
	name := s.path("manifest")
	s.write(fsx.TempPrefix+"manifest", "left by a crash")
	for _, data := range []string{"first", "second, longer", ""} {
		s.NoError(fsx.ReplaceFile(s.fs, name, []byte(data), 0o640))
		s.Equal(data, s.read("manifest"))
		s.Equal([]string{"manifest"}, s.names(""))
	}
}

func (s *suite) replaceFileErrors() {
	s.NoError(s.fs.MkdirAll(s.path("dir"), 0o750))
	s.ErrorIs(fsx.ReplaceFile(s.fs, s.path("dir"), []byte("x"), 0o640), fs.ErrExist)
	s.Equal([]string{"dir"}, s.names(""))
	s.ErrorIs(fsx.ReplaceFile(s.fs, s.path("none", "x"), []byte("x"), 0o640), fs.ErrNotExist)
}

func (s *suite) mkdirAllDurable() {
	name := filepath.Join("a", "b", "c")
	for range 2 {
		s.NoError(fsx.MkdirAllDurable(s.fs, s.path(name), 0o750))
		s.Empty(s.names(name))
	}
	s.write("file", "")
	s.Error(fsx.MkdirAllDurable(s.fs, s.path("file", "x"), 0o750))
}
