package fsx

import (
	"io"
	"io/fs"
)

// FS is a file system. Paths are as package os takes them. Errors are *fs.PathError or *os.LinkError
// and answer errors.Is(err, fs.ErrNotExist) and the like. Safe for concurrent use.
type FS interface {
	// OpenFile opens name with os.O_* flags. O_APPEND is not used: writers know their offset.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	MkdirAll(name string, perm fs.FileMode) error
	// ReadDir lists a directory sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
	// Rename replaces newname atomically. Not durable before SyncDir of both directories.
	Rename(oldname, newname string) error
	// Link makes newname a hard link to oldname; fs.ErrExist if newname exists.
	Link(oldname, newname string) error
	// Remove unlinks a file or removes an empty directory.
	Remove(name string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error
	// Lock takes an exclusive advisory lock on name, which it creates if need be (mode 0640). It does
	// not wait: ErrLocked if another process, or another open file here, holds it. Closing releases it;
	// so does the end of the process. The file can be read and written through the result.
	Lock(name string) (File, error)
	// Space reports the space of the file system that holds name.
	Space(name string) (Space, error)
	// SameFile reports whether two results of Stat are one file.
	SameFile(a, b fs.FileInfo) bool
}

// File is an open file. Not safe for concurrent use, but Sync and SyncData may run beside Write,
// WriteAt, Truncate and ReadAt.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Seeker
	io.Closer
	Stat() (fs.FileInfo, error)
	// Truncate sets the size. The read and write position does not move.
	Truncate(size int64) error
	// Sync is fsync(2): bytes and metadata.
	Sync() error
	// SyncData is fdatasync(2): bytes and what is needed to read them, the size included.
	SyncData() error
}

// Space is what statfs(2) says, in bytes.
type Space struct {
	Free  int64 // available to us (f_bavail)
	Total int64
}
