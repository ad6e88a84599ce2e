package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// ProxyStats counts what a [Proxy] has seen.
type ProxyStats struct {
	// Conns has an entry for each connection that was accepted, in that order, refused ones included.
	Conns []ConnStats
}

// ConnStats counts what went over one connection.
type ConnStats struct {
	// ToServer and ToClient are bytes written to the other side.
	ToServer, ToClient int64
	// Stalled says that a direction stands still by a [Stall].
	Stalled bool
	// Open says that the connection has not ended.
	Open bool
}

// Open counts the connections that have not ended.
func (s ProxyStats) Open() int {
	n := 0
	for _, conn := range s.Conns {
		if conn.Open {
			n++
		}
	}
	return n
}

// Proxy forwards TCP connections on loopback, or on a [Host], and breaks them as planned.
type Proxy struct {
	listener net.Listener
	ctx      context.Context //nolint:containedctx // the life of the proxy, ended by Close
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	target  string
	plan    func(conn int) Plan
	stats   ProxyStats
	live    map[int]*link
	changed chan struct{} // closed and replaced whenever stats change
	release chan struct{} // closed and replaced by Release
}

// NewProxy is [StartProxy] for tests: it closes the proxy when the test ends.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	proxy, err := StartProxy(tb.Context(), target)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, proxy.Close()) })
	return proxy
}

// StartProxy listens on a free loopback port and forwards to target (host:port), which need not be
// reachable yet: a connection whose target cannot be reached is reset. The caller closes it.
func StartProxy(ctx context.Context, target string) (*Proxy, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	return startProxyOn(ctx, listener, target), nil
}

func startProxyOn(ctx context.Context, listener net.Listener, target string) *Proxy {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &Proxy{
		listener: listener, ctx: life, cancel: cancel, target: target, live: make(map[int]*link),
		changed: make(chan struct{}), release: make(chan struct{}),
	}
	p.running.Go(p.accept)
	return p
}

// Addr returns the address to connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// SetTarget changes where later connections go.
func (p *Proxy) SetTarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// SetPlan decides what happens to later connections. It is called once for each, with the number of the
// connection counting from 0 over the life of the proxy; nil means no faults.
func (p *Proxy) SetPlan(plan func(conn int) Plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = plan
}

// Break ends all open connections, with [Reset] or [Close].
func (p *Proxy) Break(kind FaultKind) {
	p.mu.Lock()
	open := make([]*link, 0, len(p.live))
	for _, l := range p.live {
		open = append(open, l)
	}
	p.mu.Unlock()
	for _, l := range open {
		l.end(kind)
	}
}

// Release lets every stalled direction go on.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.release)
	p.release = make(chan struct{})
}

// Stats returns the counts of this moment.
func (p *Proxy) Stats() ProxyStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return ProxyStats{Conns: slices.Clone(p.stats.Conns)}
}

// Wait returns when condition holds, which is looked at after every change, or with an error when ctx
// ends first; a ctx without a deadline gets one of 30 seconds.
func (p *Proxy) Wait(ctx context.Context, what string, condition func(ProxyStats) bool) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		stats := p.Stats()
		if condition(stats) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; last seen: %+v", what, ctx.Err(), stats)
		}
	}
}

// Close ends all connections and waits for the end of every goroutine.
func (p *Proxy) Close() error {
	p.cancel()
	err := p.listener.Close()
	p.Break(Reset)
	p.running.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close proxy: %w", err)
	}
	return nil
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if conn, ok := client.(*net.TCPConn); ok {
			p.running.Go(func() { p.serve(conn) })
		}
	}
}

// serve carries one connection from its start to its end.
func (p *Proxy) serve(client *net.TCPConn) {
	p.mu.Lock()
	index, target, plan := len(p.stats.Conns), p.target, Plan{}
	p.stats.Conns = append(p.stats.Conns, ConnStats{Open: true})
	if p.plan != nil {
		plan = p.plan(index)
	}
	p.mu.Unlock()
	defer p.update(index, func(s *ConnStats) { s.Open, s.Stalled = false, false })

	var server *net.TCPConn
	if !plan.Refuse {
		if conn, err := new(net.Dialer).DialContext(p.ctx, "tcp", target); err == nil {
			server, _ = conn.(*net.TCPConn)
		}
	}
	if server == nil {
		hangUp(client, Reset)
		return
	}
	l := newLink(client, server)
	p.mu.Lock()
	p.live[index] = l
	p.mu.Unlock()
	// Close may have looked for connections before this one was in the list.
	stop := context.AfterFunc(p.ctx, func() { l.end(Reset) })
	p.update(index, func(*ConnStats) {})

	var pumps sync.WaitGroup
	pumps.Go(func() {
		p.pump(l, client, server, newScript(plan.ToServer), index, func(s *ConnStats) *int64 { return &s.ToServer })
	})
	pumps.Go(func() {
		p.pump(l, server, client, newScript(plan.ToClient), index, func(s *ConnStats) *int64 { return &s.ToClient })
	})
	pumps.Wait()
	l.end(Close)
	stop()
	p.mu.Lock()
	delete(p.live, index)
	p.mu.Unlock()
}

// update changes the counts of a connection and wakes those who wait for that.
func (p *Proxy) update(index int, change func(*ConnStats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.stats.Conns[index])
	close(p.changed)
	p.changed = make(chan struct{})
}
