package rdb_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// smallStrings is a file of many small string entries: the most items per byte that is common.
func smallStrings() string {
	var b strings.Builder
	b.WriteString("REDIS0011\xfe\x00")
	for i := range 200_000 {
		b.WriteString("\x00" + str(fmt.Sprintf("key:%07d", i)) + str(strings.Repeat("v", 40)))
	}
	return sealed(b.String())
}

func BenchmarkCheck(b *testing.B) {
	for name, in := range map[string]string{
		"small strings": smallStrings(),
		"large strings": sealed("REDIS0011\x00" + str("k") + str(strings.Repeat("v", 10<<20))),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := rdb.Check(strings.NewReader(in))
				require.NoError(b, err)
			}
		})
	}
}

func BenchmarkReaderCopyRaw(b *testing.B) {
	in := smallStrings()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := rdb.NewReader(strings.NewReader(in))
		for err == nil {
			if _, err = r.Next(); err == nil {
				err = r.CopyRaw(io.Discard)
			}
		}
		require.Equal(b, io.EOF, err)
	}
}

// BenchmarkDecodeHash is the common small value: ten fields in a listpack.
func BenchmarkDecodeHash(b *testing.B) {
	var entries []string
	for i := range 10 {
		entries = append(entries, fmt.Sprintf("field-%d", i), fmt.Sprintf("value of some length %d", i))
	}
	for name, body := range map[string][]byte{
		"listpack":   []byte(str(aListpack(entries...))),
		"compressed": rdb.AppendString(nil, []byte(aListpack(entries...))),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			n := 0
			for b.Loop() {
				require.NoError(b, rdb.DecodeHash(redis12, rdb.TypeHashListpack, body, func(_, value []byte, _ int64) { n += len(value) }))
			}
		})
	}
}

// BenchmarkAppendString compresses what compresses and what does not.
func BenchmarkAppendString(b *testing.B) {
	text := strings.Repeat(`{"user":12345,"name":"somebody","tags":["a","b","c"],"visited":true}`, 20)
	for name, s := range map[string]string{
		"small": "value", "json 70": text[:70], "json 1400": text, "noise 70": noise(70), "noise 1400": noise(1400), "noise 100k": noise(100_000),
	} {
		b.Run(name, func(b *testing.B) {
			var dst []byte
			p := []byte(s)
			b.ReportAllocs()
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				dst = rdb.AppendString(dst[:0], p)
			}
		})
	}
}

func BenchmarkDecodeString(b *testing.B) {
	text := strings.Repeat(`{"user":12345,"name":"somebody","tags":["a","b","c"],"visited":true}`, 20)
	body := rdb.AppendString(nil, []byte(text))
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		_, err := rdb.DecodeString(body)
		require.NoError(b, err)
	}
}
