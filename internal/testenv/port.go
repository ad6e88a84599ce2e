package testenv

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// The ports that servers get lie below the range that Linux takes for outgoing connections (32768 and
// up), so that a server which restarts finds its port still free.
const (
	firstPort = 11000
	lastPort  = 32000
)

// freePort returns a loopback port that nobody listens on at the moment. Another process may take it
// before the caller does: whoever uses it must try again with another one.
func freePort(ctx context.Context) (int, error) {
	var last error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			last = err
			continue
		}
		if err := listener.Close(); err != nil {
			return 0, fmt.Errorf("find free port: %w", err)
		}
		return port, nil
	}
	return 0, fmt.Errorf("find free port: %w", last)
}

// FreePort returns a loopback port that nobody listens on at the moment, for a server that the test does not start by this package.
func FreePort(tb testing.TB) int {
	tb.Helper()
	port, err := freePort(tb.Context())
	require.NoError(tb, err)
	return port
}
