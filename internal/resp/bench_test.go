package resp_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// BenchmarkScanner scans a stream of which every command is whole in one buffer, as the replica does between reads.
func BenchmarkScanner(b *testing.B) {
	value := strings.Repeat("v", 64)
	for _, bc := range []struct {
		name string
		args func(i int) []string
	}{
		{"set64", func(i int) []string { return []string{"SET", "key:" + strconv.Itoa(i), value} }},
		{"incr", func(i int) []string { return []string{"INCR", "key:" + strconv.Itoa(i)} }},
		{"hset", func(i int) []string { return []string{"HSET", "key:" + strconv.Itoa(i), "f", value, "g", "17"} }},
		{"multi", func(i int) []string { return [][]string{{"MULTI"}, {"SELECT", "1"}, {"INCR", "k"}, {"EXEC"}}[i%4] }},
	} {
		b.Run(bc.name, func(b *testing.B) {
			var p []byte
			const commands = 1000
			for i := range commands {
				p = resp.AppendCommandStrings(p, bc.args(i)...)
			}
			var s resp.Scanner
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				for rest := p; len(rest) > 0; {
					if n := s.Others(rest); n > 0 {
						rest = rest[n:]
						continue
					}
					n, done, err := s.Next(rest)
					if err != nil || !done {
						require.NoError(b, err)
						require.True(b, done)
					}
					rest = rest[n:]
				}
			}
			b.ReportMetric(float64(b.N)*commands/b.Elapsed().Seconds()/1e6, "Mcmd/s")
		})
	}
}
