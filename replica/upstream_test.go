package replica

import (
	"context"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

const (
	idA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func position(tb testing.TB, id string, off int64) stream.Position {
	tb.Helper()
	replid, err := stream.ParseReplID(id)
	require.NoError(tb, err)
	return stream.Position{ReplID: replid, Offset: stream.Offset(off)}
}

// upstream is a scripted one: every connection of the client is a peer that the test accepts and plays.
type upstream struct {
	t     testing.TB
	conns chan net.Conn
}

func newUpstream(tb testing.TB) *upstream {
	tb.Helper()
	return &upstream{t: tb, conns: make(chan net.Conn)}
}

func (u *upstream) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case u.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// accept waits for the client's next connection.
func (u *upstream) accept() *peer {
	conn := <-u.conns
	p := &peer{t: u.t, conn: conn, got: make(chan []string, 1<<16)}
	go p.listen()
	return p
}

// peer is the upstream's end of one connection. It always reads, so the client never waits to write.
type peer struct {
	t    testing.TB
	conn net.Conn
	got  chan []string // commands; a bare newline is an empty one. Closed at the end.
}

func (p *peer) listen() {
	defer close(p.got)
	in := resp.NewReader(p.conn)
	for {
		cmd, err := in.Next()
		if err != nil {
			return
		}
		args := make([]string, 0, len(cmd.Args))
		for _, arg := range cmd.Args {
			args = append(args, string(arg))
		}
		p.got <- args
	}
}

func (p *peer) close() { require.NoError(p.t, p.conn.Close()) }

func (p *peer) send(s string) {
	p.t.Helper()
	_, err := io.WriteString(p.conn, s)
	require.NoError(p.t, err)
}

// next waits for what the client sends next; nil if it closed.
func (p *peer) next() []string { return <-p.got }

// pending returns what the client has sent and was not looked at, without waiting.
func (p *peer) pending() (all []string) {
	for {
		select {
		case args, ok := <-p.got:
			if !ok {
				return all
			}
			all = append(all, strings.Join(args, " "))
		default:
			return all
		}
	}
}

func (p *peer) expect(args ...string) {
	p.t.Helper()
	require.Equal(p.t, args, p.next())
}

// ended waits until the client closes.
func (p *peer) ended() {
	for args := range p.got {
		_ = args // what it says meanwhile does not matter
	}
}

// hello is a server's answer to HELLO in RESP2.
func hello(name, version string) string {
	b := "*14\r\n"
	for _, s := range []string{"server", name, "version", version, "proto"} {
		b += bulk(s)
	}
	b += ":2\r\n" + bulk("id") + ":7\r\n" + bulk("mode") + bulk("standalone") + bulk("role") + bulk("master")
	return b + bulk("modules") + "*0\r\n"
}

func bulk(s string) string { return "$" + strconv.Itoa(len(s)) + "\r\n" + s + "\r\n" }

// greet plays the handshake of a server without a password.
func (p *peer) greet() {
	p.t.Helper()
	p.expect("PING")
	p.send("+PONG\r\n")
	p.introduce()
}

// introduce plays what follows PING and AUTH.
func (p *peer) introduce() {
	p.t.Helper()
	p.introduceAs("redis", "8.0.6")
}

func (p *peer) introduceAs(name, version string) {
	p.t.Helper()
	p.expect("REPLCONF", "capa", "eof", "capa", "psync2")
	p.send("+OK\r\n")
	p.expect("REPLCONF", "version", "9.0.0")
	p.send("-ERR Unrecognized REPLCONF option: version\r\n")
	p.expect("HELLO")
	p.send(hello(name, version))
}

// resync plays handshake and PSYNC up to its arguments, which must be these.
func (p *peer) resync(id, next string) {
	p.t.Helper()
	p.greet()
	p.expect("PSYNC", id, next)
}

// cmd writes a command of the stream.
func cmd(args ...string) string { return string(resp.AppendCommandStrings(nil, args...)) }

var (
	getack    = cmd("REPLCONF", "GETACK", "*")
	heartbeat = cmd("PING")
)

// running is a client whose Run is running.
type running struct {
	t      testing.TB
	client *Client
	cancel context.CancelFunc
	result chan error
}

// start runs a client against u, with backoffs short enough for real time too.
func start(tb testing.TB, u *upstream, rec *recorder, change ...func(*Options)) *running {
	tb.Helper()
	opts := Options{Addr: "upstream:6379", ReplTimeout: time.Minute}
	if u != nil {
		opts.Dial = u.dial
	}
	for _, f := range change {
		f(&opts)
	}
	client, err := New(opts, rec, rec)
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(tb.Context())
	tb.Cleanup(cancel) // so that a failed test ends too
	r := &running{t: tb, client: client, cancel: cancel, result: make(chan error, 1)}
	go func() { r.result <- client.Run(ctx) }()
	return r
}

// stop ends Run and expects no error.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	require.NoError(r.t, <-r.result)
}

// follower is a client that streams from position idA:1000 over p, with its first ACK seen.
func follower(t *testing.T, change ...func(*Options)) (*running, *peer, *recorder) {
	t.Helper()
	u := newUpstream(t)
	rec := newRecorder(t).at(position(t, idA, 1000), 0)
	run := start(t, u, rec, change...)
	p := u.accept()
	p.resync(idA, "1001")
	p.send("+CONTINUE\r\n")
	p.next()
	return run, p, rec
}

// heard collects what an observer hears of lost links.
type heard struct {
	mu      sync.Mutex
	lost    []Failure
	refused []Failure
}

func (h *heard) observe(o *Options) {
	o.Observer.LinkLost = func(f Failure) { h.add(&h.lost, f) }
	o.Observer.Refused = func(f Failure) { h.add(&h.refused, f) }
}

func (h *heard) add(to *[]Failure, f Failure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*to = append(*to, f)
}

func (h *heard) losses() []Failure {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lost)
}

func (h *heard) refusals() []Failure {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.refused)
}

func asError[T error](tb testing.TB, err error) T {
	tb.Helper()
	var target T
	require.ErrorAs(tb, err, &target)
	return target
}

// pass lets simulated time go by, and everything that happens then happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// sameBytes compares what is too long to be printed.
func sameBytes[B string | []byte](t *testing.T, want, got B) {
	t.Helper()
	n := 0
	for n < min(len(want), len(got)) && want[n] == got[n] {
		n++
	}
	if n < max(len(want), len(got)) {
		require.Equal(t, string(want[n:min(n+100, len(want))]), string(got[n:min(n+100, len(got))]), "of %d and %d bytes %d are the same", len(want), len(got), n)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
