package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

func TestSnapshotIsARealOne(t *testing.T) {
	for _, size := range []int64{0, 1, 3 << 20, hugeString + 1} {
		var out bytes.Buffer
		written, keys, err := writeSnapshot(&out, size)
		require.NoError(t, err)
		require.Equal(t, int64(out.Len()), written)
		require.GreaterOrEqual(t, written, size)
		sum, err := rdb.Check(&out)
		require.NoError(t, err)
		require.True(t, sum.Checksummed)
		require.True(t, sum.HasRepl)
		require.Equal(t, upstreamID, sum.ReplID)
		require.EqualValues(t, streamOrigin, sum.ReplOffset)
		require.Equal(t, keys, sum.Keys)
		require.Equal(t, size > 0, keys > 0)
	}
}

// brokenWriter takes so many writes and no more.
type brokenWriter struct{ left int }

var errBroken = errors.New("broken")

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.left == 0 {
		return 0, errBroken
	}
	w.left--
	return len(p), nil
}

func TestSnapshotStopsAtABrokenConnection(t *testing.T) {
	_, _, err := writeSnapshot(&brokenWriter{left: 2}, 1<<40)
	require.ErrorIs(t, err, errBroken)
}
