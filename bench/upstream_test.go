package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

func listenHere(t *testing.T, snapshotBytes int64) *upstream {
	t.Helper()
	u, err := listen(t.Context(), snapshotBytes)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, u.close()) })
	return u
}

// dial returns a connection and its reader.
func dial(t *testing.T, u *upstream) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", u.addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn, bufio.NewReader(conn)
}

func ask(t *testing.T, conn net.Conn, in *bufio.Reader, args ...string) string {
	t.Helper()
	_, err := conn.Write(resp.AppendCommandStrings(nil, args...))
	require.NoError(t, err)
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	return line
}

func TestHandshake(t *testing.T) {
	conn, in := dial(t, listenHere(t, 0))
	require.Equal(t, "+PONG\r\n", ask(t, conn, in, "ping"))
	require.Equal(t, "+OK\r\n", ask(t, conn, in, "AUTH", "secret"))
	require.Equal(t, "+OK\r\n", ask(t, conn, in, "REPLCONF", "capa", "eof", "capa", "psync2"))
	require.Equal(t, "-ERR unknown command 'HELLO'\r\n", ask(t, conn, in, "HELLO", "3"))
	require.Equal(t, "$", ask(t, conn, in, "INFO", "server")[:1])
}

func TestPartialResync(t *testing.T) {
	u := listenHere(t, 0)
	conn, in := dial(t, u)
	require.Equal(t, "+CONTINUE "+upstreamID+"\r\n", ask(t, conn, in, "PSYNC", upstreamID, "1000042"))
	require.NoError(t, acknowledge(conn, 1000041, 0))
	l, err := u.link(t.Context())
	require.NoError(t, err)
	require.True(t, l.resumed)
	require.EqualValues(t, 1000041, l.next)

	h := history{rec: &recording{data: []byte("0123456789")}}
	h.end = 50
	sent := make(chan error, 1)
	go func() { sent <- h.send(t.Context(), l, 5) }()
	got := make([]byte, 14)
	_, err = io.ReadFull(in, got)
	require.NoError(t, err)
	require.Equal(t, "12345678901234", string(got), "it goes on where it was asked to, up to the new end")
	require.NoError(t, acknowledge(conn, 1000055, 0))
	require.NoError(t, <-sent)
}

func TestUnknownHistoryIsAnError(t *testing.T) {
	u := listenHere(t, 0)
	conn, _ := dial(t, u)
	_, err := conn.Write(resp.AppendCommandStrings(nil, "PSYNC", strings.Repeat("0", 40), "7"))
	require.NoError(t, err)
	_, err = u.link(t.Context())
	require.ErrorContains(t, err, "never sent")
}

func TestLinkEndsWithItsReplica(t *testing.T) {
	u := listenHere(t, 0)
	conn, in := dial(t, u)
	require.Equal(t, "+FULLRESYNC "+upstreamID+" 1000000\r\n", ask(t, conn, in, "PSYNC", "?", "-1"))
	require.NoError(t, acknowledge(conn, streamOrigin, 0))
	l, err := u.link(t.Context())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	_, err = l.wait(t.Context(), func(p progress) bool { return p.ack > streamOrigin })
	require.ErrorContains(t, err, "closed the connection")
}

func TestDelimitedSnapshot(t *testing.T) {
	u := listenHere(t, 1<<20)
	conn, in := dial(t, u)
	require.Equal(t, "+FULLRESYNC "+upstreamID+" 1000000\r\n", ask(t, conn, in, "PSYNC", "?", "-1"))
	header, err := in.ReadString('\n')
	require.NoError(t, err)
	mark, ok := strings.CutPrefix(strings.TrimSpace(header), "$EOF:")
	require.True(t, ok)
	require.Len(t, mark, 40)
	require.NoError(t, acknowledge(conn, streamOrigin, 0))
	linked := make(chan *link)
	go func() {
		l, _ := u.link(t.Context())
		linked <- l
	}()
	payload := make([]byte, 0, 2<<20)
	for !strings.HasSuffix(string(payload[max(0, len(payload)-40):]), mark) {
		chunk := make([]byte, 64<<10)
		n, err := in.Read(chunk)
		require.NoError(t, err)
		payload = append(payload, chunk[:n]...)
	}
	l := <-linked
	require.NotNil(t, l)
	require.EqualValues(t, len(payload)-40, l.snapshot.bytes)
	require.Positive(t, l.snapshot.keys)
}

func TestBareCopyCopies(t *testing.T) {
	for _, policy := range allPolicies() {
		t.Run(policy, func(t *testing.T) {
			u := listenHere(t, 0)
			path := filepath.Join(t.TempDir(), "copy.aof")
			rec := recordMixed(20_000).again(2)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			copied := make(chan error, 1)
			go func() { copied <- copyStream(ctx, u.addr(), path, policy) }()
			l, err := u.link(ctx)
			require.NoError(t, err)
			_, _, err = l.deliver(ctx, rec, true, policy != policyNo)
			require.NoError(t, err)
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, slices.Concat(rec.data, rec.data), got)
			cancel()
			require.NoError(t, <-copied)
		})
	}
}
