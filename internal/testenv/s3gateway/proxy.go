package s3gateway

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Proxy forwards requests to a server, and breaks them as planned. It is on loopback, and plain HTTP.
type Proxy struct {
	target string
	server *httptest.Server
	client *http.Transport

	mu      sync.Mutex
	faults  []*planned
	broken  int
	counts  map[string]int
	release chan struct{}
}

type planned struct {
	Fault

	seen int
}

// NewProxy starts a proxy before target (host:port) for a test, which ends it.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	p := &Proxy{target: target, client: &http.Transport{DisableCompression: true}, counts: map[string]int{}, release: make(chan struct{})}
	p.server = httptest.NewServer(p)
	tb.Cleanup(func() {
		p.Release()
		p.server.CloseClientConnections()
		p.server.Close()
		p.client.CloseIdleConnections()
	})
	return p
}

// Endpoint is the proxy's URL.
func (p *Proxy) Endpoint() string { return p.server.URL }

// Plan replaces all faults: the first one that wants a request gets it. None: everything goes well again.
func (p *Proxy) Plan(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
	for _, f := range faults {
		p.faults = append(p.faults, &planned{Fault: f})
	}
}

// Counts says how many requests of each operation came, since the start.
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// Faults says how many requests went wrong, since the start.
func (p *Proxy) Faults() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken
}

// Release lets everything that hangs go on.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.release)
	p.release = make(chan struct{})
}

// choose returns what happens to r, and a channel that ends its hanging.
func (p *Proxy) choose(r *http.Request) (*Fault, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[Operation(r)]++
	for _, f := range p.faults {
		if f.Match != nil && !f.Match(r) {
			continue
		}
		f.seen++
		if f.seen > f.Skip && (f.Times == 0 || f.seen <= f.Skip+f.Times) {
			p.broken++
			return &f.Fault, p.release
		}
	}
	return nil, p.release
}

// ServeHTTP serves one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault, release := p.choose(r)
	if fault == nil {
		fault = &Fault{Kind: Delay}
	}
	switch fault.Kind {
	case Answer:
		_, _ = io.Copy(io.Discard, r.Body) // else the client may see a reset in place of the answer
		answer(w, fault)
		return
	case Reset:
		hangUp(w)
		return
	case Delay:
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
		}
	case HangRequest:
		_, _ = io.CopyN(io.Discard, r.Body, fault.At)
		select {
		case <-release:
		case <-r.Context().Done():
		}
		hangUp(w)
		return
	case FlipRequest:
		r.Body = &flipped{ReadCloser: r.Body, at: fault.At}
	case LoseAnswer, HangAnswer, Truncate, FlipAnswer, Forgive: // of the answer
	}
	p.forward(w, r, fault, release)
}

func answer(w http.ResponseWriter, fault *Fault) {
	if fault.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(fault.RetryAfter))
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(fault.Status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>planned</Message></Error>", fault.Code)
}

// hangUp resets the connection.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, fault *Fault, release <-chan struct{}) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", p.target, ""
	got, err := p.client.RoundTrip(out)
	if err != nil {
		hangUp(w)
		return
	}
	defer got.Body.Close() //nolint:errcheck // read to its end, or not wanted
	if fault.Kind == LoseAnswer {
		hangUp(w)
		return
	}
	if fault.Kind == Forgive && (got.StatusCode == http.StatusPreconditionFailed || got.StatusCode == http.StatusConflict) {
		w.Header().Set("ETag", `"0123456789abcdef0123456789abcdef"`)
		return
	}
	maps.Copy(w.Header(), got.Header)
	w.WriteHeader(got.StatusCode)
	body := got.Body
	switch fault.Kind {
	case FlipAnswer:
		body = &flipped{ReadCloser: body, at: fault.At}
	case Truncate, HangAnswer:
		_, err := io.CopyN(w, body, fault.At)
		if err == nil || errors.Is(err, io.EOF) {
			_ = http.NewResponseController(w).Flush()
		}
		if fault.Kind == HangAnswer {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		hangUp(w)
		return
	case Answer, Reset, LoseAnswer, HangRequest, FlipRequest, Forgive, Delay: // of the request, or done
	}
	_, _ = io.Copy(w, body) // who went away is gone
}

// flipped inverts one byte.
type flipped struct {
	io.ReadCloser

	at int64
}

func (f *flipped) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if f.at >= 0 && f.at < int64(n) {
		p[f.at] = ^p[f.at]
	}
	f.at -= int64(n)
	return n, err
}
