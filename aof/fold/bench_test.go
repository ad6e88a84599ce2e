package fold_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// BenchmarkFold folds increments of a million commands, and a base of a million keys of which few are touched.
func BenchmarkFold(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	value := strings.Repeat("v", 64)
	for _, bc := range []struct {
		name   string
		keys   int
		line   func(i int) []string
		amount int
	}{
		{"incr", 0, func(int) []string { return []string{"INCR", "counter:" + strconv.Itoa(rng.IntN(100_000))} }, 1_000_000},
		{"mixed", 0, func(i int) []string {
			key := strconv.Itoa(rng.IntN(40_000))
			return [][]string{
				{"SET", "s" + key, value},
				{"HSET", "h" + key, "f" + strconv.Itoa(i%10), value},
				{"LPUSH", "l" + key, value},
				{"RPOP", "l" + key},
				{"SADD", "t" + key, value[:i%60]},
				{"ZADD", "z" + key, strconv.Itoa(i % 97), "m" + strconv.Itoa(i%20)},
				{"INCR", "n" + key},
				{"DEL", "s" + key},
			}[i%8]
		}, 1_000_000},
		{"base", 1_000_000, func(int) []string { return []string{"SET", "key:" + strconv.Itoa(rng.IntN(1_000_000)), value} }, 50_000},
	} {
		b.Run(bc.name, func(b *testing.B) {
			var base bytes.Buffer
			w := rdb.NewWriter(&base, format)
			require.NoError(b, w.SelectDB(0))
			for i := range bc.keys {
				_, body := rdb.AppendStringValue(nil, []byte(fmt.Sprintf("%0200d", rng.Uint64())))
				require.NoError(b, w.Key(rdb.TypeString, rdb.Attributes{}, []byte("key:"+strconv.Itoa(i)), body))
			}
			require.NoError(b, w.Close())
			increment := resp.AppendCommandStrings(nil, "SELECT", "0")
			for i := range bc.amount {
				increment = resp.AppendCommandStrings(increment, bc.line(i)...)
			}
			in := fold.Input{Base: source("base", base.Bytes()), Increments: []fold.Source{source("increment", increment)}}
			b.SetBytes(int64(base.Len() + len(increment)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := fold.Fold(b.Context(), in, io.Discard, fold.Options{Table: keyspace.NewTable()})
				require.NoError(b, err)
			}
		})
	}
}
