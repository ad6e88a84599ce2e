package replica

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// markBytes is the length of the mark that ends a delimited payload (Redis server.h:CONFIG_RUN_ID_SIZE).
const markBytes = 40

// aliveInterval is how often a newline is sent while the sink finishes a snapshot.
const aliveInterval = time.Second

// errNotRead ends Run: a sink that calls an unread snapshot complete is broken.
var errNotRead = errors.New("sink took a snapshot without reading it to its end")

// framing is how the payload's end is found.
type framing struct {
	length int64  // announced bytes, or -1
	mark   []byte // the bytes after the payload, if length is -1
}

// readFraming waits for the header line. Newlines before it mean that the upstream is still writing the snapshot.
func readFraming(l *link) (framing, error) {
	line, err := l.line()
	if err != nil {
		return framing{}, fmt.Errorf("read the snapshot's header: %w", err)
	}
	if line[0] == '-' {
		return framing{}, &ServerError{Command: "PSYNC", Reply: string(line[1:])}
	}
	if mark, ok := bytes.CutPrefix(line, []byte("$EOF:")); ok && len(mark) == markBytes {
		return framing{length: -1, mark: bytes.Clone(mark)}, nil
	}
	if digits, ok := bytes.CutPrefix(line, []byte("$")); ok {
		if n, err := strconv.ParseUint(string(digits), 10, 63); err == nil {
			return framing{length: int64(n)}, nil
		}
	}
	return framing{}, &ProtocolError{What: fmt.Sprintf("want $<length> or $EOF:<mark>, got %.64q", line)}
}

// fullResync hands the snapshot that follows to the sink and returns the database that its stream begins in.
func (c *Client) fullResync(ctx context.Context, l *link, pos stream.Position, frame framing) (db int, err error) {
	snap := stream.Snapshot{Position: pos, Bytes: frame.length}
	body := newPayload(l.in, frame)
	body.progress = func(n int64) { c.snapshotProgress(snap, n) }
	stop := l.stayAlive(body.ended)
	db, err = c.sink.FullResync(ctx, snap, body)
	stop()
	switch {
	case err == nil && !body.complete:
		err = &finalError{errNotRead}
	case err != nil && isFatal(err, false):
		err = &finalError{err}
	case err != nil:
		err = &SnapshotError{Position: pos, Bytes: body.bytes, Unbegun: body.lost && body.bytes == 0, Err: err}
	}
	c.snapshotDone(snap, body.bytes, err)
	return db, err
}

// stayAlive sends a bare newline every second from the payload's end until stop: to an upstream it is a sign of life and nothing
// else (networking.c:processInlineBuffer), while an ACK would say that the snapshot is safe. Not earlier: an
// upstream that still writes the payload does not read.
func (l *link) stayAlive(ended <-chan struct{}) (stop func()) {
	done, joined := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(joined)
		select {
		case <-ended:
		case <-done:
			return
		}
		ticker := time.NewTicker(aliveInterval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			if l.write([]byte{'\n'}) != nil {
				return // the link remembers, and the snapshot is worth finishing
			}
		}
	}()
	return func() {
		close(done)
		<-joined
	}
}

// payload reads a snapshot's bytes: io.EOF comes exactly at the end of a complete one. Not one byte more is consumed from in, where the
// stream follows.
type payload struct {
	in       *bufio.Reader
	mark     []byte // nil: counted
	left     int64  // counted: bytes to come. Delimited: bytes buffered in in that are known to come before the mark
	found    bool   // delimited: the mark follows after left bytes
	bytes    int64  // read so far
	complete bool
	lost     bool          // the connection ended, or is silent
	ended    chan struct{} // closed when complete
	progress func(bytes int64)
	reported time.Time
}

func newPayload(in *bufio.Reader, frame framing) *payload {
	p := &payload{in: in, mark: frame.mark, ended: make(chan struct{}), reported: time.Now()}
	if p.mark == nil {
		p.left, p.found = frame.length, true
	}
	return p
}

// Read is io.Reader's.
func (p *payload) Read(b []byte) (int, error) {
	if p.left == 0 && !p.found {
		if err := p.search(); err != nil {
			p.lost = true
			return 0, closedByPeer(err)
		}
	}
	n := 0
	if p.left > 0 {
		var err error
		n, err = p.in.Read(b[:min(int64(len(b)), p.left)])
		p.left -= int64(n)
		p.bytes += int64(n)
		if err != nil {
			p.lost = true
			return n, closedByPeer(err)
		}
	}
	if now := time.Now(); now.Sub(p.reported) >= time.Second {
		p.reported = now
		p.progress(p.bytes)
	}
	if p.left == 0 && p.found {
		p.finish()
		if n == 0 && len(b) > 0 {
			return 0, io.EOF
		}
	}
	return n, nil
}

// search looks for the mark in what is buffered. All but the last bytes of it, which may be the mark's beginning, are safe to
// hand out. There is no need to know where the payload ends otherwise: the mark is 160 random bits that the upstream
// draws after the data set is frozen. Waiting for a mark's length costs nothing, since a mark is still to come.
func (p *payload) search() error {
	if _, err := p.in.Peek(markBytes); err != nil {
		return err
	}
	window, err := p.in.Peek(p.in.Buffered())
	if err != nil {
		return err
	}
	if i := bytes.Index(window, p.mark); i >= 0 {
		p.left, p.found = int64(i), true
		return nil
	}
	p.left = int64(len(window) - (markBytes - 1))
	return nil
}

func (p *payload) finish() {
	if p.complete {
		return
	}
	_, _ = p.in.Discard(len(p.mark)) // it is buffered: search has seen it
	p.complete = true
	close(p.ended)
}
