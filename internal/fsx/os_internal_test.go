package fsx

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestProductSaturates(t *testing.T) {
	require.Equal(t, int64(12<<20), product(3<<10, 4<<10))
	require.Equal(t, int64(0), product(0, math.MaxUint64))
	require.Equal(t, int64(math.MaxInt64), product(math.MaxInt64, 1))
	require.Equal(t, int64(math.MaxInt64), product(1<<63, 1))
	require.Equal(t, int64(math.MaxInt64), product(math.MaxUint64, 4096))
}

func TestIgnoreEINTRRepeats(t *testing.T) {
	calls := 0
	err := ignoreEINTR(func() error {
		calls++
		if calls < 3 {
			return unix.EINTR
		}
		return unix.EIO
	})
	require.ErrorIs(t, err, unix.EIO)
	require.Equal(t, 3, calls)
}
