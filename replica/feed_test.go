package replica

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// source is a connection of which only the reading side matters.
type source struct {
	net.Conn
	read func(p []byte) (int, error)
}

func (s *source) Read(p []byte) (int, error)       { return s.read(p) }
func (s *source) Write(p []byte) (int, error)      { return len(p), nil }
func (s *source) Close() error                     { return nil }
func (s *source) SetReadDeadline(time.Time) error  { return nil }
func (s *source) SetWriteDeadline(time.Time) error { return nil }
func (s *source) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (s *source) RemoteAddr() net.Addr             { return &net.UnixAddr{} }

// followed is a client whose stream comes from read, into rec.
func followed(t *testing.T, rec *recorder, read func(p []byte) (int, error)) (stream func() error) {
	t.Helper()
	client, err := New(Options{Addr: "upstream:6379"}, rec, rec)
	require.NoError(t, err)
	conn := &source{read: read}
	l := newLink(conn, conn, time.Minute)
	rec.open = true
	return func() error {
		_, err := client.stream(t.Context(), l, rec.pos, rec.db, ackInterval)
		return err
	}
}

// randomHistory is n commands of all kinds, some longer than a buffer.
func randomHistory(random *rand.Rand, n int) *history {
	h := &history{id: idA, offset: 1000}
	multi := false
	for range n {
		size := random.IntN(1 << (1 + random.IntN(10)))
		if random.IntN(200) == 0 {
			size = random.IntN(3 * bufferBytes)
		}
		value := strings.Repeat("*1\r\n$4\r\nPING\r\n", size/14+1)[:size]
		s := step{wire: cmd("SET", "key", value)}
		switch random.IntN(12) {
		case 0:
			s = step{wire: cmd("PING"), dropped: true}
		case 1:
			s = step{wire: getack, dropped: true}
		case 2:
			s = step{wire: cmd("PUBLISH", "c", value), dropped: true}
		case 3:
			s = step{wire: "\n", dropped: true}
		case 4:
			s = step{wire: cmd("SELECT", itoa(random.IntN(16)))}
		case 5, 6:
			s = step{wire: cmd([]string{"MULTI", "EXEC"}[b2i(multi)])}
			multi = !multi
		case 7:
			s = step{wire: cmd("CLUSTER", "SETSLOT", value), dropped: true}
		}
		h.steps = append(h.steps, s)
	}
	h.follow()
	return h
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Whatever the reads are and however slow the sink is, every byte arrives once, in runs that are right.
func TestRandomStreamInRandomReads(t *testing.T) {
	for seed := range uint64(25) {
		random := rand.New(rand.NewPCG(seed, 0))
		h := randomHistory(random, 50+random.IntN(3000))
		rec := newRecorder(t).at(position(t, idA, 1000), 0)
		pause := rand.New(rand.NewPCG(seed, 1))
		rec.onAppend = func(context.Context, *stream.Run) error {
			if pause.IntN(20) == 0 {
				<-time.After(time.Duration(pause.IntN(100)) * time.Microsecond)
			}
			return nil
		}
		rest := h.wire()
		most := 1 + random.IntN(1<<random.IntN(20))
		err := followed(t, rec, func(p []byte) (int, error) {
			if rest == "" {
				return 0, io.EOF
			}
			n := copy(p[:min(len(p), 1+random.IntN(most))], rest)
			rest = rest[n:]
			return n, nil
		})()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "seed %d", seed)
		_, kept := rec.seen()
		sameBytes(t, h.kept(), kept)
		h.check(t, rec.seenRuns())
		for _, run := range rec.seenRuns() {
			require.True(t, run.Whole || len(run.Data) > headroom, "seed %d: a short command came in pieces", seed)
		}
	}
}

// All runs of what was read together but the last one say that another follows, also where the last is only dropped bytes, and
// before a stream that is none.
func TestMoreFollows(t *testing.T) {
	set, publish := cmd("SET", "k", "v"), cmd("PUBLISH", "c", "m")
	for name, tc := range map[string]struct {
		p    string
		want []bool
	}{
		"kept only":      {set + set, []bool{false}},
		"dropped only":   {publish + heartbeat, []bool{false}},
		"dropped first":  {publish + set + set, []bool{false}},
		"dropped last":   {set + set + publish, []bool{true, false}},
		"taking turns":   {publish + set + getack + set + publish + heartbeat + set, []bool{true, true, false}},
		"inside MULTI":   {cmd("MULTI") + set + heartbeat + set, []bool{true, false}},
		"half a command": {set + heartbeat + set + set[:9], []bool{true, false}},
		"half a dropped": {set + cmd("PUBLISH", "c", strings.Repeat("m", 99))[:60], []bool{false}},
		"no stream":      {set + heartbeat + set + "nonsense\r\n", []bool{true, false}},
		"no stream next": {set + heartbeat + "nonsense\r\n", []bool{true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder(t).at(position(t, idA, 1000), 0)
			rec.open = true
			f := newFeeder(rec, rec.pos, 0)
			_, err := f.feed(t.Context(), []byte(tc.p), 0, 1)
			require.Equal(t, strings.HasPrefix(name, "no stream"), err != nil)
			var got []bool
			for _, run := range rec.seenRuns() {
				got = append(got, run.More)
			}
			require.Equal(t, tc.want, got)
		})
	}
}

// A run of commands outside MULTI is no longer than the log may be without a mark, however much was read at once; a transaction is not cut.
func TestRunsLeaveRoomForMarks(t *testing.T) {
	small, large := cmd("SET", "k", strings.Repeat("v", 64)), cmd("SET", "k", strings.Repeat("v", 5000))
	for name, p := range map[string]string{
		"small commands": strings.Repeat(small, 1<<20/len(small)),
		"large commands": strings.Repeat(large, 1<<20/len(large)),
		"transactions":   strings.Repeat(cmd("MULTI")+small+large+cmd("EXEC"), 100),
		"a transaction":  strings.Repeat(small, 4000) + cmd("MULTI") + strings.Repeat(small, 100) + cmd("EXEC") + strings.Repeat(small, 4000) + small[:9],
	} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder(t).at(position(t, idA, 1000), 0)
			rec.open = true
			f := newFeeder(rec, rec.pos, 0)
			taken, err := f.feed(t.Context(), []byte(p), 0, 1)
			require.NoError(t, err)
			_, kept := rec.seen()
			sameBytes(t, p[:taken], kept)
			for _, run := range rec.seenRuns() {
				require.Equal(t, run.Len(), run.Boundary)
				require.Less(t, run.Len(), int64(256<<10))
			}
		})
	}
}

// What is in flight is bounded, and not a byte is lost when the sink goes on.
func TestInFlightIsBounded(t *testing.T) {
	rec := newRecorder(t).at(position(t, idA, 0), 0)
	disk := make(chan struct{})
	rec.onAppend = func(context.Context, *stream.Run) error {
		<-disk
		return nil
	}
	set := cmd("SET", "key", strings.Repeat("v", 1000))
	const limit = bufferBytes * maxBuffers
	total := 3 * limit / len(set) * len(set)
	var sent atomic.Int64
	done := make(chan error, 1)
	follow := followed(t, rec, func(p []byte) (int, error) {
		at := int(sent.Load())
		if at == total {
			return 0, io.EOF
		}
		n := copy(p, set[at%len(set):])
		sent.Add(int64(n))
		return n, nil
	})
	go func() { done <- follow() }()
	full := testenv.Eventually(t, "the reader to stop", func(context.Context) (int64, bool) {
		before := sent.Load()
		<-time.After(20 * time.Millisecond)
		return before, before > limit/2 && sent.Load() == before
	})
	require.Greater(t, full, int64(limit-maxBuffers*(headroom+leastRead)-1))
	require.LessOrEqual(t, full, int64(limit))
	close(disk)
	require.ErrorIs(t, <-done, io.ErrUnexpectedEOF)
	require.EqualValues(t, total, rec.Received())
	require.Len(t, rec.kept, total)
}

// A huge command that is dropped is never held, one that is kept comes in pieces.
func TestHugeCommands(t *testing.T) {
	const size = 64 << 20
	for head, kept := range map[string]bool{
		"*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n":       false,
		"*3\r\n$5\r\nRPUSH\r\n$1\r\nk\r\n":         true,
		"*3\r\n$7\r\nCLUSTER\r\n$7\r\nSETSLOT\r\n": false,
		"*2\r\n$7\r\nCLUSTER\r\n":                  true, // cannot be told before its end, and what was kept then is kept whole
	} {
		t.Run(strings.Fields(head)[2], func(t *testing.T) {
			head := head + "$" + itoa(size) + "\r\n"
			tail := "\r\n" + heartbeat
			sink := newDiscard(position(t, idA, 0))
			client, err := New(Options{Addr: "upstream:6379"}, sink, sink)
			require.NoError(t, err)
			sent := 0
			conn := &source{read: func(p []byte) (n int, err error) {
				switch at := sent - len(head); {
				case at < 0:
					n = copy(p, head[sent:])
				case at < size:
					n = min(len(p), size-at)
				case at < size+len(tail):
					n = copy(p, tail[at-size:])
				default:
					return 0, io.EOF
				}
				sent += n
				return n, nil
			}}
			boundary, err := client.stream(t.Context(), newLink(conn, conn, time.Minute), position(t, idA, 0), 0, ackInterval)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.EqualValues(t, len(head)+size+len(tail), boundary)
			require.Equal(t, boundary, sink.Received())
			require.False(t, sink.torn)
			if kept {
				require.Greater(t, sink.runs.Load(), int64(size/bufferBytes))
			} else {
				require.LessOrEqual(t, sink.runs.Load(), int64(2))
			}
		})
	}
}

// Idle buffers are given back.
func TestInflowTrims(t *testing.T) {
	in := newInflow()
	for range 10 {
		require.NotNil(t, in.space())
		in.filled(bufferBytes-headroom, 1)
	}
	require.NotNil(t, in.space())
	for range 10 {
		in.next(nil)
	}
	require.Len(t, in.free, 10)
	in.trim()
	require.Len(t, in.free, 10, "they were in use since the last time")
	in.filled(bufferBytes-headroom, 1)
	require.NotNil(t, in.space()) // takes one of them
	in.trim()
	require.Empty(t, in.free)
	in.next(nil)
	in.trim()
	in.trim()
	require.Empty(t, in.free)
}
