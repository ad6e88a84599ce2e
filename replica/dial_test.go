package replica

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// These use real sockets, and so real time; what they wait for comes at once.

// listen accepts connections and hands them over; the test plays the upstream on them.
func listen(t *testing.T, network, address string, config *tls.Config) (addr string, conns <-chan net.Conn) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	require.NoError(t, err)
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	accepted, done := make(chan net.Conn), make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			select {
			case accepted <- conn:
			case <-t.Context().Done():
				_ = conn.Close()
				return
			}
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		<-done
	})
	return listener.Addr().String(), accepted
}

// failures sends what an observer hears of lost links to a channel.
func failed(lost chan<- Failure) func(*Options) {
	return func(o *Options) { o.Observer.LinkLost = func(f Failure) { lost <- f } }
}

func at(addr string) func(*Options) {
	return func(o *Options) { o.Addr = addr }
}

func over(config func() (*tls.Config, error)) func(*Options) {
	return func(o *Options) { o.TLS = func(context.Context) (*tls.Config, error) { return config() } }
}

// serverTLS is the configuration of a server that wants to see a certificate of the same authority.
func serverTLS(t *testing.T, files *testenv.TLSFiles) *tls.Config {
	t.Helper()
	config, err := files.ClientConfig()
	require.NoError(t, err)
	cert, err := tls.LoadX509KeyPair(files.ServerCert, files.ServerKey)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: config.RootCAs, ClientAuth: tls.RequireAndVerifyClientCert}
}

func TestConnectsOverAllTransports(t *testing.T) {
	files := testenv.NewTLS(t)
	for name, tc := range map[string]struct {
		network, address, prefix string
		server                   *tls.Config
		client                   func() (*tls.Config, error)
	}{
		"tcp":              {network: "tcp", address: "127.0.0.1:0"},
		"unix":             {network: "unix", address: filepath.Join(t.TempDir(), "s")},
		"unix URL":         {network: "unix", address: filepath.Join(t.TempDir(), "s"), prefix: "unix://"},
		"mutual TLS":       {network: "tcp", address: "127.0.0.1:0", server: serverTLS(t, files), client: files.ClientConfig},
		"no TLS after all": {network: "tcp", address: "127.0.0.1:0", client: func() (*tls.Config, error) { return nil, nil }},
	} {
		t.Run(name, func(t *testing.T) {
			addr, conns := listen(t, tc.network, tc.address, tc.server)
			changes := []func(*Options){at(tc.prefix + addr)}
			if tc.client != nil {
				changes = append(changes, over(tc.client))
			}
			rec := newRecorder(t).at(position(t, idA, 1000), 0)
			run := start(t, nil, rec, changes...)
			h := session("")
			h.offset = 1000
			conn := <-conns
			served := make(chan string, 1)
			go func() { served <- h.serve(conn, 0, -1) }()
			testenv.Eventually(t, "the stream", func(context.Context) (int, bool) {
				n := int(rec.Received())
				return n, n == 1000+len(h.wire())
			})
			run.stop()
			require.Equal(t, idA+" 1001", <-served)
		})
	}
}

func TestTLSDisagreements(t *testing.T) {
	files, others := testenv.NewTLS(t), testenv.NewTLS(t)
	anonymous := func() (*tls.Config, error) {
		config, err := files.ClientConfig()
		config.Certificates = nil
		return config, err
	}
	for name, tc := range map[string]struct {
		server  *tls.Config
		client  func() (*tls.Config, error)
		message string
	}{
		"another authority":     {serverTLS(t, files), others.ClientConfig, "unknown authority"},
		"no client certificate": {serverTLS(t, files), anonymous, "certificate required"},
		"another name": {serverTLS(t, files), func() (*tls.Config, error) {
			config, err := files.ClientConfig()
			config.ServerName = "redis.example.com"
			return config, err
		}, "redis.example.com"},
		"unreadable file": {nil, func() (*tls.Config, error) { return nil, errors.New("open client.crt: no such file") }, "no such file"},
		"no TLS there":    {nil, files.ClientConfig, "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, conns := listen(t, "tcp", "127.0.0.1:0", tc.server)
			lost := make(chan Failure, 10)
			run := start(t, nil, newRecorder(t), at(addr), over(tc.client), failed(lost))
			go func() {
				select {
				case conn := <-conns:
					_, _ = conn.Write([]byte("-ERR Protocol error\r\n")) // makes the TLS handshake happen
					_ = conn.Close()
				case <-t.Context().Done():
				}
			}()
			f := <-lost
			require.Equal(t, ClassRefused, f.Class, f.Err)
			require.ErrorContains(t, f.Err, tc.message)
			run.stop()
		})
	}
}

func TestCertificatesAreReadAfresh(t *testing.T) {
	files, others := testenv.NewTLS(t), testenv.NewTLS(t)
	addr, conns := listen(t, "tcp", "127.0.0.1:0", serverTLS(t, files))
	lost := make(chan Failure, 10)
	configs := []func() (*tls.Config, error){others.ClientConfig, files.ClientConfig}
	run := start(t, nil, newRecorder(t), at(addr), failed(lost), func(o *Options) {
		o.Backoff.Refused = Backoff{First: 1, Max: 1}
	}, over(func() (*tls.Config, error) {
		next := configs[0]
		configs = configs[1:]
		return next()
	}))
	first := <-conns
	go func() { _, _ = first.Read(make([]byte, 1)) }() // makes the TLS handshake happen
	require.Equal(t, ClassRefused, (<-lost).Class)
	second := <-conns
	p := &peer{t: t, conn: second, got: make(chan []string, 100)}
	go p.listen()
	p.greet()
	run.stop()
	_ = first.Close()
	p.ended()
	_ = second.Close() // TLS wants to say goodbye to a client that has gone
}

// An upstream that is full, or protected, says so and closes, maybe before our PING is written.
func TestUnaskedAnswers(t *testing.T) {
	for line, want := range map[string]Class{
		"-DENIED Redis is running in protected mode because ...\r\n": ClassRefused,
		"-ERR max number of clients reached\r\n":                     ClassBusy,
	} {
		for range 20 {
			addr, conns := listen(t, "tcp", "127.0.0.1:0", nil)
			lost := make(chan Failure, 100)
			run := start(t, nil, newRecorder(t), at(addr), failed(lost))
			conn := <-conns
			_, err := conn.Write([]byte(line))
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			f := <-lost
			require.Equal(t, want, f.Class, f.Err)
			run.stop()
		}
	}
}

func TestNobodyListens(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())
	lost := make(chan Failure, 1000)
	run := start(t, nil, newRecorder(t), at(addr), failed(lost), func(o *Options) {
		o.Backoff.Network = Backoff{First: time.Millisecond, Max: time.Millisecond}
	})
	for range 3 {
		f := <-lost
		require.Equal(t, ClassNetwork, f.Class)
		require.Equal(t, PhaseConnecting, f.Phase)
		require.ErrorContains(t, f.Err, "connection refused")
	}
	run.stop()
}

func TestConnectingHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		u := newUpstream(t) // that nobody accepts at
		run := start(t, u, newRecorder(t), h.observe)
		pass(2*time.Minute + 10*time.Second)
		require.GreaterOrEqual(t, len(h.losses()), 2)
		require.Equal(t, ClassNetwork, h.losses()[0].Class)
		require.ErrorIs(t, h.losses()[0].Err, context.DeadlineExceeded)
		run.stop()
	})
}
