package s3gateway_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
)

const testPatience = 10 * time.Second

func TestMain(m *testing.M) {
	if s3gateway.Served() {
		return
	}
	goleak.VerifyTestMain(m)
}

func TestGatewayAnswersUntilItIsClosed(t *testing.T) {
	g, err := s3gateway.Start(t.Context(), t.TempDir())
	require.NoError(t, err)
	require.True(t, g.Healthy(t.Context()))
	require.NoError(t, g.Close())
	require.False(t, g.Healthy(t.Context()))
}

func TestGatewayForLarge(t *testing.T) {
	dir, meta := t.TempDir(), t.TempDir()
	g, err := s3gateway.StartForLarge(t.Context(), dir, meta)
	require.NoError(t, err)
	require.True(t, g.Healthy(t.Context()))
	require.NoError(t, g.Close())
}

func TestGatewayKilledIsGone(t *testing.T) {
	g := s3gateway.New(t)
	require.NoError(t, g.Kill())
	require.Eventually(t, func() bool { return !g.Healthy(t.Context()) }, testPatience, testPatience/1000)
}

func TestGatewayIsRestartedWhereItWas(t *testing.T) {
	g := s3gateway.New(t)
	addr := g.Addr()
	for range 2 {
		require.NoError(t, g.Kill())
		require.NoError(t, g.Restart(t.Context()))
		require.Equal(t, addr, g.Addr())
		require.True(t, g.Healthy(t.Context()))
	}
}
