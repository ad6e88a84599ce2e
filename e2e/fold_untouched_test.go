package e2e_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// What eviction goes by is in the base with each key that nothing has touched: idle time or frequency.
func TestFoldKeepsIdleTimeAndFrequency(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		for policy, word := range map[string]string{"allkeys-lru": "idletime", "volatile-lfu": "freq"} {
			t.Run(family.Name+"/"+policy, func(t *testing.T) {
				t.Parallel()
				config := testenv.WithConfig("maxmemory-policy "+policy, "lfu-decay-time 0")
				upstream := testenv.StartServer(t, family, config)
				putWithMetadata(t, upstream, word)
				m := startMirror(t, upstream.Addr())
				write(t, upstream, workload.New(newSeed(t), family, workload.Options{Databases: 1, NoFlush: true, NoBlocking: true, LongExpiry: true}), 100)
				require.NoError(t, upstream.Client().Append(t.Context(), "key:0", "touched").Err())

				release, err := testenv.Freeze(t.Context(), upstream.Client())
				require.NoError(t, err)
				defer func() { require.NoError(t, release(context.WithoutCancel(t.Context()))) }()
				testenv.Eventually(t, "the mirror to have all of the stream", func(ctx context.Context) (testenv.SidecarStatus, bool) {
					return m.inStep(ctx, upstream, "everysec")
				})
				var log recorded
				more := log.more(t, m.Dir())
				base, res, err := foldFiles(t.Context(), family, fold.Options{}, log.base, more)
				require.NoError(t, err)
				require.GreaterOrEqual(t, res.Copied, int64(metadataKeys-1))
				booted := testenv.BootFromAOF(t, family, layOut(t, base), config)
				for i := 1; i < metadataKeys; i++ {
					key := fmt.Sprintf("key:%d", i)
					want, err := upstream.Client().Do(t.Context(), "object", word, key).Int64()
					require.NoError(t, err)
					got, err := booted.Client().Do(t.Context(), "object", word, key).Int64()
					require.NoError(t, err)
					require.InDelta(t, want, got, map[string]float64{"idletime": 30, "freq": 0}[word], key)
				}
			})
		}
	}
}

// metadataKeys is how many keys putWithMetadata makes.
const metadataKeys = 50

// putWithMetadata makes keys that differ in their idle time, by more than a test takes, or in their frequency.
func putWithMetadata(t *testing.T, server *testenv.Server, word string) {
	t.Helper()
	client := server.Client()
	require.NoError(t, client.Set(t.Context(), "from", "value", 0).Err())
	payload, err := client.Dump(t.Context(), "from").Result()
	require.NoError(t, err)
	for i := range metadataKeys {
		n := 1000 * i
		if word == "freq" {
			n = 5 * i
		}
		require.NoError(t, client.Do(t.Context(), "restore", fmt.Sprintf("key:%d", i), 0, payload, word, n).Err())
	}
}
