package replica

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// An upstream gives a snapshot up before its first byte, e.g. for a FLUSHALL, and makes the next one at once; or it cannot make any: 1, 2, 4 ... seconds, up to
// what a torn one waits. What ends otherwise, e.g. because the sink has no room, is no such one.
func TestSnapshotThatDidNotBeginIsAskedForSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		u, rec := newUpstream(t), newRecorder(t)
		run := start(t, u, rec, h.observe)
		full := "+FULLRESYNC " + idA + " 10\r\n"
		for i, said := range []string{full, full + "\n\n", full + "$EOF:" + string(testMark) + "\r\n", full + "$100\r\n", full, full, full, full, full, full, full, full, full, full} {
			p := u.accept()
			p.resync("?", "-1")
			p.send(said)
			p.close()
			synctest.Wait()
			require.Equal(t, ClassSnapshot, h.losses()[i].Class, h.losses()[i].Err)
			require.Equal(t, min(time.Second<<i, time.Hour), h.losses()[i].Retry, "%v", h.losses()[i].Err)
		}
		p := u.accept()
		p.resync("?", "-1")
		p.send(full + "$100\r\nR")
		p.close()
		synctest.Wait()
		require.Equal(t, time.Hour, h.losses()[14].Retry)
		run.stop()
	})
	synctest.Test(t, func(t *testing.T) {
		var h heard
		u, rec := newUpstream(t), newRecorder(t)
		rec.onFull = func(context.Context, stream.Snapshot, io.Reader) error { return errors.New("no room for it") }
		run := start(t, u, rec, h.observe)
		p := u.accept()
		p.resync("?", "-1")
		p.send("+FULLRESYNC " + idA + " 10\r\n$0\r\n")
		p.ended()
		synctest.Wait()
		require.Zero(t, asError[*SnapshotError](t, h.losses()[0].Err).Bytes)
		require.Equal(t, time.Minute, h.losses()[0].Retry)
		run.stop()
	})
}

// FLUSHALL ends the process that writes the snapshot, and the server hangs up. The next snapshot is asked for soon, and taken.
func TestFlushAllEndsASnapshot(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			server := testenv.StartServer(t, family, testenv.WithConfig("rdb-key-save-delay 100000"))
			client := server.Client()
			require.NoError(t, client.Do(t.Context(), "DEBUG", "POPULATE", 1000, "key", 100).Err())
			var h heard
			run := start(t, nil, newRecorder(t), at(server.Addr()), h.observe)
			t.Cleanup(run.cancel)
			testenv.Eventually(t, "the server to make a snapshot", func(ctx context.Context) (string, bool) {
				info, err := server.Info(ctx, "persistence")
				return info["rdb_bgsave_in_progress"], err == nil && info["rdb_bgsave_in_progress"] == "1"
			})
			inPhase(t, run, PhaseResync)
			require.NoError(t, client.FlushAll(t.Context()).Err())
			inPhase(t, run, PhaseStreaming)
			require.Len(t, h.losses(), 1)
			require.True(t, asError[*SnapshotError](t, h.losses()[0].Err).Unbegun)
			full, _ := resyncs(t, server)
			require.Equal(t, 2, full)
		})
	}
}
