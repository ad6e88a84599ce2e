package admin

import (
	"net"
	"net/http"
	"sync"
)

// maxConnections bounds the connections of one listener, and with it the files that clients can keep open in this process.
const maxConnections = 128

// crowd bounds connections: one that comes when there are enough has the one closed that has asked for nothing, or for nothing more, for longest. So whoever
// opens many, and says nothing, keeps nobody else out.
type crowd struct {
	limit int

	mu   sync.Mutex
	all  map[net.Conn]struct{}
	idle []net.Conn // that no request is under way on, the longest first
}

func newCrowd(limit int) *crowd { return &crowd{limit: limit, all: map[net.Conn]struct{}{}} }

// changed is http.Server's ConnState.
func (c *crowd) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.all[conn] = struct{}{}
		c.idle = append(c.idle, conn)
		if len(c.all) > c.limit {
			victim := c.idle[0] // the new one if nobody else is idle
			c.forget(victim)
			_ = victim.Close() // whoever reads from it sees that
		}
	case http.StateActive:
		c.leaveIdle(conn)
	case http.StateIdle:
		c.leaveIdle(conn)
		if _, known := c.all[conn]; known {
			c.idle = append(c.idle, conn)
		}
	case http.StateHijacked, http.StateClosed:
		c.forget(conn)
	}
}

func (c *crowd) forget(conn net.Conn) {
	delete(c.all, conn)
	c.leaveIdle(conn)
}

func (c *crowd) leaveIdle(conn net.Conn) {
	for i, other := range c.idle {
		if other == conn {
			c.idle = append(c.idle[:i], c.idle[i+1:]...)
			return
		}
	}
}
