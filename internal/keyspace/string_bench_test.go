package keyspace

import (
	"strconv"
	"strings"
	"testing"
)

// BenchmarkStrings runs the commands that are most of what a log has, over 100,000 keys.
func BenchmarkStrings(b *testing.B) {
	const keys = 100_000
	for _, command := range []string{"INCR %", "SET % 12345", "SET % abcdefghijklmnopqrstuvwxyz", "SET % v PXAT 33000000000000", "APPEND % x", "PFADD % x"} {
		b.Run(command, func(b *testing.B) {
			s := New(NewTable(), Options{})
			all := make([][][]byte, keys)
			for i := range all {
				all[i] = toArgs(strings.Fields(strings.ReplaceAll(command, "%", "key:"+strconv.Itoa(i))))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_ = s.Run(0, all[i%keys])
			}
		})
	}
}
