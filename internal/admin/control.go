package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// InUseError says that a running process answers on a control socket.
type InUseError struct{ Path string }

// Error names the socket.
func (e *InUseError) Error() string {
	return fmt.Sprintf("listen on %s: another sidecar answers there", e.Path)
}

// PlaceError says that a control socket cannot be made at its path: its folder cannot be made, or refuses.
type PlaceError struct {
	Path string
	Err  error
}

// Error names the socket and the cause.
func (e *PlaceError) Error() string { return fmt.Sprintf("make %s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *PlaceError) Unwrap() error { return e.Err }

// ListenControl makes the control socket at path, and its directory if there is none. The socket has mode 0600 from its first
// moment. A socket that a dead process left is replaced; one that answers is an [*InUseError]; a file
// that is no socket is an error and stays; a path where none can be made is a [*PlaceError]. Closing the listener removes the socket.
func ListenControl(ctx context.Context, path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, &PlaceError{Path: path, Err: err}
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		// Linux gives the socket's file the mode of the unbound socket (af_unix.c:unix_bind_bsd): a chmod after
		// bind would leave a moment in which others can connect.
		var chmod error
		err := conn.Control(func(fd uintptr) { chmod = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, chmod)
	}}
	listener, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, &PlaceError{Path: path, Err: err}
	}
	return listener, nil
}

// removeStale removes a socket that nobody answers on.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &PlaceError{Path: path, Err: err}
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("listen on %s: a file that is no socket is there", path)
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close() // it has answered
		return &InUseError{Path: path}
	case errors.Is(err, fs.ErrPermission): // another user's
		return &PlaceError{Path: path, Err: err}
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("ask control socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove stale control socket: %w", err)
	}
	return nil
}

// NewControl returns the handler of the control socket: GET /status, and what the caller adds to the mux with [JSON].
// Bodies are limited to 1 MiB.
func NewControl(status func(context.Context) any) (*http.ServeMux, http.Handler) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, status(r.Context()))
	})
	return mux, http.MaxBytesHandler(mux, maxControlBytes)
}

// errorBody is how a control request that failed is answered.
type errorBody struct {
	Error string `json:"error"`
}

// JSON makes a handler of a function: its result is the answer, its error is answered with 409 Conflict (the request was
// understood, the state forbids it, or it failed) and comes out of [Client] as a [*RemoteError].
func JSON(do func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		result, err := do(r)
		if err != nil {
			writeJSON(w, http.StatusConflict, errorBody{Error: err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, result)
	}
}
