package e2e_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// WAIT counts what the sidecar has written, WAITAOF what it has on its disk.
func TestWaitAOF(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			for fsync, want := range map[string][]int64{"always": {0, 1}, "everysec": {0, 1}, "no": {0, 0}} {
				t.Run(fsync, func(t *testing.T) {
					t.Parallel()
					upstream := testenv.StartServer(t, family)
					startMirror(t, upstream.Addr(), "aof.appendfsync="+fsync)
					client := upstream.Client()
					for i := range 3 {
						require.NoError(t, client.Set(t.Context(), "key", i, 0).Err())
						counted, err := client.Do(t.Context(), "WAIT", 1, 10_000).Int64()
						require.NoError(t, err)
						require.EqualValues(t, 1, counted)
					}
					require.NoError(t, client.Set(t.Context(), "key", "durable", 0).Err())
					got, err := waitAOF(t.Context(), client, 2000)
					if !family.Has(testenv.WaitAOF) {
						require.ErrorContains(t, err, "unknown command")
						return
					}
					require.NoError(t, err)
					require.Equal(t, want, got)
				})
			}
		})
	}
}

// waitAOF waits until one replica has everything on its disk, or for so many milliseconds.
func waitAOF(ctx context.Context, client doer, millis int) ([]int64, error) {
	return client.Do(ctx, "WAITAOF", 0, 1, millis).Int64Slice()
}

// doer is a client or one connection of it.
type doer interface {
	Do(ctx context.Context, args ...any) *redis.Cmd
}

// Many clients that each want their own write on the disk are served in groups, none too early and none forgotten.
func TestManyWaitForTheDisk(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		if !family.Has(testenv.WaitAOF) {
			continue // TestWaitAOF proves that there is nothing to wait with
		}
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family)
			m := startMirror(t, upstream.Addr(), "aof.appendfsync=always")
			group, ctx := errgroup.WithContext(t.Context())
			for i := range 64 {
				group.Go(func() error {
					conn := upstream.Client().Conn()
					defer func() { _ = conn.Close() }() // every answer was read
					for n := range 20 {
						if err := conn.Set(ctx, fmt.Sprintf("key %d", i), n, 0).Err(); err != nil {
							return err
						}
						got, err := waitAOF(ctx, conn, 20_000)
						if err != nil {
							return err
						}
						if got[1] != 1 {
							return fmt.Errorf("client %d, write %d: WAITAOF says %v", i, n, got)
						}
					}
					return nil
				})
			}
			require.NoError(t, group.Wait())
			requireMirrored(t, upstream, m, "always")
			requireCleanEnd(t, family, m)
		})
	}
}
