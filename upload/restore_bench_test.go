package upload_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/upload"
)

// BenchmarkRestore restores an increment of 128 MiB, as one object, as 32 and as 3,600.
func BenchmarkRestore(b *testing.B) {
	for _, segments := range []int64{1, 32, 3600} {
		b.Run(fmt.Sprint("segments=", segments), func(b *testing.B) {
			bk := newBackup(b, upload.SealOptions{})
			bk.base(someRDB(b, bk.h, 1000, rdb.Format{Version: 11}, ""))
			total := bk.longIncrement(128<<20, segments)
			b.SetBytes(total)
			b.ReportAllocs()
			for b.Loop() {
				dir := b.TempDir()
				_, err := bk.restore(upload.RestoreOptions{Dir: dir})
				require.NoError(b, err)
				require.NoError(b, os.RemoveAll(dir))
			}
		})
	}
}

// longIncrement stores an increment of SETs with values that compress by half.
func (b *backup) longIncrement(size, segments int64) int64 {
	b.t.Helper()
	rng := rand.New(rand.NewPCG(5, 5))
	value := make([]byte, 256)
	b.h.open()
	for n := 0; int64(len(b.h.file)) < size; n++ {
		for i := range value {
			value[i] = "0123456789abcdef"[rng.IntN(16)]
		}
		b.h.command(false, "SET", fmt.Sprintf("key:%07d", rng.IntN(1e7)), string(value))
		if n%100 == 0 {
			b.h.milli++
			b.h.writeMark(0, false)
		}
	}
	data, file := b.h.close()
	maxBytes := size / segments
	if segments == 1 {
		maxBytes = math.MaxInt64
	}
	c := upload.NewCutter(bytes.NewReader(data), file)
	for {
		seg, ok, err := c.Next(b.t.Context(), file.Bytes, b.h.mark(), maxBytes, true)
		require.NoError(b.t, err)
		if !ok {
			return file.Bytes
		}
		b.segment(objectOf(b.t, seg))
	}
}
