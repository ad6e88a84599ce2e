package replica

import (
	"context"
	"io"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Sink takes what the upstream sends. Client calls its methods from one goroutine at a time, in the
// order: Resume, then Continue or FullResync, then Append any number of times, then Rollback when the
// connection ends; and again. A connection that ends before Continue or FullResync has returned nil is followed by the next
// Resume, without Rollback. Nothing follows a final error.
//
// An error of any method but FullResync is final and ends Client.Run, save ctx's own, and one of Append that answers `Fatal() bool` with false: then Rollback
// follows, and the next Resume says where to go on. An error of
// FullResync ends the connection; it is final if it answers `Fatal() bool` with true, else the snapshot is
// asked for again later, slowly, because each one forks the upstream.
type Sink interface {
	// Resume returns the position to ask for and the database that is selected there. A zero position
	// asks for a full resync. An error that answers `Fatal() bool` with false says that no full resync can be
	// taken now (no space for a snapshot): the client reports it and asks again later without contacting the upstream.
	Resume() (stream.Position, int, error)

	// Continue says that the upstream goes on from the position that Resume returned, under id, which may be a
	// new one. What the log holds past that position it replaces by what Append brings, and a changed id is on stable storage before
	// anything that it did not hold.
	Continue(ctx context.Context, id stream.ReplID) error

	// FullResync replaces everything by the snapshot that r yields. r ends with io.EOF exactly at the end of a complete
	// payload, and with another error otherwise. When it returns nil the snapshot was verified and is on stable storage,
	// and Append goes on at snap.Position.Offset+1 in the returned database. Otherwise nothing has changed. It may take its
	// time: the upstream is told that we are alive. It must have read r to io.EOF before it returns nil.
	FullResync(ctx context.Context, snap stream.Snapshot, r io.Reader) (db int, err error)

	// Append takes the next bytes of the stream. It returns once they are in the file (not: durable), and waits
	// while the disk is full. A run with More may be left for the first one without it: until that is in the file Received does not
	// count it, and after an error, or a Rollback, it was never there. It keeps run.Data no longer than stream.Run says, and run not at all.
	Append(ctx context.Context, run *stream.Run) error

	// Rollback forgets everything after the last boundary outside MULTI: the connection ended, and the rest of a
	// command or transaction will be sent again or never.
	Rollback() error
}

// Acks is what the client reports upstream. Safe for concurrent use.
type Acks interface {
	// Received is the offset up to which the stream is in the file: the ACK.
	Received() stream.Offset
	// Durable is the offset to report as FACK; ok is false while there is none to report.
	Durable() (off stream.Offset, ok bool)
	// Moved returns a channel that is closed when what Durable returns next changes.
	Moved() <-chan struct{}
}
