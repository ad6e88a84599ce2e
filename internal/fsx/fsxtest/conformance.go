package fsxtest

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// Conformance tests what [fsx.FS] promises, and what its users take from package os. start returns a
// file system and an empty directory in it; it is called once for each test.
func Conformance(t *testing.T, start func() (fsys fsx.FS, root string)) {
	t.Helper()
	tests := map[string]func(*suite){
		"OpenFlags":         (*suite).openFlags,
		"OpenErrors":        (*suite).openErrors,
		"Position":          (*suite).position,
		"WriteAt":           (*suite).writeAt,
		"Truncate":          (*suite).truncate,
		"ReadAt":            (*suite).readAt,
		"Seek":              (*suite).seek,
		"AccessMode":        (*suite).accessMode,
		"Closed":            (*suite).closed,
		"SyncBesideWrite":   (*suite).syncBesideWrite,
		"MkdirAll":          (*suite).mkdirAll,
		"ReadDir":           (*suite).readDir,
		"Stat":              (*suite).stat,
		"Rename":            (*suite).rename,
		"RenameErrors":      (*suite).renameErrors,
		"RenameDirectory":   (*suite).renameDirectory,
		"RenameSameFile":    (*suite).renameSameFile,
		"Link":              (*suite).link,
		"LinkErrors":        (*suite).linkErrors,
		"Remove":            (*suite).remove,
		"RemoveOpenFile":    (*suite).removeOpenFile,
		"SyncDir":           (*suite).syncDir,
		"Lock":              (*suite).lock,
		"LockIsOnTheInode":  (*suite).lockIsOnTheInode,
		"Space":             (*suite).space,
		"BootID":            (*suite).bootID,
		"ReplaceFile":       (*suite).replaceFile,
		"ReplaceFileErrors": (*suite).replaceFileErrors,
		"MkdirAllDurable":   (*suite).mkdirAllDurable,
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) {
			fsys, root := start()
			run(&suite{Assertions: require.New(t), t: t, fs: fsys, root: root})
		})
	}
}

// suite is one test: a file system, and shorthands that fail the test.
type suite struct {
	*require.Assertions
	t    *testing.T
	fs   fsx.FS
	root string
}

func (s *suite) path(elem ...string) string {
	return filepath.Join(append([]string{s.root}, elem...)...)
}

// open opens a file of the root and closes it when the test ends, if the test has not.
func (s *suite) open(name string, flag int) fsx.File {
	s.t.Helper()
	f, err := s.fs.OpenFile(s.path(name), flag, 0o640)
	s.NoError(err)
	s.t.Cleanup(func() { s.closeOnce(f) })
	return f
}

func (s *suite) closeOnce(f fsx.File) {
	if err := f.Close(); err != nil {
		s.ErrorIs(err, fs.ErrClosed)
	}
}

func (s *suite) write(name, data string) {
	s.t.Helper()
	f := s.open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	n, err := f.Write([]byte(data))
	s.NoError(err)
	s.Equal(len(data), n)
	s.NoError(f.Close())
}

func (s *suite) read(name string) string {
	s.t.Helper()
	f := s.open(name, os.O_RDONLY)
	data, err := io.ReadAll(f)
	s.NoError(err)
	s.NoError(f.Close())
	return string(data)
}

func (s *suite) names(name string) []string {
	s.t.Helper()
	entries, err := s.fs.ReadDir(s.path(name))
	s.NoError(err)
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func (s *suite) missing(name string) {
	s.t.Helper()
	_, err := s.fs.Stat(s.path(name))
	s.ErrorIs(err, fs.ErrNotExist)
}

// pathError checks that err names the path and is kind.
func (s *suite) pathError(err error, name string, kind error) {
	s.t.Helper()
	s.ErrorIs(err, kind)
	var pathErr *fs.PathError
	s.ErrorAs(err, &pathErr)
	// A file that a confined file system opened says its absolute path.
	s.True(strings.HasSuffix(pathErr.Path, s.path(name)), pathErr.Path)
}

func (s *suite) linkError(err, kind error) {
	s.t.Helper()
	s.ErrorIs(err, kind)
	var linkErr *os.LinkError
	s.ErrorAs(err, &linkErr)
}
