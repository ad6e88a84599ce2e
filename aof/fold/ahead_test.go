package fold_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/resp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestBatches folds commands of all lengths and numbers of arguments, so that batches end in each way.
func TestBatches(t *testing.T) {
	increment := resp.AppendCommandStrings(nil, "SELECT", "0")
	add := func(args ...string) { increment = resp.AppendCommandStrings(increment, args...) }
	for i, size := range []int{1, 60_000, 10, 70_000, 70_000, 1, 64 << 10, 300_000, 5} {
		add("APPEND", "k"+strconv.Itoa(i%2), strings.Repeat(strconv.Itoa(i), size))
		many := []string{"RPUSH", "l"}
		for range size / 20 {
			many = append(many, "", strconv.Itoa(i))
		}
		if len(many) > 2 {
			add(many...)
		}
		for j := range size % 3000 {
			add("INCR", "n"+strconv.Itoa(j))
		}
	}
	res, _ := requireFold(t, baseOf(t), fold.Options{}, increment)
	require.Zero(t, res.Refused)
	require.EqualValues(t, 2536+3, res.Keys)
}

// TestStopWhileReading ends a fold where a batch is lent, others are full, or none is there yet.
func TestStopWhileReading(t *testing.T) {
	increment := resp.AppendCommandStrings(nil, "SELECT", "0")
	for range 20_000 {
		increment = resp.AppendCommandStrings(increment, "SET", "k", "v")
	}
	long := resp.AppendCommandStrings(nil, "SET", "k", strings.Repeat("v", 1<<20))
	for _, tail := range [][]byte{nil, long, append(long, long...)} {
		for _, head := range [][]byte{nil, increment} {
			files := []fold.Source{source("increment", append(append(bytes.Clone(head), "\r\n"...), tail...))}
			in := fold.Input{Base: source("base", baseOf(t)), Increments: files}
			_, err := fold.Fold(t.Context(), in, io.Discard, fold.Options{Table: keyspace.NewTable()})
			var bad *fold.InputError
			require.ErrorAs(t, err, &bad)
			require.EqualValues(t, len(head), bad.Offset)

			stop := errors.New("stop")
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(stop)
			_, err = fold.Fold(ctx, in, io.Discard, fold.Options{Table: keyspace.NewTable()})
			require.ErrorIs(t, err, stop)
		}
	}
}

// TestErrorBehindCommands wants the place of what cannot be read, and everything before it to be looked at.
func TestErrorBehindCommands(t *testing.T) {
	increment := commandsOf("SET a 1", "SET b 2")
	whole := len(increment)
	in := fold.Input{Base: source("base", baseOf(t)), Increments: []fold.Source{source("increment", append(increment, "*2\r\n$3\r\nGE"...))}}
	_, err := fold.Fold(t.Context(), in, io.Discard, fold.Options{Table: keyspace.NewTable()})
	var bad *fold.InputError
	require.ErrorAs(t, err, &bad)
	require.EqualValues(t, whole, bad.Offset)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
