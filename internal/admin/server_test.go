package admin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestServeUntilTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	entered, release := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = w.Write([]byte("whole"))
	})
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, handler, nil) }()

	answered := make(chan string, 1)
	go func() {
		transport := &http.Transport{DisableKeepAlives: true}
		response, err := (&http.Client{Transport: transport}).Get("http://" + listener.Addr().String())
		if err != nil {
			answered <- err.Error()
			return
		}
		defer func() { _ = response.Body.Close() }()
		text, _ := io.ReadAll(response.Body)
		answered <- string(text)
	}()
	<-entered
	cancel()
	close(release)
	require.Equal(t, "whole", <-answered, "a request under way ends")
	require.NoError(t, <-served)
	_, err = net.Dial("tcp", listener.Addr().String())
	require.Error(t, err)
}

type brokenListener struct{ net.Listener }

func (brokenListener) Accept() (net.Conn, error) { return nil, errors.New("broken") }
func (brokenListener) Close() error              { return nil }
func (brokenListener) Addr() net.Addr            { return &net.UnixAddr{Name: "x"} }

func TestServeReportsABrokenListener(t *testing.T) {
	require.ErrorContains(t, Serve(t.Context(), brokenListener{}, http.NotFoundHandler(), zap.NewNop()), "broken")
}

func TestRequestsAtOnceAreLimited(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	handler := limitInFlight(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	}), 2)
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() { get(t, handler, "GET", "/", nil) })
		<-entered
	}
	require.Equal(t, 503, get(t, handler, "GET", "/", nil).Code)
	close(release)
	running.Wait()

	recorder := httptest.NewRecorder()
	limitInFlight(http.NotFoundHandler(), 1).ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	require.Equal(t, 404, recorder.Code)
}

// Whoever opens connections and says nothing, or one byte at a time, keeps nobody else out, and takes few files.
func TestConnectionsAreLimited(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	var open sync.Map
	go func() { served <- Serve(ctx, countedListener{listener, &open}, (&fakeSources{}).handler(), nil) }()
	silent := make([]net.Conn, 0, 4*maxConnections)
	for range cap(silent) {
		conn, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		_, _ = conn.Write([]byte("GET /status HTTP/1.1\r\nX-"))
		silent = append(silent, conn)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + listener.Addr().String() + "/healthz")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, 200, response.StatusCode)
	n := 0
	open.Range(func(any, any) bool { n++; return true })
	require.LessOrEqual(t, n, maxConnections+1)
	cancel()
	require.NoError(t, <-served)
	for _, conn := range silent {
		require.NoError(t, conn.Close())
	}
}

// countedListener knows which of its connections are open.
type countedListener struct {
	net.Listener
	open *sync.Map
}

func (l countedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	counted := &countedConn{conn, l.open}
	l.open.Store(counted, nil)
	return counted, nil
}

type countedConn struct {
	net.Conn
	open *sync.Map
}

func (c *countedConn) Close() error {
	c.open.Delete(c)
	return c.Conn.Close()
}

func TestHeadersAreLimited(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, (&fakeSources{}).handler(), nil) }()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listener.Addr().String()+"/healthz", nil)
	require.NoError(t, err)
	request.Header.Set("X-Long", strings.Repeat("x", 2*maxHeaderBytes))
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, response.StatusCode)
	cancel()
	require.NoError(t, <-served)
}

func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dog := NewWatchdog(10 * time.Second)
		require.NoError(t, dog.Check(), "nothing is watched yet")
		dog.Beat("log")
		dog.Beat("client")
		<-time.After(10 * time.Second) // of the bubble
		require.NoError(t, dog.Check())
		dog.Beat("log")
		<-time.After(time.Second)
		require.EqualError(t, dog.Check(), "stuck: client has made no progress for 11s")
		dog.Beat("client")
		require.NoError(t, dog.Check())
	})
}
