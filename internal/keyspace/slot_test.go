package keyspace

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

func TestSlot(t *testing.T) {
	for key, want := range map[string]int{
		"": 0, "foo": 12182, "123456789": 12739, "{foo}bar": 12182, "x{foo}": 12182, "{foo}{bar}": 12182, "{{foo}": Slot("{foo"),
		"{foo}}": 12182, "}{foo}": 12182,
	} {
		require.Equal(t, want, Slot(key), "%q", key)
	}
}

// FLUSHSLOT and slots against a cluster of one. SFLUSH is in none of the servers that we have.
func TestFlushSlot(t *testing.T) {
	t.Parallel()
	server := testenv.StartServer(t, testenv.Pick(t, "valkey-9.1"), testenv.WithConfig("cluster-enabled yes", "cluster-databases 4"))
	conn := server.Client().Conn()
	defer func() { require.NoError(t, conn.Close()) }()
	do := func(args ...any) any {
		reply, err := conn.Do(t.Context(), args...).Result()
		require.NoError(t, err, "%v", args)
		return reply
	}
	do("CLUSTER", "ADDSLOTSRANGE", 0, slots-1)
	testenv.Eventually(t, "the cluster to be up", func(context.Context) (string, bool) {
		info, _ := do("CLUSTER", "INFO").(string)
		return info, strings.Contains(info, "cluster_state:ok")
	})
	s := newTestSpace(0)
	r := rand.New(rand.NewPCG(5, 6))
	const letters = "ab{}\x00\xff"
	var names []string
	for range 500 {
		name := make([]byte, r.IntN(8))
		for i := range name {
			name[i] = letters[r.IntN(len(letters))]
		}
		require.EqualValues(t, do("CLUSTER", "KEYSLOT", string(name)), Slot(string(name)), "%q", name)
		names = append(names, string(name))
		db := r.IntN(2)
		do("SELECT", db)
		do("HSET", string(name), "f", "v")
		require.NoError(t, s.Run(db, toArgs([]string{"HSET", string(name), "f", "v"})))
	}
	for _, name := range names[:20] {
		slot := strconv.Itoa(Slot(name))
		do("CLUSTER", "FLUSHSLOT", slot)
		require.NoError(t, s.Run(0, toArgs([]string{"CLUSTER", "FLUSHSLOT", slot})))
		for db := range 2 {
			do("SELECT", db)
			left, err := conn.Keys(t.Context(), "*").Result()
			require.NoError(t, err)
			require.Equal(t, set(left), s.names(db))
		}
	}
}
