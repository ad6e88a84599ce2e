package e2e_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// A stock server that was booted in the sidecar's directory, wrote there and was stopped, one way or the other, does no harm: the sidecar
// takes back what the server wrote when the upstream sends anything else, its next PING at the latest, and goes on from where it was.
func TestStockServerBootedInPlace(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family)
			options := workload.Options{NoFieldTTL: family.Has(testenv.FieldTTLReplayHazard)}
			work := newWorkload(t, newSeed(t), upstream, options)
			write(t, upstream, work, 500)
			m := startMirror(t, upstream.Addr(), "aof.increment-size=256kb")

			for _, end := range []func(*testenv.Server){
				func(s *testenv.Server) { require.NoError(t, s.Kill()) },
				func(s *testenv.Server) { require.NoError(t, s.Stop(t.Context())) },
			} {
				tr := startTraffic(t, upstream, work)
				offset, err := offsetOf(t.Context(), upstream)
				require.NoError(t, err)
				awaitOffset(t, upstream, offset+tr.backlog/16)
				m.kill(t)
				tr.stop(t)

				stock := bootInPlace(t, family, m.Dir())
				meddle(t, stock)
				end(stock)
				m.start(t)
				m.awaitStreaming(t)
				requireMirrored(t, upstream, m, "everysec")
			}
			require.EqualValues(t, 1, requireResyncs(t, upstream).full)
			requireCleanEnd(t, family, m)
		})
	}
}

// The same before anything of the stream was synced, and with a snapshot at offset 0, which is what the first replica of an upstream
// gets: no mark proves anything yet, and what the server wrote must not pass for the upstream's.
func TestStockServerBootedInPlaceBeforeTheFirstSync(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family)
			m := startMirror(t, upstream.Addr())
			require.NoError(t, upstream.Client().Set(t.Context(), "key", "value", 0).Err())
			testenv.Eventually(t, "the sidecar to have received it", func(ctx context.Context) (testenv.SidecarStatus, bool) {
				return m.inStep(ctx, upstream, "no")
			})
			m.kill(t)
			stock := bootInPlace(t, family, m.Dir())
			meddle(t, stock)
			require.NoError(t, stock.Kill())
			m.start(t)
			m.awaitStreaming(t)
			requireMirrored(t, upstream, m, "everysec")
			require.EqualValues(t, 1, requireResyncs(t, upstream).full)
			requireCleanEnd(t, family, m)
		})
	}
}

// bootInPlace starts a stock server as a primary that writes to the directory.
func bootInPlace(t *testing.T, family testenv.Family, dir string) *testenv.Server {
	t.Helper()
	return testenv.StartServer(t, family, testenv.WithDataDir(dir), testenv.WithConfig("appendonly yes", "appendfsync always"))
}

// meddle does what an operator may do on the wrong server.
func meddle(t *testing.T, stock *testenv.Server) {
	t.Helper()
	client := stock.Client()
	require.NoError(t, client.Set(t.Context(), "meddled", "with", 0).Err())
	_, err := client.TxPipelined(t.Context(), func(pipe redis.Pipeliner) error {
		pipe.Set(t.Context(), "meddled", "again", 0)
		pipe.RPush(t.Context(), "meddled list", "a", "b")
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, client.Do(t.Context(), "SWAPDB", 0, 1).Err())
	require.NoError(t, client.FlushDB(t.Context()).Err())
}

// A stock server that rewrote the log has taken the directory over: it has no position any more, and the sidecar leaves it alone.
func TestStockServerRewroteInPlace(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family)
			m := startMirror(t, upstream.Addr())
			require.NoError(t, upstream.Client().Set(t.Context(), "key", "value", 0).Err())
			m.kill(t)

			stock := bootInPlace(t, family, m.Dir())
			require.NoError(t, stock.Client().BgRewriteAOF(t.Context()).Err())
			testenv.Eventually(t, "the rewrite to end", func(ctx context.Context) (string, bool) {
				info, err := stock.Info(ctx, "persistence")
				return info["aof_rewrite_in_progress"], err == nil && info["aof_rewrite_in_progress"] == "0" && info["aof_last_bgrewrite_status"] == "ok"
			})
			require.NoError(t, stock.Stop(t.Context()))
			before := filesIn(t, filepath.Join(m.Dir(), "appendonlydir"))

			m.start(t)
			m.endsHeld(t)
			require.Equal(t, before, filesIn(t, filepath.Join(m.Dir(), "appendonlydir")))
		})
	}
}
