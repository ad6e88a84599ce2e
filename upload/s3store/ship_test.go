package s3store

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
)

// TestShipToABucket: a log is shipped to a bucket under a lease, twice, with a merge and retention, and what is there leads to its end.
func TestShipToABucket(t *testing.T) {
	o, _ := bucket(t, nil)
	store := open(t, o)
	l, err := aof.Open(t.Context(), aof.Options{Dir: t.TempDir(), IncrementBytes: 64 << 10})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var g errgroup.Group
	g.Go(func() error { return l.Run(ctx) })

	var snap bytes.Buffer
	require.NoError(t, rdb.NewWriter(&snap, rdb.Format{Version: 12}).Close())
	id, err := stream.ParseReplID(fmt.Sprintf("%040x", 1))
	require.NoError(t, err)
	_, err = l.FullResync(t.Context(), stream.Snapshot{Position: stream.Position{ReplID: id, Offset: 7}, Bytes: int64(snap.Len())}, &snap)
	require.NoError(t, err)

	var merged atomic.Int64
	for range 2 {
		up, err := upload.New(upload.Options{
			Interval: 50 * time.Millisecond, SegmentBytes: 16 << 10, LeaseTTL: 3 * time.Second, Retention: &upload.Policy{}, RetentionInterval: 200 * time.Millisecond,
			Observer: upload.Observer{Merged: func(upload.ShippedSegment) { merged.Add(1) }},
		}, l, store)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- up.Run(t.Context()) }()
		write := func(n int) {
			for i := range n {
				p := resp.AppendCommandStrings(nil, "SET", fmt.Sprint("key", i), strings.Repeat("v", 1000))
				require.NoError(t, l.Append(t.Context(), &stream.Run{Data: p, Boundary: int64(len(p)), Whole: true, UnixMilli: time.Now().UnixMilli()}))
			}
		}
		shipped := func() bool {
			off, ok := up.Shipped()
			durable, _ := l.Durable()
			return ok && off == durable && off == l.Received()
		}
		write(20) // the beginning of an increment, which goes into a segment of its own, so that there is something to merge when it has closed
		require.Eventually(t, shipped, 20*time.Second, 10*time.Millisecond)
		write(180)
		require.Eventually(t, func() bool { return shipped() && merged.Load() > 0 }, 20*time.Second, 10*time.Millisecond)
		require.NoError(t, up.Drain(t.Context()))
		require.NoError(t, <-done)
		require.Empty(t, up.State().Error)
	}
	stop()
	require.NoError(t, g.Wait())
	require.NoError(t, l.Close())
	c, err := upload.ReadCatalog(t.Context(), store)
	require.NoError(t, err)
	require.Len(t, c.Windows(), 1)
	require.Equal(t, l.Received(), c.Windows()[0].To)
	rec, err := upload.ReadLease(t.Context(), store)
	require.NoError(t, err)
	require.True(t, rec.Released)
	require.Equal(t, int64(2), rec.Epoch)
}
