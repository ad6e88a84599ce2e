package replica

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

var errHungUp = errors.New("hung up")

// FuzzSession gives a client anything for an upstream: from its first byte, or right after +CONTINUE. Whatever comes, the connection ends
// with an error, the sink's contract holds (recorder checks it), no more is taken than was sent, and what was appended
// is what was sent.
func FuzzSession(f *testing.F) {
	greeting := "+PONG\r\n+OK\r\n-ERR no\r\n" + hello("redis", "8.0.6")
	for _, mark := range framings() {
		h := session(mark)
		f.Add([]byte(greeting+h.answer("-1")), false, uint16(3))
		f.Add([]byte(h.wire()), true, uint16(1))
	}
	for _, hostile := range []string{
		"*1\r\n$1000000000000000000\r\n", "*2147483647\r\n$1\r\n", "*1\r\n$-1\r\n", "*0\r\n", "PING\r\n", "#TS:1\r\n", "\n\n\n\r\n",
		"*2\r\n$6\r\nSELECT\r\n$20\r\n99999999999999999999\r\n", cmd("EXEC"), cmd("MULTI") + cmd("MULTI"), cmd("REPLCONF"), cmd("CLUSTER"),
	} {
		f.Add([]byte(hostile), true, uint16(0))
	}
	for _, hostile := range []string{
		"+PONG\r\n+OK\r\n+OK\r\n*2147483647\r\n", "+PONG\r\n+OK\r\n+OK\r\n$2147483647\r\n",
		greeting + "+FULLRESYNC " + idA + " 9223372036854775807\r\n$0\r\n" + heartbeat,
		greeting + "+FULLRESYNC " + idA + " 1\r\n$9223372036854775807\r\nREDIS", greeting + "+CONTINUE\r\n",
	} {
		f.Add([]byte(hostile), false, uint16(0))
	}
	f.Fuzz(func(t *testing.T, said []byte, streaming bool, piece uint16) {
		rest := said
		conn := &source{read: func(p []byte) (int, error) {
			if len(rest) == 0 {
				return 0, io.EOF
			}
			n := copy(p, rest)
			if piece > 0 {
				n = min(n, int(piece))
			}
			rest = rest[n:]
			return n, nil
		}}
		rec := newRecorder(t)
		if streaming {
			rec.at(position(t, idA, 1000), 0)
			rec.open = true
		}
		client, err := New(Options{Addr: "upstream:6379", Dial: conn.dial}, rec, rec)
		require.NoError(t, err)
		if streaming {
			_, err = client.stream(t.Context(), newLink(conn, conn, defaultReplTimeout), rec.pos, rec.db, ackInterval)
		} else {
			err = client.connection(t.Context(), t.Context())
		}
		require.Error(t, err)
		at := int64(0) // in what was said
		for _, run := range rec.seenRuns() {
			if streaming {
				sameBytes(t, said[at+run.Dropped:at+run.Len()], run.Data)
			} else {
				require.True(t, bytes.Contains(said, run.Data))
			}
			at += run.Len()
			require.LessOrEqual(t, at, int64(len(said)))
		}
	})
}

func (s *source) dial(context.Context, string, string) (net.Conn, error) { return s, nil }
