package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// A node of a cluster says in its snapshot how many keys its slots have, and Valkey 9 empties single slots.
func TestFoldOfAClusterNode(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			seed := newSeed(t)
			upstream := startClusterNode(t, family)
			// Single commands: what Valkey 9.1 writes in scripts and transactions it may put into another slot's keys, and a key is then there twice.
			rng := rand.New(rand.NewPCG(seed, 0))
			draw := newEdges(rng, workload.Options{Databases: 1, Keys: 40, LongExpiry: true, NoSortByNumber: !family.Has(testenv.SortByNumber)})
			work := bulk{rng: rng, databases: 1, keys: 40}
			one := func() [][]any { return [][]any{draw.draw()} }
			work.write(t, upstream, 60)
			work.send(t, upstream, 1000, one)
			m := startMirror(t, upstream.Addr())
			var log recorded
			var base []byte
			for round := range 3 {
				work.send(t, upstream, 400, one)
				flushed := flushSlots(t, upstream)
				work.send(t, upstream, 200, one)
				release, err := testenv.Freeze(t.Context(), upstream.Client())
				require.NoError(t, err)
				testenv.Eventually(t, "the mirror to have all of the stream", func(ctx context.Context) (testenv.SidecarStatus, bool) {
					return m.inStep(ctx, upstream, "everysec")
				})
				more := log.more(t, m.Dir())
				require.Equal(t, flushed > 0, bytes.Contains(bytes.ToUpper(more), []byte("FLUSHSLOT")))
				file := log.split(t, more, 1, nil)
				if round == 0 {
					base = log.base
				}
				base, _, err = foldFiles(t.Context(), family, fold.Options{}, base, file...)
				require.NoError(t, err)
				booted := testenv.BootFromAOF(t, family, layOut(t, base))
				testenv.RequireEqual(t, upstream, booted, testenv.IgnoreUnreplicated())
				require.NoError(t, booted.Close())
				require.NoError(t, release(t.Context()))
			}
		})
	}
}

// startClusterNode starts a node that has all slots.
func startClusterNode(t *testing.T, family testenv.Family) *testenv.Server {
	t.Helper()
	node := testenv.StartServer(t, family, testenv.WithConfig("cluster-enabled yes", "cluster-require-full-coverage no"))
	require.NoError(t, node.Client().Do(t.Context(), "cluster", "addslotsrange", 0, 16383).Err())
	require.NoError(t, node.Client().Do(t.Context(), "debug", "set-active-expire", 0).Err())
	testenv.Eventually(t, "the cluster to be whole", func(ctx context.Context) (string, bool) {
		err := node.Client().Set(ctx, "first", "value", 0).Err()
		return fmt.Sprint(err), err == nil
	})
	return node
}

// flushSlots empties the slots of some keys, where the server can, and returns how many.
func flushSlots(t *testing.T, node *testenv.Server) int {
	t.Helper()
	if !node.Family.Has(testenv.FlushSlot) {
		return 0
	}
	keys, err := node.Client().Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	keys = keys[:min(len(keys), 10)]
	for _, key := range keys {
		slot, err := node.Client().ClusterKeySlot(t.Context(), key).Result()
		require.NoError(t, err)
		require.NoError(t, node.Client().Do(t.Context(), "cluster", "flushslot", slot).Err())
	}
	return len(keys)
}
