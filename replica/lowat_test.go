package replica

import (
	"net"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// connected returns both ends of a TCP connection.
func connected(tb testing.TB) (ours, peer net.Conn) {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	defer func() { require.NoError(tb, listener.Close()) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	other, err := listener.Accept()
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = other.Close() })
	return conn, other
}

// inFD runs f with the descriptor of a socket.
func inFD(tb testing.TB, conn net.Conn, f func(fd int) error) {
	tb.Helper()
	socket, ok := conn.(syscall.Conn)
	require.True(tb, ok)
	raw, err := socket.SyscallConn()
	require.NoError(tb, err)
	require.NoError(tb, raw.Control(func(fd uintptr) { err = f(int(fd)) }))
	require.NoError(tb, err)
}

func lowatOf(tb testing.TB, conn net.Conn) (n int) {
	tb.Helper()
	inFD(tb, conn, func(fd int) (err error) {
		n, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT)
		return err
	})
	return n
}

// polled returns what a poll says that does not wait, or, with patience, one that waits until it says something.
func polled(tb testing.TB, conn net.Conn, patience int) (events int16) {
	tb.Helper()
	inFD(tb, conn, func(fd int) error {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}
		for {
			_, err := unix.Poll(fds, patience)
			if err != unix.EINTR {
				events = fds[0].Revents
				return err
			}
		}
	})
	return events
}

// A socket with less than the mark wakes nobody, until the mark is taken back or the peer ends the connection.
func TestLowatHoldsWakeUpsBack(t *testing.T) {
	ours, peer := connected(t)
	w := newLowat(ours)
	require.NoError(t, w.to(100))
	_, err := peer.Write(make([]byte, 100))
	require.NoError(t, err)
	require.Equal(t, int16(unix.POLLIN), polled(t, ours, -1), "all of it has arrived")
	require.NoError(t, w.to(leastRead))
	require.Equal(t, leastRead, lowatOf(t, ours))
	require.Zero(t, polled(t, ours, 0))
	require.NoError(t, w.to(1))
	require.Equal(t, int16(unix.POLLIN), polled(t, ours, -1))

	require.NoError(t, w.to(leastRead))
	require.NoError(t, peer.Close())
	require.NotZero(t, polled(t, ours, -1)&unix.POLLRDHUP, "an end is told whatever the mark is")
	n, err := ours.Read(make([]byte, 200))
	require.NoError(t, err)
	require.Equal(t, 100, n, "and a read takes what is there")
	require.NoError(t, ours.Close())
	require.ErrorIs(t, w.to(1), net.ErrClosed)
}

// After a rest the next byte wakes the reader again; a pipe has no such mark.
func TestRestTakesTheMarkBack(t *testing.T) {
	ours, _ := connected(t)
	r := newRest(ours)
	require.GreaterOrEqual(t, rested(t, r, restAfter, 200, restFor/2), restFor)
	require.Equal(t, 1, lowatOf(t, ours))
	require.NoError(t, ours.Close())
	require.GreaterOrEqual(t, rested(t, r, 1, 200, restFor/2), restFor, "of one that is closed the next read tells")

	synctest.Test(t, func(t *testing.T) {
		pipe, other := net.Pipe()
		require.Equal(t, restFor, rested(t, newRest(pipe), restAfter, 200, restFor/2))
		require.NoError(t, pipe.Close())
		require.NoError(t, other.Close())
	})
}
