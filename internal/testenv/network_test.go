package testenv

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is written on one host arrives on another, unless the way there is broken, and then when it is whole again; nobody hears of it meanwhile.
func TestNetworkLosesAndDelivers(t *testing.T) {
	n := NewNetwork(t, "a", "b")
	a, b := n.Host("a"), n.Host("b")
	both := connect(t, a, b)
	requireSent(t, both, "hello")
	for _, broken := range []struct {
		name       string
		cut, mend  func() error
		way, other bool // what a writes to b, and b to a, is lost
	}{
		{name: "unplugged", cut: a.Unplug, mend: a.Plug, way: true, other: true},
		{name: "isolated", cut: b.Isolate, mend: b.Join, way: true, other: true},
		{name: "muted", cut: func() error { return a.Mute(b) }, mend: func() error { return a.Unmute(b) }, way: true},
	} {
		t.Run(broken.name, func(t *testing.T) {
			require.NoError(t, broken.cut())
			requireLost(t, both, "to b")
			if broken.other {
				requireLost(t, conns{both.b, both.a}, "to a")
			} else {
				requireSent(t, conns{both.b, both.a}, "to a")
			}
			require.NoError(t, broken.mend())
			requireArrives(t, both.b, "to b")
			if broken.other {
				requireArrives(t, both.a, "to a")
			}
			requireSent(t, both, "and on")
		})
	}
}

// The machine does not see the network, nor the network the machine.
func TestNetworkIsApart(t *testing.T) {
	n := NewNetwork(t, "a")
	before, err := net.Interfaces()
	require.NoError(t, err)
	for _, i := range before {
		require.NotContains(t, []string{"switch", "port1"}, i.Name)
	}
	here, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, err = n.Host("a").Dial(t.Context(), "tcp", here.Addr().String())
	require.Error(t, err)
	require.NoError(t, here.Close())
}

// A proxy on a host leads from the other hosts to the machine, over a cable that can be pulled.
func TestProxyOnAHost(t *testing.T) {
	n := NewNetwork(t, "a", "b")
	server := StartServer(t, Servers(t)[0])
	conn, err := n.Host("b").Dial(t.Context(), "tcp", n.Host("a").Proxy(t, server.Addr()).Addr())
	require.NoError(t, err)
	ping := func() { _, err := io.WriteString(conn, "PING\r\n"); require.NoError(t, err) }
	ping()
	requireArrives(t, conn, "+PONG\r\n")
	require.NoError(t, n.Host("b").Unplug())
	ping()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(150*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, n.Host("b").Plug())
	requireArrives(t, conn, "+PONG\r\n")
	require.NoError(t, conn.Close())
}

// A server on a host is reached from there, and its process is the one that was started.
func TestServerOnAHost(t *testing.T) {
	n := NewNetwork(t, "a", "b")
	server := StartServer(t, Servers(t)[0], OnHost(n.Host("a")))
	require.NoError(t, server.Client().Set(t.Context(), "key", "value", 0).Err())
	conn, err := n.Host("b").Dial(t.Context(), "tcp", server.Addr())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, server.Kill())
	_, err = n.Host("b").Dial(t.Context(), "tcp", server.Addr())
	require.Error(t, err)
}

// conns are the two ends of a connection.
type conns struct{ a, b net.Conn }

func connect(t *testing.T, a, b *Host) conns {
	t.Helper()
	listener, err := b.Listen(t.Context())
	require.NoError(t, err)
	dialed, err := a.Dial(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	accepted, err := listener.Accept()
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	t.Cleanup(func() {
		require.NoError(t, dialed.Close())
		require.NoError(t, accepted.Close())
	})
	return conns{dialed, accepted}
}

func requireSent(t *testing.T, c conns, text string) {
	t.Helper()
	_, err := io.WriteString(c.a, text)
	require.NoError(t, err)
	requireArrives(t, c.b, text)
}

func requireArrives(t *testing.T, at net.Conn, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	deadline, _ := ctx.Deadline()
	require.NoError(t, at.SetReadDeadline(deadline))
	got := make([]byte, len(text))
	_, err := io.ReadFull(at, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

func requireLost(t *testing.T, c conns, text string) {
	t.Helper()
	_, err := io.WriteString(c.a, text)
	require.NoError(t, err)
	require.NoError(t, c.b.SetReadDeadline(time.Now().Add(150*time.Millisecond)))
	n, err := c.b.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Zero(t, n)
}
