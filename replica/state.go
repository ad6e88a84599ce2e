package replica

import (
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Phase is what a Client is doing.
type Phase uint8

// The phases, in the order of a connection with a full resync.
const (
	// PhaseIdle: Run was not called yet.
	PhaseIdle Phase = iota
	// PhaseConnecting: resolving, connecting, TLS.
	PhaseConnecting
	// PhaseHandshake: introducing ourselves.
	PhaseHandshake
	// PhaseResync: PSYNC was sent; for a full resync, until the snapshot begins to arrive.
	PhaseResync
	// PhaseSnapshot: the snapshot arrives, or the sink makes it durable.
	PhaseSnapshot
	// PhaseStreaming: in step with the upstream, but for what is in flight.
	PhaseStreaming
	// PhaseBackingOff: waiting for the next try.
	PhaseBackingOff
	// PhaseStopped: Run has returned.
	PhaseStopped
)

// String returns the phase in lower-case words.
func (p Phase) String() string {
	switch p {
	case PhaseIdle:
		return "idle"
	case PhaseConnecting:
		return "connecting"
	case PhaseHandshake:
		return "handshake"
	case PhaseResync:
		return "waiting for resync"
	case PhaseSnapshot:
		return "snapshot"
	case PhaseStreaming:
		return "streaming"
	case PhaseBackingOff:
		return "backing off"
	case PhaseStopped:
		return "stopped"
	default:
		return "unknown"
	}
}

// State is what a Client is doing now, and what it has done since New.
type State struct {
	Phase Phase
	Since time.Time // when Phase began
	Peer  Peer      // the connection, or the last one; zero before the first handshake

	// ReplID is the history that is being received, or was; zero before the first resync.
	ReplID stream.ReplID

	// LastFailure is why the last connection ended; a zero Class if none did. It is not forgotten when the next one succeeds.
	LastFailure   Failure
	LastFailureAt time.Time
	// NextTry is when the next connection is tried, in PhaseBackingOff.
	NextTry time.Time

	// Snapshot is the one that arrives, or the last; SnapshotBytes of it were handed to the sink (updated once a second).
	Snapshot      stream.Snapshot
	SnapshotBytes int64

	FullResyncs     int64 // snapshots taken
	PartialResyncs  int64 // +CONTINUE taken
	FailedSnapshots int64 // snapshots announced but not taken, and upstreams that could not make one

	ReceivedBytes int64     // of the stream, on all connections
	ReceivedAt    time.Time // when the last of them came
}

// State returns the current state. Safe for concurrent use.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state
	s.ReceivedBytes = c.receivedBytes.Load()
	if ms := c.receivedAt.Load(); ms != 0 {
		s.ReceivedAt = time.UnixMilli(ms)
	}
	return s
}

// change runs f on the state.
func (c *Client) change(f func(*State)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.state)
}

// enter begins a phase.
func (c *Client) enter(p Phase) {
	c.change(func(s *State) { s.Phase, s.Since = p, time.Now() })
}

func (c *Client) connected(p Peer) {
	c.change(func(s *State) { s.Peer = p })
	c.opts.Observer.connected(p)
}

func (c *Client) partialResynced(asked, got stream.Position) {
	c.reported = ""
	c.change(func(s *State) {
		s.PartialResyncs++
		s.ReplID = got.ReplID
	})
	c.opts.Observer.partialResync(PartialResync{Asked: asked, ID: got.ReplID})
}

func (c *Client) snapshotBegun(asked stream.Position, snap stream.Snapshot) {
	c.reported = ""
	c.enter(PhaseSnapshot)
	c.change(func(s *State) { s.Snapshot, s.SnapshotBytes = snap, 0 })
	c.opts.Observer.fullResync(FullResync{Asked: asked, Snapshot: snap})
}

func (c *Client) snapshotProgress(snap stream.Snapshot, n int64) {
	c.change(func(s *State) { s.SnapshotBytes = n })
	c.opts.Observer.snapshotProgress(snap, n)
}

func (c *Client) snapshotDone(snap stream.Snapshot, n int64, err error) {
	c.change(func(s *State) {
		s.SnapshotBytes = n
		if err == nil {
			s.FullResyncs++
			s.ReplID = snap.Position.ReplID
		}
	})
	c.opts.Observer.snapshotDone(snap, n, err)
}

// received is called for each read.
func (c *Client) received(n int, at int64) {
	c.receivedBytes.Add(int64(n))
	c.receivedAt.Store(at)
	c.opts.Observer.received(n)
}

// lost records the end of a connection.
func (c *Client) lost(f Failure) {
	now := time.Now()
	c.change(func(s *State) {
		s.LastFailure, s.LastFailureAt = f, now
		s.NextTry = now.Add(f.Retry)
		if f.Class == ClassSnapshot {
			s.FailedSnapshots++
		}
	})
	if f.Class == ClassRefused {
		if text := withoutDigits(f.Err.Error()); text != c.reported {
			c.reported = text
			c.opts.Observer.refused(f)
		}
	}
	c.opts.Observer.linkLost(f)
}
