package fsxtest

import (
	"fmt"
	"strconv"
)

// Kind is what an operation does.
type Kind uint8

// The operations that change something, or make a change durable.
const (
	Create   Kind = iota + 1 // OpenFile or Lock made a file
	Mkdir                    // MkdirAll made one directory
	Write                    // Write or WriteAt
	Truncate                 // Truncate, or O_TRUNC of a file that had bytes
	Rename
	Link
	Remove
	Sync
	SyncData
	SyncDir
)

func (k Kind) String() string {
	names := [...]string{
		Create: "create", Mkdir: "mkdir", Write: "write", Truncate: "truncate", Rename: "rename", Link: "link",
		Remove: "remove", Sync: "sync", SyncData: "syncdata", SyncDir: "syncdir",
	}
	if int(k) < len(names) && names[k] != "" {
		return names[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Op is one operation, as hooks see it.
type Op struct {
	Kind    Kind
	Path    string // absolute and clean; of an open file: as it was opened
	NewPath string // Rename, Link: the new name
	Off     int64  // Write: where; Truncate: the new size
	Len     int64  // Write: how many bytes

	// Half says that a Write has stored Off..Off+Len, the first half of its bytes, and goes on. Only OnOp sees it.
	Half bool
	// Err is what the operation returns. Only OnOp sees it.
	Err error
}

// String returns the operation on one line.
func (o Op) String() string {
	s := o.Kind.String() + " " + o.Path
	switch o.Kind {
	case Rename, Link:
		s += " -> " + o.NewPath
	case Write:
		s += fmt.Sprintf(" %d+%d", o.Off, o.Len)
	case Truncate:
		s += fmt.Sprintf(" %d", o.Off)
	case Create, Mkdir, Remove, Sync, SyncData, SyncDir:
	}
	if o.Half {
		s += " (first half)"
	}
	if o.Err != nil {
		s += ": " + o.Err.Error()
	}
	return s
}

// ShortWriteError makes a Write store its first N bytes and return N and Err. A hook given to [FS.FailOp] returns it.
type ShortWriteError struct {
	N   int
	Err error
}

// Error returns Err's text and N.
func (e *ShortWriteError) Error() string { return fmt.Sprintf("%v after %d bytes", e.Err, e.N) }

// Unwrap returns Err.
func (e *ShortWriteError) Unwrap() error { return e.Err }
