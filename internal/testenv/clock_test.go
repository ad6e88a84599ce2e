package testenv

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The program's wall clock is where the test puts it, at once, and the program runs as ever.
func TestClockIsMoved(t *testing.T) {
	upstream := StartServer(t, Servers(t)[0])
	clock := NewClock(t)
	sidecar, err := NewSidecar(clock.Program(t, BuildOnClock(t)), t.TempDir()+"/mirror", upstream.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sidecar.Close()) })
	require.NoError(t, clock.Move(-72*time.Hour))
	require.NoError(t, sidecar.Start(t.Context()))
	_, err = sidecar.Await(t.Context(), "streaming", SidecarStatus.Streaming)
	require.NoError(t, err)
	for _, by := range []time.Duration{-72 * time.Hour, 0, 365 * 24 * time.Hour, -time.Minute} {
		require.NoError(t, clock.Move(by))
		Eventually(t, "the sidecar's clock to be moved", func(ctx context.Context) (time.Duration, bool) {
			require.NoError(t, upstream.Client().Set(ctx, "key", by.String(), 0).Err())
			status, err := sidecar.Status(ctx)
			ahead := time.Until(status.Upstream.ReceivedAt)
			return ahead, err == nil && (ahead-by).Abs() < 30*time.Second
		})
	}
}

func TestAnotherNowIsRefused(t *testing.T) {
	_, err := withClock([]byte("package time\n\nfunc Now() Time {\n\treturn Time{}\n}\n"))
	require.ErrorContains(t, err, "this Go has another one")
}
