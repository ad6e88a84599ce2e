package workload

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

func TestValuesAreLargeNowAndThen(t *testing.T) {
	r := &run{w: New(1, testenv.Family{Name: "redis-7.0", Dialect: testenv.Redis}, Options{})}
	largest := 0
	for range 2000 {
		if value, ok := r.large().([]byte); ok {
			largest = max(largest, len(value))
		}
	}
	require.Greater(t, largest, 1<<20)
}

func TestRandomFillsExactly(t *testing.T) {
	r := &run{w: New(1, testenv.Family{Name: "redis-7.0", Dialect: testenv.Redis}, Options{})}
	for _, n := range []int{0, 1, 7, 8, 9, 64, 1000} {
		require.Len(t, r.random(n), n)
	}
	tail := r.random(1001)[900:]
	require.NotEqual(t, make([]byte, len(tail)), tail)
}
