package replica

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// lowat says from how many bytes on a socket counts as readable for those who poll it (socket(7), SO_RCVLOWAT). The Go runtime polls a socket for as long as it is open, also
// while nobody reads: each segment that arrives then wakes a thread, which finds nothing to do. Not safe for concurrent use.
type lowat struct {
	conn syscall.RawConn // nil: it is no socket, or cannot be told
	set  func(fd uintptr)
	n    int
	err  error
}

// newLowat is for conn, which may be no socket: then nothing happens.
func newLowat(conn net.Conn) *lowat {
	w := &lowat{}
	if c, ok := conn.(syscall.Conn); ok {
		w.conn, _ = c.SyscallConn() // of one that is closed there is none, and the next read says so
	}
	w.set = func(fd uintptr) {
		w.err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, w.n))
	}
	return w
}

// to sets it. 1 is what a new socket has.
func (w *lowat) to(n int) error {
	if w.conn == nil {
		return nil
	}
	w.n = n
	if err := w.conn.Control(w.set); err != nil {
		return fmt.Errorf("reach the socket: %w", err)
	}
	return w.err
}

// giveUp leaves the socket alone from now on.
func (w *lowat) giveUp() { w.conn = nil }
