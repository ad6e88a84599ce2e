package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

const (
	// portAttempts is how many ports are tried when others take them first.
	portAttempts = 20
	// stopPatience is longer than the 10 s that a server waits for slow replicas when it shuts down.
	stopPatience = 30 * time.Second

	configName = "server.conf"
	logName    = "server.log"
)

// errPortTaken says that the server could not listen on its port.
var errPortTaken = errors.New("port is taken")

// Server is a running (or stopped) server on loopback, or on a [Host].
type Server struct {
	// Family is what was started.
	Family Family

	home   string // configuration, log, unix socket; short, because socket paths are limited to 107 bytes
	dir    string // working directory
	set    settings
	port   int
	client *redis.Client

	mu   sync.Mutex
	proc *process // nil while stopped
}

// StartServer is [Start] for tests: it fails the test on an error, closes the server when the test ends,
// and then adds the end of the server's log to the output of a failed test.
func StartServer(tb testing.TB, family Family, options ...Option) *Server {
	tb.Helper()
	server, err := Start(tb.Context(), family, options...)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("end of the log of %s on %s:\n%s", family, server.Addr(), tail(server.Log(), 4<<10))
		}
		require.NoError(tb, server.Close())
	})
	return server
}

// Start starts a server and returns when it answers PING, which it does after it has loaded its data.
// The caller closes it.
//
// Defaults: 127.0.0.1 and a free port, a fresh working directory, no snapshots (save ""), no AOF, DEBUG
// allowed, repl-diskless-sync-delay 0.
func Start(ctx context.Context, family Family, options ...Option) (*Server, error) {
	server := &Server{Family: family}
	for _, option := range options {
		option(&server.set)
	}
	if err := server.prepare(); err != nil {
		return nil, errors.Join(err, server.Close())
	}
	for range portAttempts {
		port, err := server.freePort(ctx)
		if err != nil {
			return nil, errors.Join(err, server.Close())
		}
		err = server.configure(port)
		if err == nil {
			err = server.Start(ctx)
		}
		if err == nil {
			return server, nil
		}
		if !errors.Is(err, errPortTaken) {
			return nil, errors.Join(err, server.Close())
		}
	}
	return nil, errors.Join(fmt.Errorf("start %s: %w %d times", family, errPortTaken, portAttempts), server.Close())
}

// prepare makes the folders.
func (s *Server) prepare() error {
	home, err := os.MkdirTemp("", "server")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	s.home = home
	s.dir = s.set.dataDir
	if s.dir != "" {
		return nil
	}
	s.dir = filepath.Join(home, "data")
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return nil
}

// configure takes a port.
func (s *Server) configure(port int) error {
	if s.client != nil {
		if err := s.client.Close(); err != nil {
			return fmt.Errorf("close client: %w", err)
		}
	}
	s.port = port
	config := s.set.config(port, s.Socket())
	if err := os.WriteFile(filepath.Join(s.home, configName), []byte(config), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	client, err := s.newClient()
	if err != nil {
		return err
	}
	s.client = client
	return nil
}

// Start starts a stopped server again, on the same port and directory and with the same configuration,
// and returns when it answers PING. A server that runs is left alone.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil && s.proc.running() {
		return nil
	}
	// The C locale, so that SORT ALPHA means the same everywhere.
	env := []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	logged := len(s.Log())
	command := s.command()
	proc, err := spawn(ctx, command[0], s.dir, filepath.Join(s.home, logName), env, command[1:]...)
	if err != nil {
		return err
	}
	s.proc = proc
	_, err = Poll(ctx, s.Family.Name+" to answer PING", func(ctx context.Context) (error, bool) {
		err := s.answers(ctx, proc)
		return err, err == nil || !proc.running()
	})
	if !proc.running() {
		said := s.Log()[logged:]
		if strings.Contains(said, "Address already in use") {
			return errPortTaken
		}
		return fmt.Errorf("start %s: %w: %s", s.Family, proc.err, tail(said, 2<<10))
	}
	if err != nil {
		return errors.Join(err, proc.kill())
	}
	return nil
}

// answers reports whether the server that listens on the port is the child, and is ready.
func (s *Server) answers(ctx context.Context, proc *process) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	// The client logs every refused connection; a bare one finds out in silence.
	conn, err := s.dial(ctx, "tcp", s.Addr())
	if err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	if err := s.client.Ping(ctx).Err(); err != nil {
		return err
	}
	info, err := s.Info(ctx, "server")
	if err != nil {
		return err
	}
	if pid := info["process_id"]; pid != strconv.Itoa(proc.pid()) {
		return fmt.Errorf("process %s answers on the port of process %d", pid, proc.pid())
	}
	return nil
}

// Addr returns host:port.
func (s *Server) Addr() string {
	host := "127.0.0.1"
	if s.set.host != nil {
		host = s.set.host.Addr()
	}
	return net.JoinHostPort(host, strconv.Itoa(s.port))
}

// freePort is that of the machine, or any on a host, where nobody else listens.
func (s *Server) freePort(ctx context.Context) (int, error) {
	if s.set.host != nil {
		return firstPort, nil
	}
	return freePort(ctx)
}

// dial connects to the server.
func (s *Server) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if s.set.host != nil {
		return s.set.host.Dial(ctx, network, addr)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// command returns what starts the server.
func (s *Server) command() []string {
	args := []string{s.Family.Server(), filepath.Join(s.home, configName)}
	if s.set.host != nil {
		return append(s.set.host.Command(), args...)
	}
	return args
}

// Port returns the port.
func (s *Server) Port() int { return s.port }

// Socket returns the path of the unix socket that [WithUnixSocket] asks for.
func (s *Server) Socket() string { return filepath.Join(s.home, "s") }

// Dir returns the server's working directory, where its own data files are.
func (s *Server) Dir() string { return s.dir }

// PID returns the process id, 0 while the server is stopped.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil || !s.proc.running() {
		return 0
	}
	return s.proc.pid()
}

// Log returns all that the server has written to stdout and stderr, over all its starts.
func (s *Server) Log() string {
	raw, err := os.ReadFile(filepath.Join(s.home, logName))
	if err != nil {
		return ""
	}
	return string(raw)
}

// Stop ends the server in an orderly way (SIGTERM): it writes and syncs its AOF, waits for its replicas
// up to shutdown-timeout, and saves nothing unless save points are configured. It returns when the
// process is gone.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	if err := errors.Join(s.proc.signal(syscall.SIGTERM), s.proc.signal(syscall.SIGCONT)); err != nil {
		return err
	}
	timer := time.NewTimer(stopPatience)
	defer timer.Stop()
	select {
	case <-s.proc.exited:
		return nil
	case <-timer.C:
		return fmt.Errorf("stop %s: still running after %s", s.Family, stopPatience)
	case <-ctx.Done():
		return fmt.Errorf("stop %s: %w", s.Family, ctx.Err())
	}
}

// Kill ends the server with SIGKILL and returns when the process is gone.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	return s.proc.kill()
}

// Restart stops the server in an orderly way and starts it again.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	return s.Start(ctx)
}

// Pause freezes the process (SIGSTOP): its connections stay open and silent.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	return s.proc.signal(sig)
}

// Close ends the server with SIGKILL and removes what [Start] made. It may be called more than once.
func (s *Server) Close() error {
	err := s.Kill()
	if s.client != nil {
		err = errors.Join(err, s.client.Close())
		s.client = nil
	}
	if s.home != "" {
		err = errors.Join(err, removeAll(s.home))
	}
	if s.set.ownsDir {
		err = errors.Join(err, removeAll(s.set.dataDir))
	}
	return err
}

// removeAll removes a directory in which a child of a killed server may still write.
func removeAll(dir string) (err error) {
	for range 100 {
		if err = os.RemoveAll(dir); !errors.Is(err, syscall.ENOTEMPTY) {
			return err
		}
	}
	return err
}

// tail returns the end of text.
func tail(text string, limit int) string {
	return text[max(0, len(text)-limit):]
}
