package fsx

import (
	"errors"
	"io"
	"io/fs"
)

// ErrLocked says that another process, or another open file of this one, holds the lock. It comes
// wrapped in a *fs.PathError.
var ErrLocked = errors.New("locked by another process")

// FS is a file system. Paths are as package os takes them. Errors are *fs.PathError or *os.LinkError
// and answer errors.Is(err, fs.ErrNotExist) and the like. An interrupted system call is repeated, never
// returned. Safe for concurrent use.
type FS interface {
	// OpenFile opens name with os.O_* flags. O_APPEND is not used: writers know their offset. A
	// directory cannot be opened.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// MkdirAll makes name and its missing parents. Not durable: see MkdirAllDurable.
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
	// SyncDir makes the names in a directory durable: those made, and those gone. It does not sync the files
	// that they name. An error leaves it unknown which names a crash would keep.
	SyncDir(name string) error
	// Lock takes an exclusive advisory lock on name, which it creates if need be (mode 0640). It does
	// not wait: ErrLocked if another process, or another open file here, holds it. Closing releases it;
	// so does the end of the process. The file can be read and written through the result. Its name
	// stays: a lock file is never removed.
	Lock(name string) (File, error)
	// Space reports the space of the file system that holds name, which must exist.
	Space(name string) (Space, error)
	// SameFile reports whether two results of Stat of this FS are one file.
	SameFile(a, b fs.FileInfo) bool
	// BootID names the time since the machine under this FS last started: while it is the same, what was
	// written and not synced is still there. An error (errors.ErrUnsupported) where the system does not tell.
	BootID() (string, error)
}

// File is an open file. Not safe for concurrent use, but Sync and SyncData may run beside Write,
// WriteAt, Truncate and ReadAt; they then cover what was written before they were called.
type File interface {
	io.Reader
	io.ReaderAt
	// Write writes at the position. n < len(p) with an error (ENOSPC) means that n bytes were written.
	io.Writer
	// WriteAt writes at off; the position does not move. A gap before off reads as zeros.
	io.WriterAt
	io.Seeker
	io.Closer
	Stat() (fs.FileInfo, error)
	// Truncate sets the size. The read and write position does not move.
	Truncate(size int64) error
	// Sync is fsync(2): bytes and metadata. After an error the unsynced bytes may be gone, and a later
	// Sync that succeeds says nothing about them.
	Sync() error
	// SyncData is fdatasync(2): bytes and what is needed to read them, the size included. Errors as Sync's.
	SyncData() error
}

// Space is what statfs(2) says, in bytes; values that do not fit are math.MaxInt64.
type Space struct {
	Free  int64 // available to us (f_bavail): without what is reserved for root
	Total int64
}
