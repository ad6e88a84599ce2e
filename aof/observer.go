package aof

import (
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Observer is told what the log does. Any func may be nil. They are called from the log's goroutines, some with
// its lock held: they must return at once and must not call the log.
type Observer struct {
	Recovered     func(Recovery)
	Synced        func(took time.Duration)              // after each successful fsync of an increment
	SyncFailed    func(err error)                       // the latch closed
	DiskFull      func(err error)                       // writing stopped for want of space; nil: it goes on
	Rotated       func(name string, at stream.Position) // a new increment takes the stream
	Cut           func(name string, bytes int64)        // a tail was removed from the last increment
	Snapshot      func(bytes int64)                     // so many more bytes of a snapshot are on their way to disk
	Resynced      func(Resync)                          // a full resync is in place
	GuardTripped  func(Guard)                           // the new snapshot is empty or shrunken
	RewriteBegun  func(reason string)
	Rewritten     func(RewriteReport)
	RewriteFailed func(RewriteFailure)
	Removed       func(path string)                        // a retained chain was given up
	Lost          func(timeline string, lost stream.Range) // increments that the archive does not have went for want of disk space
	Note          func(msg, detail string)                 // something an operator should read that is no error
}

// Recovery is what Open found.
type Recovery struct {
	Timeline string          // empty: a new directory
	Position stream.Position // where the log goes on
	Clean    bool            // the file ended with a mark
	SameBoot bool            // everything that was written is there: no reboot, and no failed fsync, since the log was last open
	Tail     int64           // bytes after Position that wait for the upstream's answer
	Torn     int64           // bytes of it that are no whole command outside MULTI
	Scanned  int64           // bytes read to find out
	Took     time.Duration
}

// Resync is a full resync that was taken.
type Resync struct {
	Timeline string
	Position stream.Position
	Bytes    int64 // size of the base
	Keys     int64
	Took     time.Duration
}

// RewriteFailure is a rewrite that did not take place; nothing has changed.
type RewriteFailure struct {
	Reason string
	Err    error
	InRow  int           // failures in a row
	Retry  time.Duration // none begins by itself before

	Interrupted bool // by a full resync or a stop: that is no failure
}

// Guard says that a full resync lost most keys, and what was kept from before.
type Guard struct {
	Timeline string    `json:"timeline"` // the timeline that is kept until it is unpinned
	KeysWas  int64     `json:"keys_was"` // keys before, as far as known
	KeysNow  int64     `json:"keys_now"` // keys in the new base
	At       time.Time `json:"at"`
	By       string    `json:"by_timeline"` // the timeline that took its place
}
