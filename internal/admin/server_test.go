package admin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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
