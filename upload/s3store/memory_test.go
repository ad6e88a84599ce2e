package s3store

import (
	"io"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
	"github.com/aofsidecar/aofsidecar/upload"
)

// growing is a body of left bytes that notes the largest heap it has seen.
type growing struct {
	left int64
	heap *uint64
	next int64
}

func (g *growing) Read(p []byte) (int, error) {
	if g.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), g.left))
	for i := 0; i < n; i += 512 { // contents differ, so that no part is another one
		p[i] = byte(g.left >> (i % 32))
	}
	g.left -= int64(n)
	if g.left <= g.next {
		g.next = g.left - 4<<20
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		*g.heap = max(*g.heap, stats.HeapInuse)
	}
	return n, nil
}

func heapOfPut(tb testing.TB, store upload.Store, size int64) uint64 {
	tb.Helper()
	heap, before := uint64(0), new(runtime.MemStats)
	debug.FreeOSMemory() // collects what earlier tests had
	runtime.ReadMemStats(before)
	body := upload.Body{Size: -1, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(&growing{left: size, heap: &heap, next: size}), nil
	}}
	_, err := store.Put(tb.Context(), "large", body, upload.Condition{})
	require.NoError(tb, err)
	return heap - min(heap, before.HeapInuse)
}

// (Parallel+1) parts of 8 MiB are 40 MiB; the collector lets a heap double, and the test binary has some of its own.
const heapBound = 2*(defaultParallel+1)*defaultPartBytes + 16<<20

func TestMemoryIsBounded(t *testing.T) {
	o, _ := bucket(t, nil)
	store := open(t, o)
	require.Less(t, heapOfPut(t, store, 256<<20), uint64(heapBound))
}

// BenchmarkPutUnknownSize stores 1 GiB of unknown size, and reports the largest heap.
func BenchmarkPutUnknownSize(b *testing.B) {
	b.Setenv("AWS_ACCESS_KEY_ID", s3gateway.AccessKey)
	b.Setenv("AWS_SECRET_ACCESS_KEY", s3gateway.SecretKey)
	name := "bench"
	_, err := gateway.Bucket(name)
	require.NoError(b, err)
	store, err := Open(b.Context(), Options{Bucket: name, Region: s3gateway.Region, Endpoint: gateway.Endpoint(), PathStyle: true})
	require.NoError(b, err)
	defer func() { require.NoError(b, store.Close()) }()
	const size = 1 << 30
	b.SetBytes(size)
	for b.Loop() {
		heap := heapOfPut(b, store, size)
		require.Less(b, heap, uint64(heapBound))
		b.ReportMetric(float64(heap)/(1<<20), "heap-MiB")
	}
}
