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
