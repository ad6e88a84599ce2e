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

// A server refuses a snapshot with a set in which a member comes twice, as two cuts of the same text may be.
func TestSnapshotSetsHaveNoMemberTwice(t *testing.T) {
	var out bytes.Buffer
	s := newSnapshotWriter(&out)
	for i := range s.text {
		s.text[i] = 'x'
	}
	s.buf = append(s.buf, rdbHeader...)
	s.buf = append(s.buf, opSelectDB, 0)
	for range 100 {
		s.entry()
	}
	s.buf = append(s.buf, opEOF)
	s.flush()
	s.buf = s.crc.Sum(s.buf)
	s.flush()
	require.NoError(t, s.err)

	in, err := rdb.NewReader(&out)
	require.NoError(t, err)
	sets := 0
	for it, err := in.Next(); err == nil; it, err = in.Next() {
		var raw bytes.Buffer
		require.NoError(t, in.CopyRaw(&raw))
		if it.Kind != rdb.KeyItem || it.Type.String() != "set" {
			continue
		}
		sets++
		seen := map[string]bool{}
		const length = 2 // bytes of a member's length
		for members := raw.Bytes()[it.HeadBytes+1:]; len(members) > 0; members = members[length+valueBytes:] {
			seen[string(members[:length+valueBytes])] = true
		}
		require.Len(t, seen, setMembers)
	}
	require.Positive(t, sets)
}
