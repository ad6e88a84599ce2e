package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

const (
	// sendBytes is how much is handed to the kernel at once.
	sendBytes = 1 << 20
	// nudgeEvery is how often the last ACK is asked for. A real replica answers GETACK only when it has run all before it.
	nudgeEvery = 20 * time.Millisecond
)

// progress is what a replica has acknowledged.
type progress struct {
	acks int   // how many came
	ack  int64 // the offset in the file
	fack int64 // the offset on stable storage, 0 if it was not told
}

// link is the replication link to one replica. One goroutine sends, another reads acknowledgements.
type link struct {
	conn     net.Conn
	asked    time.Time // when PSYNC came
	resumed  bool      // it was answered by +CONTINUE
	next     int64     // the offset of the last byte sent; of the sender
	snapshot struct{ bytes, keys int64 }

	mu      sync.Mutex
	seen    progress
	err     error         // why no more acknowledgements will come
	changed chan struct{} // closed, and made anew, when one of the above changes
}

func newLink(conn net.Conn, asked time.Time) *link {
	return &link{conn: conn, asked: asked, changed: make(chan struct{})}
}

// send writes bytes that are not of the stream.
func (l *link) send(p []byte) error {
	if _, err := l.conn.Write(p); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// stream writes bytes of the stream.
func (l *link) stream(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), sendBytes)
		if err := l.send(p[:n]); err != nil {
			return err
		}
		l.next += int64(n)
		p = p[n:]
	}
	return nil
}

// readAcks takes what the replica says until the connection ends.
func (l *link) readAcks(in *resp.Reader) {
	for {
		cmd, err := in.Next()
		if errors.Is(err, io.EOF) {
			err = errors.New("the replica closed the connection")
		}
		if err != nil {
			l.end(err)
			return
		}
		if len(cmd.Args) < 3 || !strings.EqualFold(string(cmd.Args[1]), "ACK") {
			continue // a newline is a sign of life
		}
		if err := l.acknowledged(cmd.Args[2:]); err != nil {
			l.end(err)
			return
		}
	}
}

// acknowledged takes the arguments behind ACK: <n> [FACK <m>].
func (l *link) acknowledged(args [][]byte) error {
	ack, err := strconv.ParseInt(string(args[0]), 10, 64)
	if err != nil {
		return fmt.Errorf("read ACK: %w", err)
	}
	var fack int64
	if len(args) >= 3 && strings.EqualFold(string(args[1]), "FACK") {
		if fack, err = strconv.ParseInt(string(args[2]), 10, 64); err != nil {
			return fmt.Errorf("read FACK: %w", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = progress{acks: l.seen.acks + 1, ack: max(l.seen.ack, ack), fack: max(l.seen.fack, fack)}
	l.wake()
	return nil
}

// end says that no more acknowledgements come.
func (l *link) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = cmp.Or(l.err, err)
	l.wake()
}

func (l *link) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// wait returns when enough says so of what was acknowledged, and the time of that.
func (l *link) wait(ctx context.Context, enough func(progress) bool) (time.Time, error) {
	return l.waitAsking(ctx, enough, nil)
}

// nudge is wait, with a GETACK now and every nudgeEvery until then.
func (l *link) nudge(ctx context.Context, enough func(progress) bool) (time.Time, error) {
	ticker := time.NewTicker(nudgeEvery)
	defer ticker.Stop()
	if err := l.getAck(); err != nil {
		return time.Time{}, err
	}
	return l.waitAsking(ctx, enough, ticker.C)
}

func (l *link) waitAsking(ctx context.Context, enough func(progress) bool, ask <-chan time.Time) (time.Time, error) {
	for {
		l.mu.Lock()
		seen, err, changed := l.seen, l.err, l.changed
		l.mu.Unlock()
		if enough(seen) {
			return time.Now(), nil
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("wait for acknowledgement past %d: %w", seen.ack, err)
		}
		select {
		case <-changed:
		case <-ask:
			if err := l.getAck(); err != nil {
				return time.Time{}, err
			}
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("wait for acknowledgement past %d: %w", seen.ack, context.Cause(ctx))
		}
	}
}

// last returns what was acknowledged so far, or why no more will be.
func (l *link) last() (progress, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen, l.err
}

// getAck asks as WAIT does (server.c:sendGetackToReplicas).
func (l *link) getAck() error {
	return l.stream(resp.AppendCommandStrings(nil, "REPLCONF", "GETACK", "*"))
}

// halfClose says that no more will be sent.
func (l *link) halfClose() error {
	tcp, ok := l.conn.(*net.TCPConn)
	if !ok {
		return errors.New("half-close: not a TCP connection")
	}
	return tcp.CloseWrite()
}
