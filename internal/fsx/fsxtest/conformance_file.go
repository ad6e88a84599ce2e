package fsxtest

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

func (s *suite) openFlags() {
	_, err := s.fs.OpenFile(s.path("a"), os.O_RDWR, 0)
	s.pathError(err, "a", fs.ErrNotExist)

	s.write("a", "content")
	_, err = s.fs.OpenFile(s.path("a"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	s.pathError(err, "a", fs.ErrExist)

	s.open("a", os.O_RDWR|os.O_CREATE)
	s.Equal("content", s.read("a"))
	s.open("a", os.O_RDWR|os.O_TRUNC)
	s.Empty(s.read("a"))
	s.open("b", os.O_RDWR|os.O_CREATE|os.O_EXCL)
	s.Equal([]string{"a", "b"}, s.names(""))
}

func (s *suite) openErrors() {
	s.write("file", "")
	s.NoError(s.fs.MkdirAll(s.path("dir"), 0o750))

	for _, flag := range []int{os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREATE} {
		_, err := s.fs.OpenFile(s.path("dir"), flag, 0o640)
		s.pathError(err, "dir", syscall.EISDIR)
	}
	_, err := s.fs.OpenFile(s.path("file", "x"), os.O_RDWR|os.O_CREATE, 0o640)
	s.pathError(err, "file/x", syscall.ENOTDIR)
	_, err = s.fs.OpenFile(s.path("none", "x"), os.O_RDWR|os.O_CREATE, 0o640)
	s.pathError(err, "none/x", fs.ErrNotExist)
	_, err = s.fs.OpenFile("", os.O_RDONLY, 0)
	s.ErrorIs(err, fs.ErrNotExist)
}

func (s *suite) position() {
	f := s.open("a", os.O_RDWR|os.O_CREATE)
	for _, part := range []string{"one ", "two ", "three"} {
		n, err := f.Write([]byte(part))
		s.NoError(err)
		s.Equal(len(part), n)
	}
	at, err := f.Seek(4, io.SeekStart)
	s.NoError(err)
	s.Equal(int64(4), at)
	p := make([]byte, 3)
	n, err := f.Read(p)
	s.NoError(err)
	s.Equal("two", string(p[:n]))
	rest, err := io.ReadAll(f)
	s.NoError(err)
	s.Equal(" three", string(rest))
	n, err = f.Read(p)
	s.Equal(io.EOF, err)
	s.Zero(n)
	n, err = f.Read(nil)
	s.NoError(err)
	s.Zero(n)
}

func (s *suite) writeAt() {
	f := s.open("a", os.O_RDWR|os.O_CREATE)
	_, err := f.Write([]byte("abc"))
	s.NoError(err)
	_, err = f.WriteAt([]byte("X"), 10_000)
	s.NoError(err)
	_, err = f.Write([]byte("def"))
	s.NoError(err)
	_, err = f.WriteAt([]byte("Y"), 1)
	s.NoError(err)
	s.Equal("aYcdef"+strings.Repeat("\x00", 10_000-6)+"X", s.read("a"))

	_, err = f.WriteAt([]byte("x"), -1)
	s.Error(err)
	n, err := f.WriteAt(nil, 1<<30)
	s.NoError(err)
	s.Zero(n)
	s.Len(s.read("a"), 10_001)
}

func (s *suite) truncate() {
	f := s.open("a", os.O_RDWR|os.O_CREATE)
	_, err := f.Write(bytes.Repeat([]byte("a"), 9000))
	s.NoError(err)
	s.NoError(f.Truncate(5000))
	s.NoError(f.Truncate(8000))
	s.Equal(strings.Repeat("a", 5000)+strings.Repeat("\x00", 3000), s.read("a"))

	s.NoError(f.Truncate(2))
	_, err = f.Write([]byte("tail"))
	s.NoError(err)
	s.Equal("aa"+strings.Repeat("\x00", 8998)+"tail", s.read("a"), "the position does not move")
	s.pathError(f.Truncate(-1), "a", syscall.EINVAL)
}

func (s *suite) readAt() {
	s.write("a", "0123456789")
	f := s.open("a", os.O_RDONLY)
	p := make([]byte, 4)
	n, err := f.ReadAt(p, 3)
	s.NoError(err)
	s.Equal("3456", string(p[:n]))
	n, err = f.ReadAt(p, 8)
	s.Equal(io.EOF, err)
	s.Equal("89", string(p[:n]))
	n, err = f.ReadAt(p, 100)
	s.Equal(io.EOF, err)
	s.Zero(n)
	n, err = f.ReadAt(nil, 100)
	s.NoError(err)
	s.Zero(n)
	_, err = f.ReadAt(p, -1)
	s.Error(err)
	at, err := f.Seek(0, io.SeekCurrent)
	s.NoError(err)
	s.Zero(at)
}

func (s *suite) seek() {
	s.write("a", "0123456789")
	f := s.open("a", os.O_RDWR)
	at, err := f.Seek(-3, io.SeekEnd)
	s.NoError(err)
	s.Equal(int64(7), at)
	at, err = f.Seek(-2, io.SeekCurrent)
	s.NoError(err)
	s.Equal(int64(5), at)
	_, err = f.Seek(-6, io.SeekCurrent)
	s.pathError(err, "a", syscall.EINVAL)
	at, err = f.Seek(20, io.SeekStart)
	s.NoError(err)
	s.Equal(int64(20), at)
	_, err = f.Write([]byte("x"))
	s.NoError(err)
	s.Equal("0123456789"+strings.Repeat("\x00", 10)+"x", s.read("a"))
}

func (s *suite) accessMode() {
	s.write("a", "data")
	r := s.open("a", os.O_RDONLY)
	_, err := r.Write([]byte("x"))
	s.pathError(err, "a", syscall.EBADF)
	s.pathError(r.Truncate(0), "a", syscall.EINVAL)
	s.NoError(r.Sync())
	s.NoError(r.SyncData())

	w := s.open("a", os.O_WRONLY)
	_, err = w.Read(make([]byte, 1))
	s.pathError(err, "a", syscall.EBADF)
	_, err = w.ReadAt(make([]byte, 1), 0)
	s.pathError(err, "a", syscall.EBADF)
	s.Equal("data", s.read("a"))
}

func (s *suite) closed() {
	f := s.open("a", os.O_RDWR|os.O_CREATE)
	s.NoError(f.Close())
	calls := map[string]func(fsx.File) error{
		"close":    fsx.File.Close,
		"sync":     fsx.File.Sync,
		"syncdata": fsx.File.SyncData,
		"truncate": func(f fsx.File) error { return f.Truncate(0) },
		"stat":     func(f fsx.File) error { _, err := f.Stat(); return err },
		"read":     func(f fsx.File) error { _, err := f.Read(make([]byte, 1)); return err },
		"readat":   func(f fsx.File) error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
		"write":    func(f fsx.File) error { _, err := f.Write([]byte("x")); return err },
		"writeat":  func(f fsx.File) error { _, err := f.WriteAt([]byte("x"), 0); return err },
		"seek":     func(f fsx.File) error { _, err := f.Seek(0, io.SeekStart); return err },
	}
	for name, call := range calls {
		s.ErrorIs(call(f), fs.ErrClosed, name)
	}
}

func (s *suite) syncBesideWrite() {
	f := s.open("a", os.O_RDWR|os.O_CREATE)
	var syncs sync.WaitGroup
	errs := make([]error, 2)
	for i, call := range []func() error{f.Sync, f.SyncData} {
		syncs.Go(func() {
			for range 20 {
				if err := call(); err != nil {
					errs[i] = err
				}
			}
		})
	}
	var want strings.Builder
	for range 200 {
		_, err := f.Write([]byte("0123456789"))
		s.NoError(err)
		want.WriteString("0123456789")
	}
	syncs.Wait()
	s.NoError(errs[0])
	s.NoError(errs[1])
	s.Equal(want.String(), s.read("a"))
}
