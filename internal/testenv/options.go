package testenv

import (
	"fmt"
	"strconv"
	"strings"
)

// Option changes how [Start] starts a server.
type Option func(*settings)

// settings are what the options add up to.
type settings struct {
	lines    []string
	tls      *TLSFiles
	unix     bool
	password string
	dataDir  string
	ownsDir  bool
	host     *Host // nil: loopback of this process
}

// WithConfig adds lines to the server's configuration file; they win over the defaults of [Start].
func WithConfig(lines ...string) Option {
	return func(s *settings) { s.lines = append(s.lines, lines...) }
}

// WithTLS makes the server listen with TLS only, on the address that [Server.Addr] returns. Clients
// must show a certificate of the same authority.
func WithTLS(files *TLSFiles) Option {
	return func(s *settings) { s.tls = files }
}

// WithUnixSocket makes the server listen on [Server.Socket] too.
func WithUnixSocket() Option {
	return func(s *settings) { s.unix = true }
}

// WithPassword sets requirepass; [Server.Client] knows it.
func WithPassword(password string) Option {
	return func(s *settings) { s.password = password }
}

// WithUser adds an ACL user, with rules as in redis.conf: "on", ">secret", "+psync".
func WithUser(name string, rules ...string) Option {
	return WithConfig("user " + name + " " + strings.Join(rules, " "))
}

// WithDataDir makes an existing folder the server's working directory instead of a fresh one; what is in
// it is loaded as the configuration says, and it stays when the server is closed.
func WithDataDir(dir string) Option {
	return func(s *settings) { s.dataDir = dir }
}

// OnHost runs the server on a host of a [Network]; its clients connect from there.
func OnHost(host *Host) Option {
	return func(s *settings) { s.host = host }
}

// ReplicaOf attaches the server to another one, with its password. Both must have the same TLS files or
// none.
func ReplicaOf(upstream *Server) Option {
	return func(s *settings) {
		s.lines = append(s.lines, "replicaof "+strings.Replace(upstream.Addr(), ":", " ", 1))
		if upstream.set.password != "" {
			s.lines = append(s.lines, "masterauth "+quote(upstream.set.password))
		}
		if upstream.set.tls != nil {
			s.lines = append(s.lines, "tls-replication yes")
		}
	}
}

// ReplicaOfNowhere makes the server a replica of an address where nothing listens: it serves what it has
// loaded and never expires anything by itself.
func ReplicaOfNowhere() Option {
	return WithConfig("replicaof 127.0.0.1 1", "replica-serve-stale-data yes")
}

// quote writes a configuration value in double quotes, as sds.c:sdssplitargs reads it.
func quote(value string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(value) {
		if c == '"' || c == '\\' || c < ' ' || c > '~' {
			fmt.Fprintf(&b, `\x%02x`, c)
			continue
		}
		b.WriteByte(c)
	}
	b.WriteByte('"')
	return b.String()
}

// config returns the configuration file of a server that listens on port. Later lines win, so that the
// caller's come last. Nothing is saved or expired behind the test's back that it did not ask for, and a
// replica's snapshot does not wait for company.
func (s *settings) config(port int, socket string) string {
	lines := []string{
		"bind 127.0.0.1",
		"daemonize no",
		"loglevel verbose",
		`save ""`,
		"appendonly no",
		"databases 16",
		"enable-debug-command yes",
		"repl-diskless-sync-delay 0",
	}
	if s.tls == nil {
		lines = append(lines, "port "+strconv.Itoa(port))
	} else {
		lines = append(lines, "port 0", "tls-port "+strconv.Itoa(port), "tls-auth-clients yes",
			"tls-ca-cert-file "+quote(s.tls.CA), "tls-cert-file "+quote(s.tls.ServerCert), "tls-key-file "+quote(s.tls.ServerKey))
	}
	if s.unix {
		lines = append(lines, "unixsocket "+quote(socket), "unixsocketperm 700")
	}
	if s.password != "" {
		lines = append(lines, "requirepass "+quote(s.password))
	}
	if s.host != nil {
		lines = append(lines, "bind 0.0.0.0", "protected-mode no")
	}
	lines = append(lines, s.lines...)
	return strings.Join(lines, "\n") + "\n"
}
