package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// sideTimeout bounds connecting and each answer on connections beside the replication link.
const sideTimeout = 5 * time.Second

// maxSecretBytes bounds a password file; a certificate file has the same bound.
const maxSecretBytes = 1 << 20

// upstreamAccess knows how to get into the upstream. What it reads from files it reads at every connection, so that a
// renewed password or certificate is taken without a restart. Safe for concurrent use.
type upstreamAccess struct{ config UpstreamConfig }

// credentials returns the name and the password of this moment.
func (u upstreamAccess) credentials(context.Context) (username, password string, err error) {
	if u.config.PasswordFile == "" {
		return u.config.Username, u.config.Password.Reveal(), nil
	}
	text, err := readBounded(u.config.PasswordFile)
	if err != nil {
		return "", "", fmt.Errorf("read password file: %w", err)
	}
	password = strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", "", fmt.Errorf("read password file: %s is empty", u.config.PasswordFile)
	}
	return u.config.Username, password, nil
}

// tls returns the TLS configuration of this moment; nil for none.
func (u upstreamAccess) tls(context.Context) (*tls.Config, error) {
	settings := u.config.TLS
	if !settings.Enabled {
		return nil, nil
	}
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         u.serverName(),
		InsecureSkipVerify: bool(settings.InsecureSkipVerify),
	}
	if settings.CAFile != "" {
		text, err := readBounded(settings.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read CA file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read CA file: %s has no certificate in PEM", settings.CAFile)
		}
	}
	if settings.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(settings.CertFile, settings.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

func (u upstreamAccess) serverName() string {
	if u.config.TLS.ServerName != "" {
		return u.config.TLS.ServerName
	}
	_, address := u.config.endpoint()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return host
}

// dial connects to the upstream as it is configured now.
func (u upstreamAccess) dial(ctx context.Context) (net.Conn, error) {
	config, err := u.tls(ctx)
	if err != nil {
		return nil, err
	}
	network, address := u.config.endpoint()
	dialer := &net.Dialer{Timeout: sideTimeout}
	dial := dialer.DialContext
	if config != nil {
		dial = (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return boundAnswers(conn), nil
}

// client returns a client for commands beside the replication link. It connects when it is used, keeps at most one
// connection, introduces itself by nothing but HELLO 2 (with AUTH in it; AUTH alone where HELLO is refused), and retries nothing.
func (u upstreamAccess) client() *redis.Client {
	client := redis.NewClient(&redis.Options{
		Addr:                       u.config.Addr,
		Dialer:                     func(ctx context.Context, _, _ string) (net.Conn, error) { return u.dial(ctx) },
		CredentialsProviderContext: u.credentials,
		Protocol:                   2,
		DisableIdentity:            true,
		MaintNotificationsConfig:   &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		MaxRetries:                 -1,
		DialerRetries:              1,
		// One connection. PoolSize also says after how many failures go-redis begins to dial each second by itself: not soon.
		PoolSize:              16,
		MaxActiveConns:        1,
		DialTimeout:           sideTimeout,
		ReadTimeout:           sideTimeout,
		WriteTimeout:          sideTimeout,
		ContextTimeoutEnabled: true,
	})
	client.AddHook(secretLogin{})
	return client
}

// noLibraryLog is silent: what go-redis has to say comes back as errors, too.
type noLibraryLog struct{}

// Printf says nothing.
func (noLibraryLog) Printf(context.Context, string, ...any) {}

// readBounded reads a small file.
func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // read only: nothing to lose
	text, err := io.ReadAll(io.LimitReader(file, maxSecretBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSecretBytes {
		return nil, errors.New(path + " is no small file")
	}
	return text, nil
}

// serverInfo is the answer to INFO, by field.
type serverInfo map[string]string

func parseInfo(text string) serverInfo {
	info := serverInfo{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// parseModules returns the modules that INFO names, but for those that are part of the server: vectorset of Redis 8, lua of Valkey 9.1.
func parseModules(text string) []string {
	var modules []string
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "module:name=")
		if name, _, _ := strings.Cut(strings.TrimRight(rest, "\r\n"), ","); ok && name != "vectorset" && name != "lua" {
			modules = append(modules, name)
		}
	}
	return modules
}
