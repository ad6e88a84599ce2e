package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// maxAnswerBytes bounds what a client reads: a status is some kilobytes.
const maxAnswerBytes = 16 << 20

// NotRunningError says that nobody answers on a control socket.
type NotRunningError struct {
	Path string
	Err  error
}

// Error names the socket and the cause.
func (e *NotRunningError) Error() string {
	return fmt.Sprintf("no sidecar answers on %s: %v", e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *NotRunningError) Unwrap() error { return e.Err }

// RemoteError is an error that the running sidecar answered with.
type RemoteError struct {
	Code    int // the HTTP status
	Message string
}

// Error returns the sidecar's words.
func (e *RemoteError) Error() string { return e.Message }

// Client speaks to a running sidecar through its control socket. It is safe for concurrent use and keeps no connection.
type Client struct {
	path string
	http *http.Client
}

// NewClient returns a client of the socket at path. Nothing is dialled yet.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "unix", path)
		if err != nil {
			return nil, &NotRunningError{Path: path, Err: err}
		}
		return conn, nil
	}
	return &Client{path: path, http: &http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, ResponseHeaderTimeout: time.Minute},
	}}
}

// Get asks for target and decodes the answer into out.
func (c *Client) Get(ctx context.Context, target string, out any) error {
	return c.do(ctx, http.MethodGet, target, nil, out)
}

// Post sends in as JSON to target and decodes the answer into out.
func (c *Client) Post(ctx context.Context, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode request %s: %w", target, err)
	}
	return c.do(ctx, http.MethodPost, target, body, out)
}

func (c *Client) do(ctx context.Context, method, target string, body []byte, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://control"+target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request %s: %w", target, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		if gone, ok := errors.AsType[*NotRunningError](err); ok {
			return gone
		}
		return fmt.Errorf("ask sidecar on %s: %w", c.path, err)
	}
	defer func() { _ = response.Body.Close() }() // read only: nothing to lose
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", target, err)
	}
	if response.StatusCode != http.StatusOK {
		return remoteError(response.StatusCode, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("decode answer of %s: %w", target, err)
	}
	return nil
}

// remoteError reads the error of an answer; text that is no error of ours is taken as it is.
func remoteError(code int, text []byte) error {
	var body errorBody
	if json.Unmarshal(text, &body) == nil && body.Error != "" {
		return &RemoteError{Code: code, Message: body.Error}
	}
	return &RemoteError{Code: code, Message: fmt.Sprintf("%s: %.200s", http.StatusText(code), bytes.TrimSpace(text))}
}
