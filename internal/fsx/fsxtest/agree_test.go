package fsxtest_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

// twin runs the same calls on both file systems.
type twin struct {
	sides [2]side
}

type side struct {
	fs   fsx.FS
	root string
	file map[string]fsx.File
}

func newTwin(t *rapid.T, root string) *twin {
	mem := fsxtest.New()
	require.NoError(t, mem.MkdirAll(root, 0o750))
	return &twin{[2]side{
		{fs: fsx.OS{}, root: root, file: map[string]fsx.File{}},
		{fs: mem, root: root, file: map[string]fsx.File{}},
	}}
}

// both runs call on each side and wants the same answer.
func (w *twin) both(t *rapid.T, what string, call func(s *side) string) {
	want, got := call(&w.sides[0]), call(&w.sides[1])
	t.Logf("%s: %s", what, want)
	require.Equal(t, want, got, "%s", what)
}

// outcome is what the two must agree on: the error number, or the error's text where there is none.
func outcome(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, fs.ErrClosed):
		return "closed"
	}
	return err.Error()
}

func (s *side) tree() string {
	var b strings.Builder
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := s.fs.ReadDir(dir)
		fmt.Fprintln(&b, dir, outcome(err))
		for _, e := range entries {
			name := filepath.Join(dir, e.Name())
			if e.IsDir() {
				walk(name)
				continue
			}
			f, err := s.fs.OpenFile(name, os.O_RDONLY, 0)
			if err != nil {
				fmt.Fprintln(&b, name, outcome(err))
				continue
			}
			data, err := io.ReadAll(f)
			fmt.Fprintf(&b, "%s %q %s\n", name, data, outcome(errors.Join(err, f.Close())))
		}
	}
	walk(s.root)
	return b.String()
}

func (s *side) close() error {
	var errs []error
	for _, f := range s.file {
		if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Any sequence of calls has the same results and leaves the same tree as on the machine's own file system.
func TestAgreesWithOS(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		root := t.TempDir() // another one at each call
		w := newTwin(rt, root)
		defer func() {
			for i := range w.sides {
				require.NoError(rt, w.sides[i].close())
			}
		}()
		names := rapid.SampledFrom([]string{"a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "a/x"})
		rt.Repeat(w.actions(names))
	})
}

func (w *twin) actions(names *rapid.Generator[string]) map[string]func(*rapid.T) {
	pair := func(t *rapid.T) (string, string) { return names.Draw(t, "old"), names.Draw(t, "new") }
	return map[string]func(*rapid.T){
		"": func(t *rapid.T) { w.both(t, "tree", (*side).tree) },
		"open": func(t *rapid.T) {
			name := names.Draw(t, "name")
			flag := rapid.SampledFrom([]int{
				os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREATE, os.O_WRONLY | os.O_CREATE | os.O_EXCL,
				os.O_RDWR | os.O_CREATE | os.O_TRUNC, os.O_RDWR | os.O_CREATE,
			}).Draw(t, "flag")
			w.both(t, fmt.Sprintf("open %s %#x", name, flag), func(s *side) string { return s.open(name, flag) })
		},
		"close": w.onFile(names, "close", func(*rapid.T) func(fsx.File) string {
			return func(f fsx.File) string { return outcome(f.Close()) }
		}),
		"write": w.onFile(names, "write", func(t *rapid.T) func(fsx.File) string {
			data := drawData(t)
			return func(f fsx.File) string { return count(f.Write(data)) }
		}),
		"writeAt": w.onFile(names, "writeAt", func(t *rapid.T) func(fsx.File) string {
			data, off := drawData(t), rapid.Int64Range(-1, 9000).Draw(t, "off")
			return func(f fsx.File) string { return count(f.WriteAt(data, off)) }
		}),
		"truncate": w.onFile(names, "truncate", func(t *rapid.T) func(fsx.File) string {
			size := rapid.Int64Range(-1, 9000).Draw(t, "size")
			return func(f fsx.File) string { return outcome(f.Truncate(size)) }
		}),
		"seek": w.onFile(names, "seek", func(t *rapid.T) func(fsx.File) string {
			off, whence := rapid.Int64Range(-5, 5000).Draw(t, "off"), rapid.IntRange(0, 2).Draw(t, "whence")
			return func(f fsx.File) string {
				at, err := f.Seek(off, whence)
				return fmt.Sprint(at, outcome(err))
			}
		}),
		"read": w.onFile(names, "read", func(t *rapid.T) func(fsx.File) string {
			p := make([]byte, rapid.IntRange(0, 5000).Draw(t, "len"))
			return func(f fsx.File) string { return count(f.Read(p)) }
		}),
		"readAt": w.onFile(names, "readAt", func(t *rapid.T) func(fsx.File) string {
			p, off := make([]byte, rapid.IntRange(0, 5000).Draw(t, "len")), rapid.Int64Range(-1, 9000).Draw(t, "off")
			return func(f fsx.File) string { return count(f.ReadAt(p, off)) }
		}),
		"sync": w.onFile(names, "sync", func(*rapid.T) func(fsx.File) string {
			return func(f fsx.File) string { return outcome(errors.Join(f.Sync(), f.SyncData())) }
		}),
		"mkdir":  w.onName(names, "mkdir", func(s *side, name string) error { return s.fs.MkdirAll(name, 0o750) }),
		"remove": w.onName(names, "remove", func(s *side, name string) error { return s.fs.Remove(name) }),
		"rename": func(t *rapid.T) {
			a, b := pair(t)
			w.both(t, "rename "+a+" "+b, func(s *side) string {
				return outcome(s.fs.Rename(filepath.Join(s.root, a), filepath.Join(s.root, b)))
			})
		},
		"link": func(t *rapid.T) {
			a, b := pair(t)
			w.both(t, "link "+a+" "+b, func(s *side) string {
				return outcome(s.fs.Link(filepath.Join(s.root, a), filepath.Join(s.root, b)))
			})
		},
	}
}

func drawData(t *rapid.T) []byte {
	fill, n := rapid.Byte().Draw(t, "byte"), rapid.IntRange(0, 5000).Draw(t, "len")
	return []byte(strings.Repeat(string(rune(fill%128)), n))
}

func count(n int, err error) string { return fmt.Sprint(n, outcome(err)) }

func (w *twin) onName(names *rapid.Generator[string], what string, call func(*side, string) error) func(*rapid.T) {
	return func(t *rapid.T) {
		name := names.Draw(t, "name")
		w.both(t, what+" "+name, func(s *side) string { return outcome(call(s, filepath.Join(s.root, name))) })
	}
}

func (w *twin) onFile(
	names *rapid.Generator[string], what string, draw func(*rapid.T) func(fsx.File) string,
) func(*rapid.T) {
	return func(t *rapid.T) {
		name, call := names.Draw(t, "name"), draw(t)
		w.both(t, what+" "+name, func(s *side) string {
			if s.file[name] == nil {
				return "not open"
			}
			return call(s.file[name])
		})
	}
}

func (s *side) open(name string, flag int) string {
	f, err := s.fs.OpenFile(filepath.Join(s.root, name), flag, 0o640)
	if err != nil {
		return outcome(err)
	}
	if old := s.file[name]; old != nil {
		if err := old.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
			return outcome(err)
		}
	}
	s.file[name] = f
	return "ok"
}
