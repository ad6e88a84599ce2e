package rdb_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

func TestUnpackedBytes(t *testing.T) {
	f := rdb.Format{Version: 12}
	text := bytes.Repeat([]byte("v"), 100_000)
	plain := rdb.AppendLength(nil, uint64(len(text)))
	packed := rdb.AppendString(nil, text)
	require.Less(t, len(packed), len(text)/50)
	within := func(want, got int64) { // the lengths in front are not counted out
		require.InDelta(t, want, got, 20)
	}
	within(int64(len(text)), rdb.UnpackedBytes(f, rdb.TypeString, packed))
	within(int64(len(text)), rdb.UnpackedBytes(f, rdb.TypeString, append(plain, text...)))
	two := append(append(rdb.AppendLength(nil, 2), packed...), packed...)
	within(2*int64(len(text)), rdb.UnpackedBytes(f, rdb.TypeSet, two))
	require.Equal(t, int64(3), rdb.UnpackedBytes(f, rdb.TypeString, []byte{2, 'a', 'b'}))
	require.Equal(t, int64(2), rdb.UnpackedBytes(f, rdb.TypeString, []byte{9, 'a'}), "damaged")
	require.Zero(t, rdb.UnpackedBytes(f, rdb.TypeString, nil))
}
