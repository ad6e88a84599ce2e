package replica

import (
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Observer learns what a Client does. Any func may be nil. They are called from the client's goroutines, some of them at the same
// time, and hold the stream up until they return; they must not call the Client but for State.
type Observer struct {
	// Connecting: a connection is about to be tried.
	Connecting func(addr string)
	// Connected: the handshake succeeded and PSYNC is about to be sent.
	Connected func(Peer)
	// Refused: the upstream, or our own setup, needs someone to change something. Called once, and again only when the
	// reason changes or after a resync.
	Refused func(Failure)
	// PartialResync: the upstream goes on from our position.
	PartialResync func(PartialResync)
	// FullResync: a snapshot has begun to arrive.
	FullResync func(FullResync)
	// SnapshotProgress: so many of its bytes were handed to the sink. At most once a second.
	SnapshotProgress func(snap stream.Snapshot, bytes int64)
	// SnapshotDone: the sink has taken the snapshot, or err says why not.
	SnapshotDone func(snap stream.Snapshot, bytes int64, err error)
	// Received: so many bytes of the stream were read. Called for each read.
	Received func(bytes int)
	// GetAck: the upstream asks for an acknowledgement; off is the offset before its request.
	GetAck func(off stream.Offset)
	// AckSent: an acknowledgement was written.
	AckSent func(Ack)
	// LinkLost: a connection, or the try to get one, ended; refused ones too. Not called when Run is being ended.
	LinkLost func(Failure)
}

// Peer is a connection after the handshake.
type Peer struct {
	Local, Remote string
	Server        Server
}

// PartialResync is a +CONTINUE.
type PartialResync struct {
	Asked stream.Position // the position that we had
	ID    stream.ReplID   // the history's id from now on; other than Asked's after a failover
}

// FullResync is a +FULLRESYNC whose payload has been announced.
type FullResync struct {
	Asked    stream.Position // the position that we had; zero: we asked for it
	Snapshot stream.Snapshot // Bytes is -1 for a payload that ends with a mark (diskless)
}

// Ack is what was acknowledged.
type Ack struct {
	Received   stream.Offset
	Durable    stream.Offset // meaningful if HasDurable
	HasDurable bool
}

// Failure is the end of a connection.
type Failure struct {
	Class Class
	Err   error
	Phase Phase         // what was being done
	Retry time.Duration // how long until the next try
	InRow int           // how many of this class since the last progress, this one included
}

func (o *Observer) connecting(addr string) {
	if o.Connecting != nil {
		o.Connecting(addr)
	}
}

func (o *Observer) connected(p Peer) {
	if o.Connected != nil {
		o.Connected(p)
	}
}

func (o *Observer) refused(f Failure) {
	if o.Refused != nil {
		o.Refused(f)
	}
}

func (o *Observer) partialResync(p PartialResync) {
	if o.PartialResync != nil {
		o.PartialResync(p)
	}
}

func (o *Observer) fullResync(f FullResync) {
	if o.FullResync != nil {
		o.FullResync(f)
	}
}

func (o *Observer) snapshotProgress(snap stream.Snapshot, n int64) {
	if o.SnapshotProgress != nil {
		o.SnapshotProgress(snap, n)
	}
}

func (o *Observer) snapshotDone(snap stream.Snapshot, n int64, err error) {
	if o.SnapshotDone != nil {
		o.SnapshotDone(snap, n, err)
	}
}

func (o *Observer) received(n int) {
	if o.Received != nil {
		o.Received(n)
	}
}

func (o *Observer) getAck(off stream.Offset) {
	if o.GetAck != nil {
		o.GetAck(off)
	}
}

func (o *Observer) ackSent(a Ack) {
	if o.AckSent != nil {
		o.AckSent(a)
	}
}

func (o *Observer) linkLost(f Failure) {
	if o.LinkLost != nil {
		o.LinkLost(f)
	}
}
