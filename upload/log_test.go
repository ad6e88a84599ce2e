package upload_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
	"github.com/aofsidecar/aofsidecar/upload/filestore"
)

var _ upload.Source = (*aof.Log)(nil)

// sidecar is a log and what ships it, on a disk.
type sidecar struct {
	log  *aof.Log
	up   *upload.Uploader
	stop context.CancelFunc
	g    *errgroup.Group

	shipping chan error
}

func startSidecar(tb testing.TB, dir string, store upload.Store) *sidecar {
	tb.Helper()
	l, err := aof.Open(tb.Context(), aof.Options{Dir: dir, IncrementBytes: 64 << 10})
	require.NoError(tb, err)
	up, err := upload.New(upload.Options{Interval: 50 * time.Millisecond, SegmentBytes: 16 << 10, LeaseTTL: time.Second}, l, store)
	require.NoError(tb, err)
	ctx, stop := context.WithCancel(context.Background())
	s := &sidecar{log: l, up: up, stop: stop, g: &errgroup.Group{}, shipping: make(chan error, 1)}
	s.g.Go(func() error { return l.Run(ctx) })
	s.g.Go(func() error { return l.RunRewrites(ctx) })
	go func() { s.shipping <- up.Run(context.WithoutCancel(ctx)) }()
	tb.Cleanup(stop)
	return s
}

// end is a SIGTERM.
func (s *sidecar) end(tb testing.TB) {
	tb.Helper()
	s.stop()
	require.NoError(tb, s.g.Wait())
	require.NoError(tb, s.log.Close())
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Second)
	defer cancel()
	require.NoError(tb, s.up.Drain(ctx), "%+v", s.up.State())
	require.NoError(tb, <-s.shipping)
}

func (s *sidecar) write(tb testing.TB, rng *rand.Rand, n int) {
	tb.Helper()
	for range n {
		p := resp.AppendCommandStrings(nil, "SET", fmt.Sprint("key", rng.IntN(100)), strings.Repeat("v", rng.IntN(2000)))
		run := stream.Run{Data: p, Boundary: int64(len(p)), Whole: true, UnixMilli: time.Now().UnixMilli()}
		require.NoError(tb, s.log.Append(tb.Context(), &run))
	}
}

func emptySnapshot(tb testing.TB) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Format{Version: 12})
	require.NoError(tb, w.Close())
	return b.Bytes()
}

// TestShipARealLog: what the log of this program makes is shipped to a directory across rotations, a rewrite, a restart and a full resync, and comes back from
// there as a log that goes on where it ended.
func TestShipARealLog(t *testing.T) {
	dir, archive := t.TempDir(), t.TempDir()
	store, err := filestore.Open(archive)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	s := startSidecar(t, dir, store)
	id, err := stream.ParseReplID(replID(1))
	require.NoError(t, err)
	resync := func(at stream.Offset) {
		snap := emptySnapshot(t)
		_, err := s.log.FullResync(t.Context(), stream.Snapshot{Position: stream.Position{ReplID: id, Offset: at}, Bytes: int64(len(snap))}, bytes.NewReader(snap))
		require.NoError(t, err)
	}
	resync(1000)
	s.write(t, rng, 400)
	require.Eventually(t, func() bool {
		off, ok := s.up.Shipped()
		durable, _ := s.log.Durable()
		return ok && off == durable && off > 100_000
	}, 20*time.Second, 10*time.Millisecond)
	s.write(t, rng, 100)
	s.end(t)

	for round := range 3 {
		s = startSidecar(t, dir, store)
		pos, _, err := s.log.Resume()
		require.NoError(t, err)
		require.NoError(t, s.log.Continue(t.Context(), pos.ReplID))
		s.write(t, rng, 100)
		if round == 1 {
			resync(50)
		}
		s.write(t, rng, 100)
		s.end(t)
	}
	end := s.log.Holdings().Timelines[len(s.log.Holdings().Timelines)-1].End

	c, err := upload.ReadCatalog(t.Context(), store)
	require.NoError(t, err)
	require.Len(t, c.Timelines, 2)
	require.Len(t, c.Windows(), 2, "%v", c.Windows())
	require.Equal(t, end.Offset, c.Windows()[1].To)

	target := filepath.Join(t.TempDir(), "restored")
	_, err = upload.Restore(t.Context(), store, upload.RestoreOptions{Dir: target})
	require.ErrorContains(t, err, "began almost empty", "the guard has pinned the timeline before")
	_, err = upload.Restore(t.Context(), store, upload.RestoreOptions{Dir: target, Target: upload.Target{Timeline: c.Timelines[1].ID}})
	require.NoError(t, err)
	l, err := aof.Open(t.Context(), aof.Options{Dir: target})
	require.NoError(t, err)
	pos, _, err := l.Resume()
	require.NoError(t, err)
	require.Equal(t, end, pos)
	require.NoError(t, l.Close())
}
