package s3gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the server takes.
const (
	AccessKey = "aofsidecar-test"
	SecretKey = "aofsidecar-test-secret"
	Region    = "eu-central-1"
)

const (
	readyWord  = "ready"
	healthPath = "/healthz"
	dirPerm    = 0o750
	// Below the ports that Linux takes for outgoing connections.
	firstPort, lastPort = 11000, 32000
)

// Gateway is a running S3 server.
type Gateway struct {
	dir   string
	meta  string // "": extended attributes
	addr  string
	on    []string // runs what follows it; nil: nothing does
	cmd   *exec.Cmd
	alive io.Closer
}

// New is [Start] on a temporary directory for a test, which ends it.
func New(tb testing.TB) *Gateway {
	tb.Helper()
	g, err := Start(tb.Context(), tb.TempDir())
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, g.Close()) })
	return g
}

// Start runs a server on dir, whose file system must have extended attributes. [Served] must be in the TestMain of the test binary. The caller closes it.
func Start(ctx context.Context, dir string) (*Gateway, error) { return start(ctx, dir, "") }

// StartForLarge is [Start] with what the server knows of objects and uploads in files below meta, an existing directory beside dir. In the extended attributes of ext4 there is
// room for an upload of about 600 parts, and the server answers the completion of a larger one with 507.
func StartForLarge(ctx context.Context, dir, meta string) (*Gateway, error) {
	return start(ctx, dir, meta)
}

// StartOn is [Start] on another host, whose address is host and whose command runs what follows it there, as the same process. The caller's own network does not lead there, so that
// Healthy is for servers of the other functions only.
func StartOn(ctx context.Context, dir, host string, command ...string) (*Gateway, error) {
	return startAs(ctx, &Gateway{dir: dir, addr: net.JoinHostPort(host, strconv.Itoa(firstPort)), on: command})
}

func start(ctx context.Context, dir, meta string) (*Gateway, error) {
	var last error
	for range 5 { // another process may take the port first
		g, err := startOnce(ctx, dir, meta)
		if err == nil {
			return g, nil
		}
		last = err
	}
	return nil, last
}

func startOnce(ctx context.Context, dir, meta string) (*Gateway, error) {
	return startAs(ctx, &Gateway{dir: dir, meta: meta, addr: fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort))})
}

// startAs starts what g says.
func startAs(ctx context.Context, g *Gateway) (*Gateway, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	if g.on == nil {
		if _, err := new(net.Dialer).DialContext(ctx, "tcp", g.addr); err == nil {
			return nil, fmt.Errorf("start gateway: %s is taken", g.addr)
		}
	}
	command := append(slices.Clone(g.on), self)
	g.cmd = exec.CommandContext(context.WithoutCancel(ctx), command[0], command[1:]...)
	g.cmd.Env = append(os.Environ(), childEnv+"="+g.dir, childListen+"="+g.addr, childMeta+"="+g.meta)
	g.cmd.Stderr = os.Stderr
	if g.alive, err = g.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start gateway: %w", err)
	}
	ready, childsEnd, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start gateway: %w", err), g.alive.Close())
	}
	g.cmd.ExtraFiles = []*os.File{childsEnd}
	err = errors.Join(g.cmd.Start(), childsEnd.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start gateway: %w", err), g.alive.Close(), ready.Close())
	}
	said, err := io.ReadAll(ready)
	if err = errors.Join(err, ready.Close()); err != nil || string(said) != readyWord {
		return nil, errors.Join(fmt.Errorf("start gateway: it said %q", said), err, g.Close())
	}
	return g, nil
}

// Endpoint is the server's URL.
func (g *Gateway) Endpoint() string { return "http://" + g.addr }

// Addr is the server's host:port.
func (g *Gateway) Addr() string { return g.addr }

// Bucket makes a bucket, and returns where its objects are: <dir>/<key>, as plain files, to be looked at or damaged. The name must be new.
func (g *Gateway) Bucket(name string) (dir string, err error) {
	dir = filepath.Join(g.dir, name)
	if err := os.Mkdir(dir, dirPerm); err != nil {
		return "", fmt.Errorf("make bucket: %w", err)
	}
	return dir, nil
}

// Healthy reports whether the server answers.
func (g *Gateway) Healthy(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.Endpoint()+healthPath, nil)
	if err != nil {
		return false
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(req)
	return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// Kill ends the server at once, as kill -9; what it has answered is on its disk. Close is still to be called.
func (g *Gateway) Kill() error { return g.cmd.Process.Kill() }

// Pause freezes the server (SIGSTOP): its connections stay open and silent.
func (g *Gateway) Pause() error { return g.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (g *Gateway) Resume() error { return g.cmd.Process.Signal(syscall.SIGCONT) }

// Restart kills the server and starts it again, on the same address and directory.
func (g *Gateway) Restart(ctx context.Context) error {
	if err := errors.Join(g.Kill(), g.Close()); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	again, err := startAs(ctx, &Gateway{dir: g.dir, meta: g.meta, addr: g.addr, on: g.on})
	if err != nil {
		return err
	}
	*g = *again
	return nil
}

// Close ends the server and waits for it.
func (g *Gateway) Close() error {
	err := g.alive.Close()
	if resumed := g.Resume(); !errors.Is(resumed, os.ErrProcessDone) { // a paused one does not see that it is to end
		err = errors.Join(err, resumed)
	}
	var exit *exec.ExitError
	if ended := g.cmd.Wait(); ended != nil && !errors.As(ended, &exit) {
		err = errors.Join(err, ended)
	}
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close gateway: %w", err)
	}
	return nil
}
