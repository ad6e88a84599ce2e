package testenv

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// RecordingPort is the port that a [Recording] announces, so that INFO replication of the upstream tells it from replicas.
const RecordingPort = "1"

// ackEvery is how often an upstream is told at most that its replica lives; it hangs up after repl-timeout, which is a minute.
const ackEvery = time.Second

// Recording is what an upstream sends to its replicas, from the snapshot on, byte by byte: [Recording.ReplicaAt] makes a stock replica of any moment of it, long
// after. It has no code in common with what is tested.
type Recording struct {
	conn    net.Conn
	replID  string
	from    int64 // offset of the snapshot
	rdb     []byte
	begun   chan struct{} // closed when the above is there
	stopped chan struct{}

	mu      sync.Mutex
	log     []byte // the stream behind from
	err     error
	scanned int     // of log
	ends    []int64 // where in log a command ends that does something, outside MULTI
	inMulti bool
}

// Record begins to record an upstream without a password, and returns when it has the snapshot. It ends with the test.
func Record(tb testing.TB, upstream *Server) *Recording {
	tb.Helper()
	r, err := StartRecording(tb.Context(), upstream)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, r.Close()) })
	return r
}

// StartRecording is [Record] without a test: an upstream may refuse a replica, or hang up on it before it has the snapshot. The caller closes it.
func StartRecording(ctx context.Context, upstream *Server) (*Recording, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", upstream.Addr())
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", upstream.Addr(), err)
	}
	r := &Recording{conn: conn, begun: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(r.stopped)
		r.fail(r.receive())
	}()
	select {
	case <-r.begun:
		return r, nil
	case <-r.stopped:
		err = r.Err()
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(fmt.Errorf("record %s: %w", upstream.Addr(), err), r.Close())
}

// Close ends the recording. What it has can still be asked for.
func (r *Recording) Close() error {
	err := r.conn.Close()
	<-r.stopped
	return err
}

// ReplID is the replication id under which the upstream sent the snapshot.
func (r *Recording) ReplID() string { return r.replID }

// End is how far the recording has come.
func (r *Recording) End() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.from + int64(len(r.log))
}

// Err says why the recording has ended; nil while it goes on.
func (r *Recording) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// From is the offset of the snapshot: the earliest moment that there is.
func (r *Recording) From() int64 { return r.from }

// Boundary returns where, at or before an offset, the last command or transaction ends that does something: what is between, PING and REPLCONF, changes nothing, and
// what has begun there does not count.
func (r *Recording) Boundary(tb testing.TB, offset int64) int64 {
	tb.Helper()
	r.Until(tb, offset)
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.scanned < len(r.log) {
		n, name := Command(r.log[r.scanned:])
		if n == 0 {
			break
		}
		r.scanned += n
		switch name {
		case "MULTI":
			r.inMulti = true
			continue
		case "PING", "REPLCONF":
			continue
		case "EXEC":
			r.inMulti = false
		}
		if !r.inMulti {
			r.ends = append(r.ends, int64(r.scanned))
		}
	}
	i, _ := slices.BinarySearch(r.ends, offset-r.from+1)
	if i == 0 {
		return r.from
	}
	return r.from + r.ends[i-1]
}

// Command returns how long the command is that p begins with, 0 if it does not end in p, and its name in upper case. It has no code in common with
// what is tested.
func Command(p []byte) (n int, name string) {
	number := func() (int, bool) { // of a line such as *3 or $12
		i := bytes.IndexByte(p[n:], '\n')
		if i < 1 {
			return 0, false
		}
		v, err := strconv.Atoi(string(bytes.TrimRight(p[n+1:n+i], "\r")))
		n += i + 1
		return v, err == nil
	}
	args, ok := number()
	for i := 0; ok && i < args; i++ {
		var size int
		if size, ok = number(); !ok || size < 0 || size > len(p)-n-2 {
			return 0, ""
		}
		if i == 0 {
			name = strings.ToUpper(string(p[n : n+size]))
		}
		n += size + 2
	}
	if !ok {
		return 0, ""
	}
	return n, name
}

// Until waits until the recording has the stream up to an offset.
func (r *Recording) Until(tb testing.TB, offset int64) {
	tb.Helper()
	Eventually(tb, "the recording to have offset "+strconv.FormatInt(offset, 10), func(context.Context) (string, bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		end := r.from + int64(len(r.log))
		return fmt.Sprintf("%d, %v", end, r.err), end >= offset
	})
}

func (r *Recording) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// receive is the connection as a replica has it (replication.c:syncCommand), until it ends.
func (r *Recording) receive() error {
	in := bufio.NewReaderSize(r.conn, pumpBuffer)
	for _, step := range []struct{ say, want string }{
		{"REPLCONF listening-port " + RecordingPort, "+OK"}, {"REPLCONF capa psync2", "+OK"}, {"PSYNC ? -1", "+FULLRESYNC "},
	} {
		if _, err := io.WriteString(r.conn, step.say+"\r\n"); err != nil {
			return fmt.Errorf("send %s: %w", step.say, err)
		}
		line, err := replyLine(in)
		if err != nil {
			return err
		}
		rest, ok := strings.CutPrefix(line, step.want)
		if !ok {
			return fmt.Errorf("%s was answered with %q", step.say, line)
		}
		if step.want == "+OK" {
			continue
		}
		if _, err := fmt.Sscanf(rest, "%s %d", &r.replID, &r.from); err != nil {
			return fmt.Errorf("read %q: %w", line, err)
		}
	}
	size, err := replyLine(in)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(size, "$"))
	if err != nil {
		return fmt.Errorf("read the length of the snapshot: %w", err)
	}
	r.rdb = make([]byte, n)
	if _, err := io.ReadFull(in, r.rdb); err != nil {
		return fmt.Errorf("read the snapshot: %w", err)
	}
	close(r.begun)
	return r.follow(in)
}

// replyLine reads a line that is not empty: empty ones are heartbeats.
func replyLine(in *bufio.Reader) (string, error) {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("read an answer: %w", err)
		}
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			return line, nil
		}
	}
}

func (r *Recording) follow(in *bufio.Reader) error {
	buf := make([]byte, pumpBuffer)
	var acked time.Time
	for {
		n, err := in.Read(buf)
		r.mu.Lock()
		r.log = append(r.log, buf[:n]...)
		end := r.from + int64(len(r.log))
		r.mu.Unlock()
		if err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		if time.Since(acked) < ackEvery {
			continue
		}
		acked = time.Now()
		if _, err := fmt.Fprintf(r.conn, "REPLCONF ACK %d\r\n", end); err != nil {
			return fmt.Errorf("acknowledge: %w", err)
		}
	}
}

// Stream returns what was sent behind an offset, which the recording must have: at least up to until, for which it waits. The caller does not change it.
func (r *Recording) Stream(tb testing.TB, behind, until int64) []byte {
	tb.Helper()
	r.Until(tb, until)
	require.GreaterOrEqual(tb, behind, r.from)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log[behind-r.from:]
}

// ReplicaAt starts a stock server that has the snapshot and the stream up to an offset, and stands still there as a replica of nowhere. What is not whole
// there, a command or a transaction, it does not have.
func (r *Recording) ReplicaAt(tb testing.TB, family Family, offset int64) *Server {
	tb.Helper()
	end := r.Boundary(tb, offset)
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	r.mu.Lock()
	stream := bytes.Clone(r.log[:end-r.from])
	r.mu.Unlock()
	served := make(chan error, 1)
	go func() { served <- r.serve(listener, stream) }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(tb, err)
	server := StartServer(tb, family, WithConfig("replicaof 127.0.0.1 "+port))
	Eventually(tb, "the replica to have the recording", func(ctx context.Context) (string, bool) {
		info, err := server.Info(ctx, "replication")
		if err != nil {
			return err.Error(), false
		}
		// What it has read is further: a replica may wait in the middle of it, for what FLUSHALL freed (Redis 8.0).
		return info["slave_repl_offset"], info["master_link_status"] == "up" && info["slave_repl_offset"] == strconv.FormatInt(end, 10)
	})
	require.NoError(tb, server.Client().Do(tb.Context(), "REPLICAOF", "127.0.0.1", "1").Err())
	require.NoError(tb, listener.Close())
	require.NoError(tb, <-served)
	return server
}

// serve is an upstream for one replica: it sends the recording, and ends with the replica's connection.
func (r *Recording) serve(listener net.Listener, stream []byte) (err error) {
	conn, err := listener.Accept()
	if err != nil {
		return fmt.Errorf("accept a replica: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	in := bufio.NewReader(conn)
	for {
		args, err := readArgs(in)
		if err != nil {
			return fmt.Errorf("read a replica's command: %w", err)
		}
		answer := "+OK\r\n"
		switch strings.ToUpper(args[0]) {
		case "PING":
			answer = "+PONG\r\n"
		case "PSYNC":
			answer = fmt.Sprintf("+FULLRESYNC %s %d\r\n$%d\r\n", r.replID, r.from, len(r.rdb))
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return fmt.Errorf("answer a replica: %w", err)
		}
		if len(answer) > len("+PONG\r\n") {
			break
		}
	}
	if _, err := conn.Write(append(bytes.Clone(r.rdb), stream...)); err != nil {
		return fmt.Errorf("send to a replica: %w", err)
	}
	_, err = io.Copy(io.Discard, in) // acknowledgements, until it goes
	if errors.Is(err, net.ErrClosed) || isReset(err) {
		return nil
	}
	return err
}

// readArgs reads a command in RESP, as servers send it.
func readArgs(in *bufio.Reader) ([]string, error) {
	head, err := replyLine(in)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(head, "*"))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", head, err)
	}
	args := make([]string, n)
	for i := range args {
		if _, err := replyLine(in); err != nil { // its length: no argument here has an end of line in it
			return nil, err
		}
		if args[i], err = replyLine(in); err != nil {
			return nil, err
		}
	}
	return args, nil
}

func isReset(err error) bool { return errors.Is(err, unix.ECONNRESET) }
