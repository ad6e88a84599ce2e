package replica

import (
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// discard is a Sink that only counts.
type discard struct {
	pos      stream.Position
	received atomic.Int64
	runs     atomic.Int64
	groups   atomic.Int64 // runs without More
	target   int64
	tail     bool // the last run was not Whole
	torn     bool // bytes were dropped inside a command
	reached  chan struct{}
}

func newDiscard(pos stream.Position) *discard {
	d := &discard{pos: pos, reached: make(chan struct{}, 1)}
	d.received.Store(int64(pos.Offset))
	return d
}

func (d *discard) Resume() (stream.Position, int, error)         { return d.pos, 0, nil }
func (d *discard) Continue(context.Context, stream.ReplID) error { return nil }
func (d *discard) Rollback() error                               { return nil }
func (d *discard) Received() stream.Offset                       { return stream.Offset(d.received.Load()) }
func (d *discard) Durable() (stream.Offset, bool)                { return 0, false }
func (d *discard) Moved() <-chan struct{}                        { return nil }
func (d *discard) FullResync(_ context.Context, _ stream.Snapshot, r io.Reader) (int, error) {
	_, err := io.Copy(io.Discard, r)
	return 0, err
}

func (d *discard) Append(_ context.Context, run *stream.Run) error {
	d.runs.Add(1)
	if !run.More {
		d.groups.Add(1)
	}
	d.torn = d.torn || d.tail && run.Dropped > 0
	d.tail = !run.Whole
	if n := d.received.Add(run.Len()); n == d.target {
		d.reached <- struct{}{}
	}
	return nil
}

// mixes are streams of about a MiB.
func mixes() map[string][]byte {
	value := strings.Repeat("v", 64)
	all := map[string]func(i int) []string{
		"set64": func(i int) []string { return []string{"SET", "key:" + strconv.Itoa(i), value} },
		"incr":  func(i int) []string { return []string{"INCR", "key:" + strconv.Itoa(i)} },
		"mixed": func(i int) []string {
			k := "key:" + strconv.Itoa(i)
			return [][]string{
				{"SET", k, value},
				{"HSET", k, "f", value},
				{"MULTI"},
				{"SELECT", "1"},
				{"LPUSH", k, value, value},
				{"EXEC"},
				{"PEXPIREAT", k, "1700000000000"},
				{"ZADD", k, "1.5", value},
				{"DEL", k},
				{"SADD", k, value},
			}[i%10]
		},
		"published": func(i int) []string {
			return [][]string{{"SET", "key:" + strconv.Itoa(i), value}, {"PUBLISH", "channel", value}}[i%2]
		},
	}
	out := make(map[string][]byte, len(all))
	for name, command := range all {
		var p []byte
		for i := 0; len(p) < 1<<20; i += 10 {
			for j := range 10 {
				p = resp.AppendCommandStrings(p, command(i+j)...)
			}
		}
		out[name] = p
	}
	return out
}

// serveBare plays an upstream's part up to +CONTINUE and reads the first ACK.
func serveBare(conn net.Conn) (*resp.Reader, error) {
	in := resp.NewReader(conn)
	for {
		c, err := in.Next()
		if err != nil {
			return nil, err
		}
		reply := "+OK\r\n"
		switch string(c.Args[0]) {
		case "HELLO":
			reply = hello("redis", "8.0.6")
		case "PSYNC":
			_, err = io.WriteString(conn, "+CONTINUE\r\n")
			if err == nil {
				_, err = in.Next()
			}
			return in, err
		}
		if _, err := io.WriteString(conn, reply); err != nil {
			return nil, err
		}
	}
}

// BenchmarkStream is the whole client with a sink that costs nothing, over loopback: how fast a stream is received.
func BenchmarkStream(b *testing.B) {
	for name, chunk := range mixes() {
		b.Run(name, func(b *testing.B) { benchmarkStream(b, chunk) })
	}
}

func benchmarkStream(b *testing.B, chunk []byte) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer func() { require.NoError(b, listener.Close()) }()
	sink := newDiscard(position(b, idA, 0))
	client, err := New(Options{Addr: listener.Addr().String()}, sink, sink)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- client.Run(ctx) }()
	conn, err := listener.Accept()
	require.NoError(b, err)
	_, err = serveBare(conn)
	require.NoError(b, err)
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	b.ResetTimer()
	sink.target = int64(b.N) * int64(len(chunk))
	for range b.N {
		_, err := conn.Write(chunk)
		require.NoError(b, err)
	}
	<-sink.reached
	b.StopTimer()
	b.ReportMetric(float64(sink.received.Load())/float64(sink.runs.Load())/1024, "KiB/run")
	b.ReportMetric(float64(sink.received.Load())/float64(sink.groups.Load())/1024, "KiB/group") // of runs with More, and one without
	cancel()
	require.NoError(b, <-done)
	require.NoError(b, conn.Close())
}

// BenchmarkBareCopy is what the same bytes cost without us: the ratio is ours.
func BenchmarkBareCopy(b *testing.B) {
	chunk := mixes()["set64"]
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer func() { require.NoError(b, listener.Close()) }()
	out, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(b, err)
	in, err := listener.Accept()
	require.NoError(b, err)
	b.SetBytes(int64(len(chunk)))
	b.ResetTimer()
	go func() {
		for range b.N {
			_, _ = out.Write(chunk)
		}
		_ = out.Close()
	}()
	buf := make([]byte, 1<<20)
	for {
		if _, err := in.Read(buf); err != nil {
			break
		}
	}
	_ = in.Close()
}

// BenchmarkGetAck is a WAIT after each write: one command, one GETACK, one answer, round and round.
func BenchmarkGetAck(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer func() { require.NoError(b, listener.Close()) }()
	sink := newDiscard(position(b, idA, 0))
	client, err := New(Options{Addr: listener.Addr().String()}, sink, sink)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- client.Run(ctx) }()
	conn, err := listener.Accept()
	require.NoError(b, err)
	hs, err := serveBare(conn)
	require.NoError(b, err)
	one := []byte(cmd("SET", "key", strings.Repeat("v", 64)) + getack)
	b.ReportAllocs()
	b.ResetTimer()
	end := 0
	for range b.N {
		_, err := conn.Write(one)
		require.NoError(b, err)
		end += len(one)
		want := []byte(itoa(end))
		for {
			c, err := hs.Next()
			require.NoError(b, err)
			if bytes.Equal(c.Args[2], want) {
				break
			}
		}
	}
	b.StopTimer()
	cancel()
	require.NoError(b, <-done)
	require.NoError(b, conn.Close())
}

// BenchmarkFeed is the part that looks at every byte.
func BenchmarkFeed(b *testing.B) {
	for name, chunk := range mixes() {
		b.Run(name, func(b *testing.B) {
			f := newFeeder(newDiscard(position(b, idA, 0)), position(b, idA, 0), 0)
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			for b.Loop() {
				n, err := f.feed(b.Context(), chunk, 0, 1)
				if err != nil || n != len(chunk) {
					b.Fatal(n, err)
				}
			}
		})
	}
}
