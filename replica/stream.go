package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// stream takes the stream after pos, in which db is selected, until the connection ends, and returns the last
// boundary that the sink has got. All that was received before the end is appended first.
//
// Three goroutines: one reads the socket, this one feeds the sink and answers GETACK, one acknowledges on the clock, also while
// the sink waits for space. All have ended when stream returns, and the link is closed.
//
// firstAck is the time between the first acknowledgement, which is sent at once, and the second.
func (c *Client) stream(ctx context.Context, l *link, pos stream.Position, db int, firstAck time.Duration) (stream.Offset, error) {
	c.enter(PhaseStreaming)
	feed := newFeeder(c.sink, pos, db)
	ack := newAcker(l, c.acks, c.opts.AckBehind, c.State().Peer.Server.readsFACK(), &c.opts.Observer)
	in, pause := newInflow(), newRest(l.raw)
	done := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { c.read(l, in, pause) })
	others.Go(func() { ack.run(done, firstAck, in.trim) })

	_ = ack.send() // if it fails, the reader sees why
	err := c.pump(ctx, in, feed, ack, pause)
	close(done)
	in.leave()
	l.close()
	others.Wait()
	if cause := l.writeError(); cause != nil && (errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)) {
		err = cause // the upstream took nothing, and so the link was closed
	}
	return feed.boundary, err
}

// read fills in until the connection fails: first with what came along with the answer to PSYNC or the snapshot.
func (c *Client) read(l *link, in *inflow, pause *rest) {
	for {
		space := in.space()
		if space == nil {
			return
		}
		var source io.Reader = timedReader{l}
		if l.in.Buffered() > 0 {
			source = l.in
		}
		called := time.Now()
		n, err := source.Read(space)
		now := time.Now()
		if n > 0 {
			in.filled(n, now.UnixMilli())
			c.received(n, now.UnixMilli())
		}
		if err != nil {
			in.end(closedByPeer(err))
			return
		}
		if err := pause.take(n, called, now); err != nil {
			in.end(fmt.Errorf("rest between reads: %w", err))
			return
		}
	}
}

// pump moves what is in in to the sink until an error ends it.
func (c *Client) pump(ctx context.Context, in *inflow, feed *feeder, ack *acker, pause *rest) error {
	start, seen := headroom, headroom // of the first buffer: what was taken, and what was scanned
	for {
		a, err := in.wait(seen)
		if err != nil {
			return err
		}
		taken, err := feed.feed(ctx, a.buf.data[start:a.end], seen-start, a.at)
		if err != nil {
			return err
		}
		start, seen = start+taken, a.end
		if feed.asked {
			feed.asked = false
			pause.prompt()
			c.opts.Observer.getAck(feed.getAck)
			ack.answer(feed.getAck)
		}
		if !a.sealed {
			continue
		}
		rest := a.buf.data[start:a.end]
		if len(rest) > headroom {
			if err := feed.piece(ctx, rest, a.at); err != nil {
				return err
			}
			rest = nil
		}
		in.next(rest)
		start, seen = headroom-len(rest), headroom
	}
}
