package admin

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Sources answer the endpoints' questions. All are required; they are called concurrently and should return soon.
type Sources struct {
	Gatherer prometheus.Gatherer
	// Healthy returns nil while the process makes progress, else what does not.
	Healthy func() error
	// Ready returns nil while a reader may count on the mirror, else why not.
	Ready func(context.Context) error
	// Status returns the state; it is encoded as JSON.
	Status func(context.Context) any
}

// NewHandler returns the read-only endpoint.
func NewHandler(sources Sources, log *zap.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(sources.Gatherer, promhttp.HandlerOpts{
		ErrorLog:      zap.NewStdLog(log.WithOptions(zap.IncreaseLevel(zap.WarnLevel))),
		ErrorHandling: promhttp.ContinueOnError,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, sources.Healthy()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, sources.Ready(r.Context())) })
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, sources.Status(r.Context()))
	})
	return refuseBodies(mux)
}

// answer says ok, or 503 and why not.
func answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	text := "ok"
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = err.Error()
	}
	_, _ = w.Write([]byte(text + "\n")) // the client went away: nobody to tell
}

// refuseBodies answers 413 to a request that brings one: nothing here reads any.
func refuseBodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			http.Error(w, "no body is wanted", http.StatusRequestEntityTooLarge)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// writeJSON answers with v, indented for people with curl.
func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, "encode answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client went away: nobody to tell
}
