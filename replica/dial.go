package replica

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// dial connects, over TLS if the options say so. Its limit is the silence that the link tolerates.
func (c *Client) dial(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.ReplTimeout)
	defer cancel()
	config, err := c.tlsConfig(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := c.opts.Dial(ctx, c.endpoint.network, c.endpoint.address)
	if err != nil {
		return nil, fmt.Errorf("connect to upstream: %w", err)
	}
	if config == nil {
		return newLink(raw, raw, c.opts.ReplTimeout), nil
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the handshake's error says it all
		if isTransient(err) {
			return nil, fmt.Errorf("TLS handshake: %w", err)
		}
		return nil, &SetupError{Op: "TLS handshake", Err: err}
	}
	return newLink(raw, conn, c.opts.ReplTimeout), nil
}

// isTransient reports whether a TLS handshake failed for the network's reasons: anything else is a disagreement.
func isTransient(err error) bool {
	var errno syscall.Errno
	return !isTLSRefusal(err) && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, io.ErrClosedPipe) || errors.As(err, &errno))
}

// tlsConfig asks for the configuration of this connection; nil is none.
func (c *Client) tlsConfig(ctx context.Context) (*tls.Config, error) {
	if c.opts.TLS == nil {
		return nil, nil
	}
	config, err := c.opts.TLS(ctx)
	if err != nil {
		return nil, &SetupError{Op: "read TLS configuration", Err: err}
	}
	if config != nil && config.ServerName == "" && c.endpoint.host != "" {
		config = config.Clone()
		config.ServerName = c.endpoint.host
	}
	return config, nil
}
