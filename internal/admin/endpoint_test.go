package admin

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

type fakeSources struct {
	healthy error
	ready   error
	status  any
}

func (f *fakeSources) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "answer", Help: "h"}, func() float64 { return 42 }))
	return NewHandler(Sources{
		Gatherer: registry,
		Healthy:  func() error { return f.healthy },
		Ready:    func(context.Context) error { return f.ready },
		Status:   func(context.Context) any { return f.status },
	}, zap.NewNop())
}

func get(t *testing.T, handler http.Handler, method, target string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, target, body))
	return recorder
}

func TestEndpoint(t *testing.T) {
	sources := &fakeSources{status: map[string]int{"received": 7}}
	handler := sources.handler()
	for _, c := range []struct {
		method, target string
		code           int
		body           string
	}{
		{"GET", "/metrics", 200, "answer 42"},
		{"GET", "/healthz", 200, "ok\n"},
		{"HEAD", "/healthz", 200, ""},
		{"GET", "/readyz", 200, "ok\n"},
		{"GET", "/status", 200, "{\n  \"received\": 7\n}\n"},
		{"POST", "/status", 405, ""},
		{"DELETE", "/metrics", 405, ""},
		{"GET", "/debug/pprof/", 404, ""},
		{"GET", "/", 404, ""},
	} {
		got := get(t, handler, c.method, c.target, nil)
		require.Equal(t, c.code, got.Code, "%s %s", c.method, c.target)
		require.Contains(t, got.Body.String(), c.body)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "QUIT"} {
		for _, target := range []string{"/metrics", "/healthz", "/readyz", "/status"} {
			require.Equal(t, 405, get(t, handler, method, target, nil).Code, "%s %s", method, target)
		}
	}
	require.Equal(t, 413, get(t, handler, "GET", "/status", strings.NewReader("x")).Code)
}

func TestHealthAndReadinessAreApart(t *testing.T) {
	sources := &fakeSources{ready: errors.New("not connected")}
	handler := sources.handler()
	require.Equal(t, 200, get(t, handler, "GET", "/healthz", nil).Code)
	got := get(t, handler, "GET", "/readyz", nil)
	require.Equal(t, 503, got.Code)
	require.Equal(t, "not connected\n", got.Body.String())

	sources.ready, sources.healthy = nil, errors.New("stuck")
	require.Equal(t, 503, get(t, handler, "GET", "/healthz", nil).Code)
	require.Equal(t, 200, get(t, handler, "GET", "/readyz", nil).Code)
}

func TestStatusThatCannotBeEncoded(t *testing.T) {
	sources := &fakeSources{status: math.NaN()}
	require.Equal(t, 500, get(t, sources.handler(), "GET", "/status", nil).Code)
}
