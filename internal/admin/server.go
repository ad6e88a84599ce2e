package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// What a request may cost. They protect the process from slow or many clients; no answer of ours comes near them.
const (
	maxHeaderBytes    = 16 << 10
	maxControlBytes   = 1 << 20
	maxInFlight       = 32
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = time.Minute
	shutdownGrace     = 2 * time.Second
)

// Serve answers requests on listener, which it closes, until ctx ends; requests under way then have two seconds
// to end. It returns nil after such an end, and the error of a listener that broke.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, log *zap.Logger) error {
	if log == nil {
		log = zap.NewNop()
	}
	server := &http.Server{
		Handler:           limitInFlight(handler, maxInFlight),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          zap.NewStdLog(log.WithOptions(zap.IncreaseLevel(zap.WarnLevel))),
		ConnState:         newCrowd(maxConnections).changed,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan error, 1)
	cancelled := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		err := server.Shutdown(grace)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close() // the grace is over: cut what is left
		}
		stopped <- err
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		if !cancelled() {
			err = errors.Join(err, <-stopped)
		}
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("stop serving %s: %w", listener.Addr(), err)
	}
	return nil
}

// limitInFlight answers 503 beyond n requests at once.
func limitInFlight(next http.Handler, n int) http.Handler {
	tokens := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case tokens <- struct{}{}:
			defer func() { <-tokens }()
			next.ServeHTTP(w, r)
		default:
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
		}
	})
}
