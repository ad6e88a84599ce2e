package aof

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// ErrFailed is matched by every error of a Log whose disk failed: the latch. Only a new Open, in a new process, helps.
var ErrFailed = errors.New("log failed")

// ErrClosed is returned by a Log after Close.
var ErrClosed = errors.New("log closed")

// DiskError is a failure of the disk that no retry heals: a failed fsync, or a failed write other than for space.
// It matches ErrFailed.
type DiskError struct {
	Op   string // "sync", "write", ...
	Path string
	Err  error
}

func (e *DiskError) Error() string {
	return fmt.Sprintf("%s %s: %v; what was not yet durable is unknown", e.Op, e.Path, e.Err)
}

// Unwrap makes the cause and ErrFailed visible to errors.Is.
func (e *DiskError) Unwrap() []error { return []error{ErrFailed, e.Err} }

// Fatal says that replication must not go on.
func (e *DiskError) Fatal() bool { return true }

// ForeignWriteError says that a file of the log changed under us: another process writes here. It matches ErrFailed: nothing more is
// written. After the other one has stopped, the next start goes back to what is ours.
type ForeignWriteError struct {
	Path      string
	Want, Got int64 // sizes in bytes
}

func (e *ForeignWriteError) Error() string {
	return fmt.Sprintf("somebody else writes to %s: it should have %d bytes and has %d", e.Path, e.Want, e.Got)
}

// Unwrap makes ErrFailed visible to errors.Is.
func (e *ForeignWriteError) Unwrap() error { return ErrFailed }

// Fatal says that replication must not go on.
func (e *ForeignWriteError) Fatal() bool { return true }

// CorruptError names the place of damage, or of a hole in the chain of increments.
type CorruptError struct {
	Path   string
	Offset int64 // in the file, bytes
	What   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is corrupt at byte %d: %s", e.Path, e.Offset, e.What)
}

// HeldError says that another process holds the directory.
type HeldError struct{ Dir string }

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is held by another aofsidecar", e.Dir)
}

// NotOursError says that a directory has data that we did not write; it may be a server's own.
type NotOursError struct {
	Dir  string
	What string
}

func (e *NotOursError) Error() string {
	return fmt.Sprintf("%s is not a directory of aofsidecar: %s", e.Dir, e.What)
}

// SnapshotError says why a snapshot was not taken. The chain on disk is unchanged.
type SnapshotError struct {
	What string
	Err  error // may be nil
}

func (e *SnapshotError) Error() string {
	if e.Err == nil {
		return "snapshot refused: " + e.What
	}
	return "snapshot refused: " + e.What + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *SnapshotError) Unwrap() error { return e.Err }

// Fatal says that the snapshot can be asked for again, later.
func (e *SnapshotError) Fatal() bool { return false }

// SpaceError says that the disk has no room for a base, a snapshot's or a rewrite's, of the size that is to be expected.
type SpaceError struct {
	Path       string
	Need, Free int64 // bytes
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("no space for a new base in %s: about %d bytes are needed and %d are free", e.Path, e.Need, e.Free)
}

// Fatal says that the next try may find space.
func (e *SpaceError) Fatal() bool { return false }

// syncFailure returns err as a *DiskError if an fsync failed, of a file or of a directory, and else wrapped: what was refused
// has changed nothing.
func syncFailure(op, path string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok && (e.Op == "sync" || e.Op == "fdatasync") && !isNoSpace(err) {
		return &DiskError{Op: op, Path: path, Err: err}
	}
	return fmt.Errorf("%s: %w", op, err)
}

// isNoSpace reports whether a write failed for want of space, which others may free. A *DiskError is none: an fsync or a cut that
// finds no space leaves a file in a state that nobody knows.
func isNoSpace(err error) bool {
	if _, failed := errors.AsType[*DiskError](err); failed {
		return false
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
