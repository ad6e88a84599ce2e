package fold_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// TestAllocs wants a command on a key that is there to allocate nothing, from the file to the Space.
func TestAllocs(t *testing.T) {
	base, table := baseOf(t), keyspace.NewTable()
	allocs := func(rounds int) float64 {
		increment := resp.AppendCommandStrings(nil, "SELECT", "0")
		for range rounds {
			for _, args := range [][]string{
				{"INCR", "n"},
				{"SET", "s", "value"},
				{"HSET", "h", "field", "value"},
				{"SADD", "t", "member"},
				{"ZADD", "z", "1", "member"},
				{"PEXPIREAT", "n", "9999999999999"},
			} {
				increment = resp.AppendCommandStrings(increment, args...)
			}
		}
		in := fold.Input{Base: source("base", base), Increments: []fold.Source{source("increment", increment)}}
		return testing.AllocsPerRun(1, func() {
			_, err := fold.Fold(t.Context(), in, io.Discard, fold.Options{Table: table})
			require.NoError(t, err)
		})
	}
	require.InDelta(t, allocs(2_000), allocs(40_000), 100)
}
