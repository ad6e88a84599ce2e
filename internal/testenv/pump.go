package testenv

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// pumpBuffer is the most that is read at once.
const pumpBuffer = 64 << 10

// drainPatience bounds the wait for a receiver that reads nothing, before its connection is cut.
const drainPatience = 2 * time.Second

// link is one proxied connection.
type link struct {
	client, server *net.TCPConn
	once           sync.Once
	ended          chan struct{}
}

func newLink(client, server *net.TCPConn) *link {
	return &link{client: client, server: server, ended: make(chan struct{})}
}

// end hangs up on both sides; only the first call counts.
func (l *link) end(kind FaultKind) {
	l.once.Do(func() {
		close(l.ended)
		hangUp(l.client, kind)
		hangUp(l.server, kind)
	})
}

// hangUp ends one side. Errors do not matter: the peer may be gone already.
func hangUp(conn *net.TCPConn, kind FaultKind) {
	if kind == Reset {
		_ = conn.SetLinger(0)
	} else {
		// Closing with unread input would send RST and no FIN.
		_ = conn.CloseWrite()
	}
	_ = conn.Close()
}

// pump forwards one direction until it ends or a fault ends it.
func (p *Proxy) pump(l *link, src, dst *net.TCPConn, s *script, index int, counter func(*ConnStats) *int64) {
	buf := make([]byte, pumpBuffer)
	for {
		if fault, ok := s.due(); ok {
			if !p.apply(l, dst, fault, index) {
				return
			}
			continue
		}
		n, err := src.Read(buf[:s.room(len(buf))])
		if n > 0 {
			if s.link.Tap != nil {
				s.link.Tap(buf[:n])
			}
			s.corrupt(buf[:n])
			if !l.hold(s.pause(n)) {
				return
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				l.end(Reset)
				return
			}
			s.forwarded += int64(n)
			p.update(index, func(stats *ConnStats) { *counter(stats) = s.forwarded })
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			_ = dst.CloseWrite() // the peer may be gone already
			return
		default:
			l.end(Reset)
			return
		}
	}
}

// apply makes a fault happen and reports whether the direction goes on.
func (p *Proxy) apply(l *link, dst *net.TCPConn, fault Fault, index int) bool {
	if fault.Kind != Stall {
		l.drain(dst)
		l.end(fault.Kind)
		return false
	}
	p.mu.Lock()
	release := p.release
	p.mu.Unlock()
	p.update(index, func(stats *ConnStats) { stats.Stalled = true })
	select {
	case <-release:
		p.update(index, func(stats *ConnStats) { stats.Stalled = false })
		return true
	case <-l.ended:
		return false
	}
}

// hold waits and reports whether the connection is still there.
func (l *link) hold(wait time.Duration) bool {
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ended:
		return false
	}
}

// drain waits until the receiver's kernel has all that was written: a reset throws away what has not left
// this side, and the number of bytes before it would be a matter of luck.
func (l *link) drain(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	deadline := time.NewTimer(drainPatience)
	defer deadline.Stop()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		queued := 0
		err := raw.Control(func(fd uintptr) { queued, _ = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
		if err != nil || queued == 0 {
			return
		}
		select {
		case <-ticker.C:
		case <-l.ended:
			return
		case <-deadline.C:
			return
		}
	}
}
