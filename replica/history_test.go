package replica

import (
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// step is one command of a stream, and what is right after it.
type step struct {
	wire     string
	dropped  bool
	boundary bool // outside MULTI
	db       int
}

// history is an upstream's: a snapshot at an offset and the stream after it.
type history struct {
	id      string
	offset  int
	payload string
	mark    string // empty: counted framing
	steps   []step
}

// session is a history in which all kinds of commands meet all kinds of places.
func session(mark string) *history {
	h := &history{id: idA, offset: 100, payload: "REDIS0011" + strings.Repeat("mmm", 20), mark: mark}
	if mark != "" {
		h.payload += mark[:markBytes-1] + "m" + mark[:20] // nearly the mark, twice
	}
	kept := func(args ...string) step { return step{wire: cmd(args...)} }
	drop := func(args ...string) step { return step{wire: cmd(args...), dropped: true} }
	h.steps = []step{
		drop("ping"), kept("SELECT", "2"), kept("SET", "k", "v"), drop("REPLCONF", "GETACK", "*"), kept("set", "k", "\r\n*1\r\n"),
		kept("MULTI"), kept("SELECT", "3"), drop("PING"), kept("INCR", "n"), kept("EXEC"),
		{wire: "\n", dropped: true},
		drop("PUBLISH", "c", "message"), drop("spublish", "c", "m"), kept("HSET", "h", "f", ""), drop("CLUSTER", "SETSLOT", "1"),
		kept("CLUSTER", "FLUSHSLOT", "1"), kept("multi"), kept("LPUSH", "l", "a", "b"), kept("exec"),
		{wire: "\r\n", dropped: true},
		drop("REPLCONF", "getack", "*"), kept("DEL", "k"),
	}
	h.follow()
	return h
}

// follow fills in what each step leaves behind.
func (h *history) follow() {
	db, multi := 0, false
	for i := range h.steps {
		s := &h.steps[i]
		switch w := strings.ToUpper(s.wire); {
		case strings.HasPrefix(w, cmd("MULTI")):
			multi = true
		case strings.HasPrefix(w, cmd("EXEC")):
			multi = false
		case strings.HasPrefix(w, "*2\r\n$6\r\nSELECT"):
			db, _ = strconv.Atoi(strings.Split(w, "\r\n")[4])
		}
		s.boundary, s.db = !multi, db
	}
}

func (h *history) wire() string {
	var b strings.Builder
	for _, s := range h.steps {
		b.WriteString(s.wire)
	}
	return b.String()
}

func (h *history) kept() string {
	var b strings.Builder
	for _, s := range h.steps {
		if !s.dropped {
			b.WriteString(s.wire)
		}
	}
	return b.String()
}

// check compares every run with the history, of which the runs must be a prefix.
func (h *history) check(t *testing.T, runs []stream.Run) {
	t.Helper()
	wire := h.wire()
	at, next, stepEnd := 0, 0, 0 // stepEnd is where the first steps, of the number next, end
	for i := range runs {
		run := &runs[i]
		begin, data := at, at+int(run.Dropped)
		at += int(run.Len())
		sameBytes(t, wire[data:at], string(run.Data))
		boundary, db := 0, 0
		for next < len(h.steps) && stepEnd+len(h.steps[next].wire) <= at {
			s := h.steps[next]
			stepEnd += len(s.wire)
			next++
			require.Equal(t, s.dropped, stepEnd <= data, "run %d keeps or drops wrongly", i)
			if s.boundary {
				boundary, db = stepEnd-begin, s.db
			}
		}
		require.Equal(t, stepEnd == at, run.Whole, "run %d", i)
		require.Equal(t, next > 0 && !h.steps[next-1].boundary, run.Multi, "run %d", i)
		require.EqualValues(t, boundary, run.Boundary, "run %d", i)
		if boundary > 0 {
			require.Equal(t, db, run.DB, "run %d", i)
		}
	}
}

// serve plays this history on a connection, in pieces of the given size (0: at once), and closes after limit bytes
// (less than 0: never, until the client does). It returns what PSYNC asked.
func (h *history) serve(conn net.Conn, piece, limit int) (asked string) {
	defer func() { _ = conn.Close() }()
	out := &cutter{conn: conn, piece: piece, limit: limit}
	in := resp.NewReader(conn)
	for {
		c, err := in.Next()
		if err != nil || out.cut {
			return asked
		}
		switch string(c.Args[0]) {
		case "PING":
			out.send("+PONG\r\n")
		case "HELLO":
			out.send(hello("valkey", "9.1.2"))
		case "PSYNC":
			asked = string(c.Args[1]) + " " + string(c.Args[2])
			rest := h.answer(string(c.Args[2]))
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			out.send(rest)
			if out.cut {
				return asked
			}
			_, _ = io.Copy(io.Discard, conn)
			return asked
		default:
			out.send("+OK\r\n")
		}
	}
}

func (h *history) answer(next string) string {
	if n, err := strconv.Atoi(next); err == nil && n > 0 {
		return "+CONTINUE " + h.id + "\r\n" + h.wire()[n-1-h.offset:]
	}
	head := "\n+FULLRESYNC " + h.id + " " + itoa(h.offset) + "\r\n\n"
	if h.mark == "" {
		return head + "$" + itoa(len(h.payload)) + "\r\n" + h.payload + h.wire()
	}
	return head + "$EOF:" + h.mark + "\r\n" + h.payload + h.mark + h.wire()
}

// cutter writes up to a limit.
type cutter struct {
	conn  net.Conn
	piece int
	limit int
	cut   bool
}

func (c *cutter) send(s string) {
	if c.limit >= 0 && len(s) >= c.limit {
		s, c.cut = s[:c.limit], true
	}
	c.limit -= len(s)
	for len(s) > 0 {
		n := len(s)
		if c.piece > 0 {
			n = min(n, c.piece)
		}
		if _, err := io.WriteString(c.conn, s[:n]); err != nil {
			c.cut = true
			return
		}
		s = s[n:]
	}
}

func framings() map[string]string {
	return map[string]string{"counted": "", "delimited": "f1d2d2f924e986ac86fdf7b36c94bcdf32beec15"}
}

func TestSessionInPieces(t *testing.T) {
	for name, mark := range framings() {
		t.Run(name, func(t *testing.T) {
			for _, piece := range []int{0, 1, 2, 3, 7, 41} {
				synctest.Test(t, func(t *testing.T) {
					h := session(mark)
					u, rec := newUpstream(t), newRecorder(t)
					run := start(t, u, rec)
					go h.serve(<-u.conns, piece, -1)
					synctest.Wait()
					calls, kept := rec.seen()
					require.Len(t, calls, 2)
					require.Equal(t, h.payload, string(rec.payload))
					require.Equal(t, h.kept(), kept)
					require.EqualValues(t, h.offset+len(h.wire()), rec.boundary.Offset)
					h.check(t, rec.seenRuns())
					for _, r := range rec.seenRuns() {
						require.True(t, r.Whole, "a short command came in pieces")
					}
					run.stop()
				})
			}
		})
	}
}

func TestSessionCutAtEveryByte(t *testing.T) {
	for name, mark := range framings() {
		t.Run(name, func(t *testing.T) {
			h := session(mark)
			total := len("+PONG\r\n+OK\r\n+OK\r\n" + hello("valkey", "9.1.2") + h.answer("-1"))
			for limit := range total {
				synctest.Test(t, func(t *testing.T) { cutSession(t, h, limit, total) })
			}
		})
	}
}

// cutSession cuts the first connection after limit bytes of total and lets the second one through.
func cutSession(t *testing.T, h *history, limit, total int) {
	t.Helper()
	u, rec := newUpstream(t), newRecorder(t)
	run := start(t, u, rec)
	h.serve(<-u.conns, 0, limit)
	asked := make(chan string, 1)
	go func(conn net.Conn) { asked <- h.serve(conn, 0, -1) }(<-u.conns)
	synctest.Wait()
	_, kept := rec.seen()
	require.Equal(t, h.kept(), kept, "cut after %d of %d bytes", limit, total)
	require.Equal(t, h.payload, string(rec.payload))
	require.EqualValues(t, h.offset+len(h.wire()), rec.Received())
	run.stop()

	got := limit - (total - len(h.wire())) // bytes of the stream that were got
	want := "? -1"
	if got >= 0 {
		boundary := 0
		for end, i := 0, 0; i < len(h.steps); i++ {
			if end += len(h.steps[i].wire); end <= got && h.steps[i].boundary {
				boundary = end
			}
		}
		want = h.id + " " + itoa(h.offset+boundary+1)
	}
	require.Equal(t, want, <-asked, "cut after %d of %d bytes", limit, total)
}
