package replica

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// In the steady state nothing is allocated: neither per command, nor per run, nor per read, nor per acknowledgement. The
// whole path is measured, from the socket to the sink and back.
func TestStreamDoesNotAllocate(t *testing.T) {
	waits := []byte(cmd("SET", "key", "value") + getack)
	chunks := mixes()
	chunks["waits"] = bytes.Repeat(waits, 100)
	for name, chunk := range chunks {
		t.Run(name, func(t *testing.T) {
			sink := newDiscard(position(t, idA, 0))
			client, err := New(Options{Addr: "upstream:6379"}, sink, sink)
			require.NoError(t, err)
			reads := make(chan []byte)
			var rest []byte
			conn := &source{read: func(p []byte) (int, error) {
				if len(rest) == 0 {
					rest = <-reads
				}
				if rest == nil {
					return 0, errHungUp
				}
				n := copy(p, rest)
				rest = rest[n:]
				return n, nil
			}}
			ended := make(chan error, 1)
			go func() {
				_, err := client.stream(t.Context(), newLink(conn, conn, time.Minute), sink.pos, 0, ackInterval)
				ended <- err
			}()
			once := func() {
				sink.target += int64(len(chunk))
				reads <- chunk
				<-sink.reached
			}
			for range 100 { // until all buffers that it takes are there
				once()
			}
			// One chunk is thousands of commands: less than one allocation for it is none for them. What remains is a buffer now and
			// then, when this goroutine is late.
			require.Less(t, testing.AllocsPerRun(100, once), 1.0)
			reads <- nil
			require.ErrorIs(t, <-ended, errHungUp)
		})
	}
}
