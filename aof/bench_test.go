package aof

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// BenchmarkScan reads an increment of 64 MiB, as recovery does.
func BenchmarkScan(b *testing.B) {
	value := string(bytes.Repeat([]byte("v"), 64))
	for name, command := range map[string][]string{
		"incr":  {"INCR", "k"},
		"set64": {"SET", "key:000000000001", value},
	} {
		b.Run(name, func(b *testing.B) {
			h := &history{id: replID(b, "a1"), start: 0}
			for range 1000 {
				h.add(command...)
			}
			file := headOf(mark{pos: stream.Position{ReplID: h.id}, unixMilli: 1}, 0)
			file = append(file, bytes.Repeat(h.bytes, 64<<20/len(h.bytes))...)
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				s := scan{path: "x", size: int64(len(file))}
				require.NoError(b, s.run(bytes.NewReader(file)))
			}
		})
	}
}

// BenchmarkAppend appends runs of commands with 64-byte values to a file of the machine, without syncing.
func BenchmarkAppend(b *testing.B) {
	h := &history{id: replID(b, "a1"), start: 0}
	value := string(bytes.Repeat([]byte("v"), 64))
	for range 2000 {
		h.add("SET", "key:000000000001", value)
	}
	l, err := Open(b.Context(), Options{Dir: b.TempDir(), Fsync: FsyncNo})
	require.NoError(b, err)
	_, err = l.FullResync(b.Context(), stream.Snapshot{Position: stream.Position{ReplID: h.id}, Bytes: -1}, bytes.NewReader(testRDB(1)))
	require.NoError(b, err)
	run := stream.Run{Data: h.bytes, Boundary: int64(len(h.bytes)), Whole: true, UnixMilli: 1}
	b.SetBytes(int64(len(h.bytes)))
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, l.Append(b.Context(), &run))
	}
	require.NoError(b, l.Close())
}
