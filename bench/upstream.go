package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

const (
	// upstreamID is the replication id of the recorded upstream.
	upstreamID = "5ca1ab1edecade5ca1ab1edecade5ca1ab1edeca"
	// streamOrigin is the offset that its snapshots hold.
	streamOrigin = 1_000_000

	upstreamInfo = "# Server\r\nredis_version:8.0.0\r\nredis_mode:standalone\r\nos:recorded\r\nloading:0\r\n"
)

// upstream speaks the primary's side of PSYNC, as far as a replica needs it, with any number of connections.
type upstream struct {
	listener net.Listener
	// snapshotBytes is the least size of the snapshots that it sends, 0 for an empty one. A sized one is made as it is sent, and delimited
	// ("$EOF:"), an empty one is counted ("$<len>").
	snapshotBytes int64

	links  chan *link // those that sent PSYNC and were answered, snapshot included
	closed chan struct{}
	conns  sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]struct{} // nil: closed
}

// listen makes an upstream on a free port of 127.0.0.1. The caller closes it.
func listen(ctx context.Context, snapshotBytes int64) (*upstream, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	u := &upstream{
		listener: listener, snapshotBytes: snapshotBytes,
		links: make(chan *link), closed: make(chan struct{}), open: map[net.Conn]struct{}{},
	}
	u.conns.Go(u.accept)
	return u, nil
}

func (u *upstream) addr() string { return u.listener.Addr().String() }

// close ends all connections and returns when nothing of u is running. It is called once.
func (u *upstream) close() error {
	err := u.listener.Close()
	close(u.closed)
	u.mu.Lock()
	for conn := range u.open {
		_ = conn.Close() // whoever reads it sees the end
	}
	u.open = nil
	u.mu.Unlock()
	u.conns.Wait()
	return err
}

func (u *upstream) accept() {
	for {
		conn, err := u.listener.Accept()
		if err != nil {
			return // closed
		}
		if !u.keep(conn) {
			_ = conn.Close() // came too late
			return
		}
		u.conns.Go(func() {
			defer u.drop(conn)
			u.serve(conn)
		})
	}
}

func (u *upstream) keep(conn net.Conn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open == nil {
		return false
	}
	u.open[conn] = struct{}{}
	return true
}

func (u *upstream) drop(conn net.Conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.open, conn)
	_ = conn.Close() // it may be closed already
}

// serve answers commands until PSYNC, and reads acknowledgements from then on.
func (u *upstream) serve(conn net.Conn) {
	in := resp.NewReader(conn)
	for {
		cmd, err := in.Next()
		if err != nil || len(cmd.Args) == 0 {
			return // a connection beside the replication link may end when it likes
		}
		if strings.EqualFold(string(cmd.Args[0]), "PSYNC") {
			u.replicate(conn, in, cmd)
			return
		}
		if _, err := conn.Write(answer(cmd.Args)); err != nil {
			return
		}
	}
}

// answer replies to what comes before PSYNC, and to clients that look at an upstream from beside.
func answer(args [][]byte) []byte {
	switch name := strings.ToUpper(string(args[0])); name {
	case "PING":
		return []byte("+PONG\r\n")
	case "AUTH", "REPLCONF", "SELECT":
		return []byte("+OK\r\n")
	case "INFO":
		return fmt.Appendf(nil, "$%d\r\n%s\r\n", len(upstreamInfo), upstreamInfo)
	default:
		return fmt.Appendf(nil, "-ERR unknown command '%s'\r\n", name)
	}
}

// replicate answers PSYNC, hands the link over, and reads what it says.
func (u *upstream) replicate(conn net.Conn, in *resp.Reader, psync resp.Command) {
	l := newLink(conn, time.Now())
	if err := u.resync(l, psync.Args); err != nil {
		l.end(err)
	}
	select {
	case u.links <- l:
		l.readAcks(in)
	case <-u.closed:
	}
}

// resync sends what PSYNC asks for, up to where the stream begins.
func (u *upstream) resync(l *link, psync [][]byte) error {
	if len(psync) != 3 {
		return errors.New("PSYNC without id and offset")
	}
	if string(psync[1]) == "?" {
		l.next = streamOrigin
		return u.fullResync(l)
	}
	offset, err := strconv.ParseInt(string(psync[2]), 10, 64)
	if err != nil || string(psync[1]) != upstreamID {
		return fmt.Errorf("PSYNC %s %s asks for what was never sent", psync[1], psync[2])
	}
	l.resumed, l.next = true, offset-1
	return l.send([]byte("+CONTINUE " + upstreamID + "\r\n"))
}

func (u *upstream) fullResync(l *link) error {
	header := fmt.Appendf(nil, "+FULLRESYNC %s %d\r\n", upstreamID, streamOrigin)
	if u.snapshotBytes == 0 {
		var empty bytes.Buffer
		if _, _, err := writeSnapshot(&empty, 0); err != nil {
			return err
		}
		header = fmt.Appendf(header, "$%d\r\n", empty.Len())
		return l.send(append(header, empty.Bytes()...))
	}
	mark := strings.Repeat("e0f1", 10)
	if err := l.send(fmt.Appendf(header, "$EOF:%s\r\n", mark)); err != nil {
		return err
	}
	var err error
	if l.snapshot.bytes, l.snapshot.keys, err = writeSnapshot(l.conn, u.snapshotBytes); err != nil {
		return err
	}
	return l.send([]byte(mark))
}

// link waits for a replica that was answered, and for its first ACK: it has loaded the snapshot.
func (u *upstream) link(ctx context.Context) (*link, error) {
	select {
	case l := <-u.links:
		_, err := l.wait(ctx, func(p progress) bool { return p.acks > 0 })
		return l, err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for PSYNC: %w", context.Cause(ctx))
	}
}
