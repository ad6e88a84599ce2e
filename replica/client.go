package replica

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Client is a replica of one upstream. Make it with [New] and call Run once; all other methods are safe for concurrent use.
type Client struct {
	opts     Options
	endpoint endpoint
	sink     Sink
	acks     Acks

	drain     chan struct{} // closed by Drain
	drainOnce sync.Once

	// Of Run's goroutine.
	failures failures
	furthest stream.Offset // the greatest boundary offset that was reached since the last snapshot
	reported string        // what Observer.Refused was last told

	receivedBytes atomic.Int64
	receivedAt    atomic.Int64 // Unix milliseconds

	mu    sync.Mutex
	state State
	drop  context.CancelCauseFunc // ends the connection that is being made or used; nil: there is none
	full  bool                    // a full resync is under way on it
	told  bool                    // to end it behind that
}

// errReconnect is why a connection ends that Reconnect has ended.
var errReconnect = errors.New("told to connect anew")

// Reconnect ends the connection, if there is one; Run makes the next one as after any loss, and asks the sink first where it
// stands. Where the upstream has begun a full resync, it ends behind that: each one forks the upstream, and this one gives the sink all that it
// can want of another.
func (c *Client) Reconnect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = c.full
	if c.drop != nil && !c.full {
		c.drop(errReconnect)
	}
}

// resyncs notes that a full resync is under way, or ends; then it makes up for a Reconnect.
func (c *Client) resyncs(full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full = full
	if c.told && !full {
		c.drop(errReconnect)
	}
}

// droppable returns a context that Reconnect ends, until release.
func (c *Client) droppable(ctx context.Context) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	set := func(drop context.CancelCauseFunc) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.drop, c.full, c.told = drop, false, false
	}
	set(cancel)
	return ctx, func() {
		set(nil)
		cancel(nil)
	}
}

// New checks opts and fills in their defaults; its error names all that is wrong. It does not connect.
func New(opts Options, sink Sink, acks Acks) (*Client, error) {
	ep, err := opts.validate()
	if err != nil {
		return nil, err
	}
	return &Client{
		opts: opts, endpoint: ep, sink: sink, acks: acks,
		drain: make(chan struct{}), state: State{Since: time.Now()},
	}, nil
}

// Drain ends Run gently: a snapshot or stream that is being received goes on until the upstream ends the connection, then Run
// returns instead of connecting again; in every other phase it returns at once. Ending Run's context
// afterwards bounds the wait. It may be called often, and before Run.
func (c *Client) Drain() {
	c.drainOnce.Do(func() { close(c.drain) })
}

// Run replicates until ctx ends or Drain lets it end, and then returns nil; or until the sink fails for good, and then
// returns the sink's error. Trouble with the upstream never ends it. Nothing of it is running when it returns, and what
// was appended ends at a boundary.
func (c *Client) Run(ctx context.Context) error {
	early, cancel := context.WithCancel(ctx) // ends with Drain, too
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-c.drain:
			cancel()
		case <-early.Done():
		}
	})
	defer func() {
		cancel()
		watching.Wait()
		c.enter(PhaseStopped)
	}()
	for {
		err := c.connection(ctx, early)
		if final := new(finalError); errors.As(err, &final) {
			return final.err
		}
		if early.Err() != nil || !c.backOff(early, err) {
			return nil
		}
	}
}

// backOff reports the end of a connection and waits as its class demands; false if ctx ended meanwhile.
func (c *Client) backOff(ctx context.Context, err error) bool {
	failure := Failure{Class: ClassOf(err), Err: err, Phase: c.State().Phase}
	failure.InRow = c.failures.add(failure.Class)
	failure.Retry = c.opts.Backoff.of(err).delay(failure.InRow)
	c.lost(failure)
	c.enter(PhaseBackingOff)
	timer := time.NewTimer(failure.Retry)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// connection is the life of one connection, from asking the sink where it stands to rolling it back. early ends it
// before there is something to receive, ctx at any time. It never returns nil.
func (c *Client) connection(ctx, early context.Context) error {
	ctx, release := c.droppable(ctx)
	defer release()
	asked, db, err := c.sink.Resume()
	if err != nil && isFatal(err, true) {
		return &finalError{err}
	}
	if err != nil {
		return &HeldError{Err: err}
	}
	c.enter(PhaseConnecting)
	c.opts.Observer.connecting(c.opts.Addr)
	l, err := c.dial(early)
	if err != nil {
		return err
	}
	defer l.close()
	got, frame, err := c.negotiate(early, l, asked)
	if err = cmp.Or(err, early.Err()); err != nil {
		return err
	}
	defer l.guard(ctx)()
	if got.full {
		c.snapshotBegun(asked, stream.Snapshot{Position: got.position, Bytes: frame.length})
		db, err = c.fullResync(ctx, l, got.position, frame)
		c.resyncs(false)
	} else {
		err = c.partialResync(ctx, asked, got.position)
	}
	if err != nil {
		return err
	}
	firstAck := ackInterval
	if frame.mark != nil {
		firstAck = eagerInterval
	}
	return c.follow(ctx, l, got, db, firstAck)
}

// negotiate introduces us and waits for the upstream's decision and, if that is a full resync, for the snapshot to begin.
func (c *Client) negotiate(ctx context.Context, l *link, asked stream.Position) (answer, framing, error) {
	release := l.guard(ctx)
	defer release()
	c.enter(PhaseHandshake)
	server, err := c.handshake(ctx, l)
	if err != nil {
		return answer{}, framing{}, err
	}
	c.connected(Peer{Local: l.raw.LocalAddr().String(), Remote: l.raw.RemoteAddr().String(), Server: server})
	c.enter(PhaseResync)
	got, err := psync(l, asked)
	if err != nil || !got.full {
		return got, framing{}, err
	}
	c.resyncs(true)
	frame, err := readFraming(l)
	if err != nil {
		err = &SnapshotError{Position: got.position, Unbegun: ClassOf(err) == ClassNetwork, Err: err}
	}
	return got, frame, err
}

// partialResync tells the sink the id before a byte that follows it. The sink has a changed one on stable storage before anything that it did not hold: an upstream that was
// left behind would otherwise answer to the old id, at another place of its own history (protocol.md 11).
func (c *Client) partialResync(ctx context.Context, asked, got stream.Position) error {
	if err := c.sink.Continue(ctx, got.ReplID); err != nil {
		return sinkError(ctx, err)
	}
	c.partialResynced(asked, got)
	return nil
}

// follow takes the stream until the connection ends, and then takes back what is not whole.
func (c *Client) follow(ctx context.Context, l *link, got answer, db int, firstAck time.Duration) error {
	if got.full {
		c.failures.progress(true)
		c.furthest = got.position.Offset
	}
	c.furthest = max(c.furthest, got.position.Offset)
	boundary, err := c.stream(ctx, l, got.position, db, firstAck)
	if final := new(finalError); errors.As(err, &final) {
		return err
	}
	if err := c.sink.Rollback(); err != nil {
		return &finalError{err}
	}
	if boundary > c.furthest {
		c.failures.progress(false)
		c.furthest = boundary
	}
	return err
}

// withoutDigits makes errors equal that differ in ports and times only.
func withoutDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s)
}
