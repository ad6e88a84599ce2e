package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// Store keeps objects by key. Keys are relative, see [CheckKey]; a Store refuses others. No key may be the beginning of another one up to a slash ("a" and "a/b"). Safe for concurrent use.
// Whoever has called Put and got nil finds the whole object from then on (strong consistency), also after a power loss of the
// store. Errors are *StoreError, or ctx's cause.
type Store interface {
	// Put stores body under key, whole or not at all, and returns what Get would say of it.
	Put(ctx context.Context, key string, body Body, cond Condition) (Object, error)
	// Get reads n bytes of the object from byte from on; n < 0, or past it: to its end; 0: the Object alone. The Object is that of the whole. A from behind the end is an error, at
	// it there is nothing to read. The reader fails rather than end early, with a *StoreError that is Temporary if the rest may be asked for. It must be closed.
	Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, Object, error)
	// List yields the objects whose keys begin with prefix and are greater than after ("": all), ascending by key. An error ends it. What a store does
	// not know without opening an object is left out: ETag may be empty. What has no key (see CheckKey) is not ours, and not listed.
	List(ctx context.Context, prefix, after string) iter.Seq2[Object, error]
	// Delete removes an object; that there is none is no error. ErrRetained: it is there and may not be deleted (now).
	Delete(ctx context.Context, key string) error
	// Sweep gives up uploads below prefix that were begun before and never ended, and returns how many.
	Sweep(ctx context.Context, prefix string, before time.Time) (int, error)
	// String is where it is, without secrets: "s3://bucket/prefix", "file:///path".
	String() string
}

// Body is what is stored. It may be opened several times, one after the other.
type Body struct {
	Open func() (io.ReadCloser, error)
	// Size in bytes; -1: it ends where it ends, and the store keeps a bounded part of it in memory. A body of another size than it says is not stored.
	Size int64
	// Hint is about how large a body of unknown size will be, rather too much than too little; 0: not known. It decides how the body is cut, and nothing else.
	Hint int64
}

// Condition is what must hold for Put; the zero value: nothing.
type Condition struct {
	// Absent: there is no such object, else ErrExists.
	Absent bool
	// ETag: the object is there, and is this one, else ErrChanged. It may be the content's: to replace an object by its like changes nothing, and the next one
	// with that ETag succeeds as well.
	ETag string
}

// Object is what a store says of one.
type Object struct {
	Key      string
	Size     int64
	ETag     string
	Modified time.Time
}

// What a Store may answer; test with errors.Is.
var (
	ErrNotFound = errors.New("no such object")
	ErrExists   = errors.New("the object exists")
	ErrChanged  = errors.New("the object is not what it was")
	ErrRetained = errors.New("the store does not let go of the object")
	// ErrUnconditional says that the store ignores or refuses conditions.
	ErrUnconditional = errors.New("the store knows no conditional writes")
	// ErrChecksum says that the bytes that came are not those that were stored. It may be the way, and it may be the store.
	ErrChecksum = errors.New("the checksum of the object does not match")
)

// StoreError is an operation that failed.
type StoreError struct {
	Op   string // put, get, list, delete, sweep, name
	Key  string
	Code string // the store's own word, "AccessDenied"; "": none
	// Temporary says that the same call may succeed later: it is tried again. What has no conditions to meet and no rights to be denied is.
	Temporary bool
	// After is how long the store asks to wait before; 0: it does not say.
	After time.Duration
	Err   error
}

// Error says what was done to which object, and what came of it.
func (e *StoreError) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Key, e.Err) }

// Unwrap returns the cause.
func (e *StoreError) Unwrap() error { return e.Err }
