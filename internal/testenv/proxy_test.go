package testenv_test

import (
	"bytes"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// source serves the same bytes to everyone who connects and sends a byte, and holds the connection open.
func source(t *testing.T, payload []byte) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
			_, _ = conn.Read(make([]byte, 1))
			_, _ = conn.Write(payload)
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		<-done
	})
	return listener.Addr().String()
}

// sink gives what it received on its first connection, once that has ended.
func sink(t *testing.T) (addr string, received <-chan []byte) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	got := make(chan []byte, 1)
	go func() {
		defer close(got)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		data, _ := io.ReadAll(conn)
		got <- data
	}()
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	return listener.Addr().String(), got
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn
}

// readAll connects, asks for the payload and reads until the end. A connection that is reset at once may
// fail to connect at all.
func readAll(t *testing.T, addr string) ([]byte, error) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	if _, err := conn.Write([]byte(".")); err != nil {
		return nil, err
	}
	return io.ReadAll(conn)
}

func pattern(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i * 7)
	}
	return out
}

func TestProxyForwardsFaithfully(t *testing.T) {
	payload := pattern(1 << 20)
	addr, received := sink(t)
	proxy := testenv.NewProxy(t, addr)
	conn := dial(t, proxy.Addr())
	_, err := conn.Write(payload)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Equal(t, payload, <-received)
	require.NoError(t, proxy.Wait(t.Context(), "the end", func(s testenv.ProxyStats) bool { return s.Open() == 0 }))
	require.Equal(t, int64(len(payload)), proxy.Stats().Conns[0].ToServer)
}

func TestProxyCutsAfterExactlySoManyBytes(t *testing.T) {
	payload := pattern(300_000)
	for _, kind := range []testenv.FaultKind{testenv.Reset, testenv.Close} {
		for _, at := range []int64{0, 1, 65_536, 65_537, 299_999} {
			proxy := testenv.NewProxy(t, source(t, payload))
			proxy.SetPlan(func(int) testenv.Plan {
				return testenv.Plan{ToClient: testenv.Link{Faults: []testenv.Fault{{At: at, Kind: kind}}}}
			})
			got, err := readAll(t, proxy.Addr())
			if kind == testenv.Reset {
				require.ErrorIs(t, err, syscall.ECONNRESET)
			} else {
				require.NoError(t, err)
			}
			require.True(t, bytes.Equal(payload[:at], got), "kind %d at %d: got %d bytes", kind, at, len(got))
		}
	}
}

func TestProxyCutsTowardsTheServer(t *testing.T) {
	addr, received := sink(t)
	proxy := testenv.NewProxy(t, addr)
	proxy.SetPlan(func(int) testenv.Plan {
		return testenv.Plan{ToServer: testenv.Link{Faults: []testenv.Fault{{At: 5, Kind: testenv.Close}}}}
	})
	_, err := dial(t, proxy.Addr()).Write([]byte("hello world"))
	require.NoError(t, err)
	require.Equal(t, "hello", string(<-received))
}

func TestProxyFlipsOneByte(t *testing.T) {
	payload := pattern(200_000)
	proxy := testenv.NewProxy(t, source(t, payload))
	proxy.SetPlan(func(int) testenv.Plan {
		return testenv.Plan{ToClient: testenv.Link{Faults: []testenv.Fault{
			{At: 131_072, Kind: testenv.Flip}, {At: 0, Kind: testenv.Flip}, {At: 200_000, Kind: testenv.Close},
		}}}
	})
	got, err := readAll(t, proxy.Addr())
	require.NoError(t, err)
	want := bytes.Clone(payload)
	want[0], want[131_072] = ^want[0], ^want[131_072]
	require.True(t, bytes.Equal(want, got))
}

func TestProxyStallsUntilReleased(t *testing.T) {
	payload := pattern(100_000)
	proxy := testenv.NewProxy(t, source(t, payload))
	proxy.SetPlan(func(int) testenv.Plan {
		return testenv.Plan{ToClient: testenv.Link{Faults: []testenv.Fault{
			{At: 1000, Kind: testenv.Stall}, {At: 100_000, Kind: testenv.Close},
		}}}
	})
	conn := dial(t, proxy.Addr())
	_, err := conn.Write([]byte("."))
	require.NoError(t, err)
	head := make([]byte, 1000)
	_, err = io.ReadFull(conn, head)
	require.NoError(t, err)
	require.NoError(t, proxy.Wait(t.Context(), "a stall", func(s testenv.ProxyStats) bool { return s.Conns[0].Stalled }))
	require.Equal(t, int64(1000), proxy.Stats().Conns[0].ToClient)

	proxy.Release()
	rest, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.True(t, bytes.Equal(payload, append(head, rest...)))
}

func TestProxyPlansEachConnection(t *testing.T) {
	proxy := testenv.NewProxy(t, source(t, []byte("data")))
	proxy.SetPlan(func(conn int) testenv.Plan { return testenv.Plan{Refuse: conn == 0} })
	_, err := readAll(t, proxy.Addr())
	require.ErrorIs(t, err, syscall.ECONNRESET)

	conn := dial(t, proxy.Addr())
	_, err = conn.Write([]byte("."))
	require.NoError(t, err)
	got := make([]byte, 4)
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, 1, proxy.Stats().Open())
	proxy.Break(testenv.Reset)
	_, err = conn.Read(got)
	require.ErrorIs(t, err, syscall.ECONNRESET)

	proxy.SetTarget("127.0.0.1:1")
	_, err = readAll(t, proxy.Addr())
	require.ErrorIs(t, err, syscall.ECONNRESET, "a target that does not listen")
}

func TestProxySlowsDown(t *testing.T) {
	proxy := testenv.NewProxy(t, source(t, pattern(2000)))
	proxy.SetPlan(func(int) testenv.Plan {
		return testenv.Plan{ToClient: testenv.Link{
			BytesPerSecond: 20_000, Latency: time.Millisecond,
			Faults: []testenv.Fault{{At: 2000, Kind: testenv.Close}},
		}}
	})
	begin := time.Now()
	got, err := readAll(t, proxy.Addr())
	require.NoError(t, err)
	require.Len(t, got, 2000)
	require.GreaterOrEqual(t, time.Since(begin), 100*time.Millisecond)
}
