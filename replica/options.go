package replica

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Options say whom to replicate from, and how. They are read by [New] only.
type Options struct {
	// Addr is the upstream: host:port, [ipv6]:port, unix:///path or /path. Names are resolved afresh at every connection. User
	// and password belong into Credentials: an address other than a path that has an '@' is refused, and never quoted.
	Addr string

	// Credentials is called at every connection. Nil, or an empty name and password: no AUTH. An empty name: AUTH with the
	// password alone. An error counts as refused: it is reported and tried again slowly.
	Credentials func(ctx context.Context) (username, password string, err error)

	// TLS is called at every connection, so that renewed certificates are taken. Nil, or a nil result: no TLS. An empty
	// ServerName becomes the host of Addr. An error counts as refused.
	TLS func(ctx context.Context) (*tls.Config, error)

	// Dial connects to network "tcp" or "unix". Nil: net.Dialer's defaults.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// ReplTimeout is the silence after which the link is dead, and the limit for connecting and for
	// every single write. Zero: 60 s, as redis.conf's repl-timeout. It must be longer than the upstream's
	// repl-ping-replica-period (10 s).
	ReplTimeout time.Duration

	// AckBehind acknowledges one byte less than received: FAILOVER without TO then never picks us, SHUTDOWN of
	// the upstream waits its whole shutdown-timeout, and WAIT does not count us for the newest command (protocol.md 9).
	AckBehind bool

	// Observer learns what happens. The zero value is silent.
	Observer Observer

	// Backoff is how long to wait between connections, by class of error. Zero parts take their defaults.
	Backoff Backoffs
}

// defaultReplTimeout is redis.conf's repl-timeout.
const defaultReplTimeout = 60 * time.Second

// endpoint is an address in the form that Dial takes.
type endpoint struct {
	network string
	address string
	host    string // what a certificate must name; empty for unix
}

// errLogin does not quote the address: what stands before an '@' may be a password, and errors are logged.
var errLogin = errors.New("parse address: it has an '@': user and password do not belong in the address")

func parseAddr(addr string) (endpoint, error) {
	path, isURL := strings.CutPrefix(addr, "unix://")
	if strings.HasPrefix(path, "/") {
		return endpoint{network: "unix", address: path}, nil
	}
	if strings.Contains(addr, "@") {
		return endpoint{}, errLogin
	}
	if isURL {
		return endpoint{}, fmt.Errorf("parse address %q: want an absolute path after unix://", addr)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return endpoint{}, fmt.Errorf("parse address: %w", err)
	}
	if host == "" || port == "" {
		return endpoint{}, fmt.Errorf("parse address %q: want host:port, unix:///path or /path", addr)
	}
	return endpoint{network: "tcp", address: addr, host: host}, nil
}

// validate fills defaults in and reports everything that is wrong at once.
func (o *Options) validate() (endpoint, error) {
	ep, err := parseAddr(o.Addr)
	errs := []error{err}
	if o.ReplTimeout < 0 {
		errs = append(errs, fmt.Errorf("check repl-timeout %v: want zero or more", o.ReplTimeout))
	}
	if o.ReplTimeout == 0 {
		o.ReplTimeout = defaultReplTimeout
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	errs = append(errs, o.Backoff.fill())
	return ep, errors.Join(errs...)
}
