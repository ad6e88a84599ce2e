package testenv_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// A replica that is made of a recording has what the upstream had there: no more, no less, and nothing of a transaction that was not whole.
func TestRecordingHasEveryMoment(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			server := testenv.StartServer(t, family)
			offset := func() int64 {
				info, err := server.Info(ctx, "replication")
				require.NoError(t, err)
				at, err := strconv.ParseInt(info["master_repl_offset"], 10, 64)
				require.NoError(t, err)
				return at
			}
			client := server.Client()
			do(t, client, []any{"set", "n", 0})
			recording := testenv.Record(t, server)
			ends := []int64{recording.From()}
			for i := range 2 {
				do(t, client, []any{"eval", "redis.call('set', 'n', ARGV[1]) redis.call('set', 'm', ARGV[1]) return 1", 0, i + 1})
				ends = append(ends, offset())
			}
			for i, end := range ends {
				for back := range min(int64(2), end-recording.From()+1) {
					replica := recording.ReplicaAt(t, family, end-back)
					want := strconv.Itoa(i - int(back))
					require.Equal(t, want, replica.Client().Get(ctx, "n").Val(), "offset %d", end-back)
					at := recording.Boundary(t, end-back)
					require.LessOrEqual(t, at, end-back)
					require.GreaterOrEqual(t, at, ends[i-int(back)])
					require.NoError(t, replica.Close())
				}
			}
			testenv.RequireEqual(t, server, recording.ReplicaAt(t, family, offset()))
		})
	}
}
