package main

import (
	"net"
	"syscall"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// What an upstream may answer to one question beside the stream. INFO with thousands of commands and clients is below a megabyte, COMMAND INFO
// of one command has hundreds of values.
const (
	maxAnswerBytes  = 16 << 20
	maxAnswerValues = 128 << 10
)

// boundedConn is a connection to an upstream whose answers to each question are bounded before the client library, which makes room for whatever
// is announced, sees them.
type boundedConn struct {
	net.Conn
	limit resp.AnswerLimit
	err   error
}

// boundedSocket lets the library see whether the peer has closed a connection that is idle. It must not for TLS.
type boundedSocket struct {
	*boundedConn
	syscall.Conn
}

// boundAnswers returns conn with its answers bounded.
func boundAnswers(conn net.Conn) net.Conn {
	bounded := &boundedConn{Conn: conn, limit: resp.AnswerLimit{Bytes: maxAnswerBytes, Values: maxAnswerValues}}
	if socket, ok := conn.(syscall.Conn); ok {
		return boundedSocket{bounded, socket}
	}
	return bounded
}

// Read reads what may be passed on.
func (c *boundedConn) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.Conn.Read(p)
	if n, c.err = c.limit.Take(p[:n]); c.err != nil && n == 0 {
		return 0, c.err
	}
	return n, err
}

// Write asks the next question.
func (c *boundedConn) Write(p []byte) (int, error) {
	c.limit.Reset()
	return c.Conn.Write(p)
}
