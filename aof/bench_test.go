package aof

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
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
			file := headOf(stream.Mark{Position: stream.Position{ReplID: h.id}, UnixMilli: 1}, 0)
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

// BenchmarkAppend appends reads of a mebibyte, of commands with 64-byte values, to a file of the machine, without syncing: as one run,
// and as the runs that it takes where so many bytes lie between two commands that are dropped.
func BenchmarkAppend(b *testing.B) {
	const read = 1 << 20
	for _, every := range []int{read, 64 << 10, 16 << 10, 1 << 10, 1} {
		b.Run(fmt.Sprintf("%d", every), func(b *testing.B) { benchmarkAppend(b, readOf(read, every)) })
	}
}

// readOf returns the runs of a read of about size bytes in which a message is published after so many kept bytes.
func readOf(size, every int) []stream.Run {
	set := resp.AppendCommandStrings(nil, "SET", "key:000000000001", strings.Repeat("v", 64))
	kept := bytes.Repeat(set, max(1, every/len(set)))
	var runs []stream.Run
	for at, dropped := 0, int64(0); at < size; at += len(kept) + len(set) {
		runs = append(runs, stream.Run{
			Dropped: dropped, Data: kept, Boundary: dropped + int64(len(kept)), Whole: true, More: true, UnixMilli: 1,
		})
		dropped = int64(len(set))
	}
	runs[len(runs)-1].More = false
	return runs
}

func benchmarkAppend(b *testing.B, runs []stream.Run) {
	b.Helper()
	l, err := Open(b.Context(), Options{Dir: b.TempDir(), Fsync: FsyncNo})
	require.NoError(b, err)
	_, err = l.FullResync(b.Context(), stream.Snapshot{Position: stream.Position{ReplID: replID(b, "a1")}, Bytes: -1}, bytes.NewReader(testRDB(1)))
	require.NoError(b, err)
	size := int64(0)
	for i := range runs {
		size += runs[i].Len()
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for i := range runs {
			if err := l.Append(b.Context(), &runs[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
	require.NoError(b, l.Close())
}
