package replica

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// replyBytes bounds what one reply of the handshake may take, and is the size of the buffer that it is read into.
const replyBytes = 64 << 10

// errReplyTooLong is the cause of a ProtocolError.
var errReplyTooLong = errors.New("reply is longer than 64 KiB")

// link is one connection to the upstream. Reads belong to one goroutine at a time; writes are safe from any.
type link struct {
	raw     net.Conn      // what is closed: closing TLS could wait for the peer
	conn    net.Conn      // raw, or TLS over it
	in      *bufio.Reader // over timedReader
	timeout time.Duration

	mu    sync.Mutex // serialises writes
	cause error      // the first failed write
}

func newLink(raw, conn net.Conn, timeout time.Duration) *link {
	l := &link{raw: raw, conn: conn, timeout: timeout}
	l.in = bufio.NewReaderSize(timedReader{l}, replyBytes)
	return l
}

// close ends every read and write at once. It may be called often and from any goroutine.
func (l *link) close() {
	_ = l.raw.Close() // a second close has nothing to say, and nothing was promised to the peer
}

// guard closes the link when ctx ends. The caller calls release when ctx is no longer to have this effect;
// after it, nothing of guard is running.
func (l *link) guard(ctx context.Context) (release func()) {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		l.close()
		close(closed)
	})
	return func() {
		if !stop() {
			<-closed
		}
	}
}

// timedReader reads from the connection and gives up after a silence of the link's timeout.
type timedReader struct {
	l *link
}

// Read is io.Reader's.
func (r timedReader) Read(p []byte) (int, error) {
	if err := r.l.conn.SetReadDeadline(time.Now().Add(r.l.timeout)); err != nil {
		return 0, fmt.Errorf("read from upstream: %w", err)
	}
	n, err := r.l.conn.Read(p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, fmt.Errorf("read from upstream: not a byte in %v: %w", r.l.timeout, err)
	case errors.Is(err, io.EOF):
		return n, io.EOF // bufio and io.ReadFull want it bare
	default:
		return n, fmt.Errorf("read from upstream: %w", err)
	}
}

// closedByPeer names the end of the connection where it is not an answer.
func closedByPeer(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("upstream closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// send writes one command.
func (l *link) send(args ...string) error {
	return l.write(resp.AppendCommandStrings(nil, args...))
}

// write writes p whole. Its first error is kept, and all later calls return it. A failed write does not close the link: what the upstream
// sent before it went away can still be read, and the reader will see the end. A peer that
// takes nothing for the link's timeout has no such end.
func (l *link) write(p []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		return l.cause
	}
	err := l.conn.SetWriteDeadline(time.Now().Add(l.timeout))
	if err == nil {
		_, err = l.conn.Write(p)
	}
	if err != nil {
		l.cause = fmt.Errorf("write to upstream: %w", err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		l.close()
	}
	return l.cause
}

// writeError returns the error of the first write that failed.
func (l *link) writeError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// line reads one line and returns it without its end. Empty lines before it, an upstream's sign of life while it forks, are skipped.
// The result is valid until the next read.
func (l *link) line() ([]byte, error) {
	for {
		line, err := l.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, &ProtocolError{What: fmt.Sprintf("want a line, got %.32q...", line), Err: errReplyTooLong}
		}
		if err != nil {
			return nil, closedByPeer(err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) > 0 {
			return line, nil
		}
	}
}

// status reads a one-line reply to command: the text after '+', or a *ServerError.
func (l *link) status(command string) (string, error) {
	line, err := l.line()
	if err != nil {
		return "", fmt.Errorf("read the answer to %s: %w", command, err)
	}
	switch line[0] {
	case '+':
		return string(line[1:]), nil
	case '-':
		return "", &ServerError{Command: command, Reply: string(line[1:])}
	default:
		return "", &ProtocolError{What: fmt.Sprintf("want an answer to %s, got %.64q", command, line)}
	}
}

// list reads any RESP2 reply to command and returns its leaves in order. The whole reply is bounded.
func (l *link) list(command string) ([]string, error) {
	items, budget := []string(nil), replyBytes
	for open := 1; open > 0; open-- {
		line, err := l.line()
		if err != nil {
			return nil, fmt.Errorf("read the answer to %s: %w", command, err)
		}
		if budget -= len(line) + 2; budget < 0 {
			return nil, &ProtocolError{What: "want an answer to " + command, Err: errReplyTooLong}
		}
		switch mark, rest := line[0], line[1:]; mark {
		case '+', ':':
			items = append(items, string(rest))
		case '-':
			return nil, &ServerError{Command: command, Reply: string(rest)}
		case '$', '*':
			n, err := strconv.Atoi(string(rest))
			if err != nil || n > budget {
				return nil, &ProtocolError{What: fmt.Sprintf("want the length of an answer to %s, got %.64q", command, line)}
			}
			if mark == '*' {
				open += max(n, 0)
				continue
			}
			item, err := l.bulk(command, n)
			if err != nil {
				return nil, err
			}
			budget -= len(item) + 2
			items = append(items, item)
		default:
			return nil, &ProtocolError{What: fmt.Sprintf("want an answer to %s, got %.64q", command, line)}
		}
	}
	return items, nil
}

// bulk reads n bytes, which the caller has bounded, and the CRLF after them. A negative n is a null.
func (l *link) bulk(command string, n int) (string, error) {
	if n < 0 {
		return "", nil
	}
	p := make([]byte, n+2)
	if _, err := io.ReadFull(l.in, p); err != nil {
		return "", fmt.Errorf("read the answer to %s: %w", command, closedByPeer(err))
	}
	if p[n] != '\r' || p[n+1] != '\n' {
		return "", &ProtocolError{What: fmt.Sprintf("want CRLF after %d bytes of the answer to %s, got %q", n, command, p[n:])}
	}
	return string(p[:n]), nil
}
