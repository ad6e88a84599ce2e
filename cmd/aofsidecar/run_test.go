package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/admin"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// running is a mirror in this process, as `run` makes it.
type running struct {
	config  Config
	signals chan os.Signal
	ended   chan error
}

func mirrorConfig(t *testing.T, server *testenv.Server) Config {
	t.Helper()
	dir := t.TempDir()
	config := DefaultConfig()
	config.Upstream.Addr = server.Addr()
	config.AOF.Dir = filepath.Join(dir, "data")
	config.HTTP.Addr = ""
	config.Control.Socket = filepath.Join(dir, "c.sock")
	return config
}

// startMirror runs a mirror; the test ends it.
func startMirror(t *testing.T, config Config) *running {
	t.Helper()
	r := &running{config: config, signals: make(chan os.Signal, 2), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.ended <- runMirror(ctx, config, zap.NewNop(), r.signals)
	}()
	t.Cleanup(func() {
		r.signals <- syscall.SIGTERM
		cancel()
		<-done
	})
	return r
}

// stop sends SIGTERM and returns what runMirror returns.
func (r *running) stop() error {
	r.signals <- syscall.SIGTERM
	return <-r.ended
}

// await waits for a status that the condition likes.
func (r *running) await(t *testing.T, what string, condition func(Status) bool) Status {
	t.Helper()
	return testenv.Eventually(t, what, func(ctx context.Context) (Status, bool) {
		var status Status
		err := admin.NewClient(r.config.Control.Socket).Get(ctx, "/status", &status)
		return status, err == nil && condition(status)
	})
}

func isReady(s Status) bool { return s.Ready }

// upstreamOffset is where the upstream is now.
func upstreamOffset(t *testing.T, server *testenv.Server) int64 {
	t.Helper()
	info, err := server.Info(t.Context(), "replication")
	require.NoError(t, err)
	offset, err := strconv.ParseInt(info["master_repl_offset"], 10, 64)
	require.NoError(t, err)
	return offset
}

func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func httpGet(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	response, err := client.Get(url)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

func TestRunMirrorsAndResumes(t *testing.T) {
	server := testenv.StartServer(t, testenv.Pick(t, "redis-7.0"))
	client := server.Client()
	require.NoError(t, client.Set(t.Context(), "a", "1", 0).Err())
	config := mirrorConfig(t, server)
	config.HTTP.Addr = freeAddr(t)

	first := startMirror(t, config)
	first.await(t, "mirror to be ready", isReady)
	require.NoError(t, client.Set(t.Context(), "b", "2", 0).Err())
	written := upstreamOffset(t, server)
	status := first.await(t, "write to be durable", func(s Status) bool { return s.Log.Durable >= written })
	require.EqualValues(t, 1, status.Upstream.FullResyncs)
	require.Equal(t, "redis", status.Upstream.Server)
	for _, path := range []string{"/healthz", "/readyz", "/status", "/metrics"} {
		code, text := httpGet(t, "http://"+config.HTTP.Addr+path)
		require.Equal(t, http.StatusOK, code, "%s: %s", path, text)
	}
	_, metrics := httpGet(t, "http://"+config.HTTP.Addr+"/metrics")
	require.Contains(t, metrics, "aofsidecar_upstream_connected 1")
	require.Contains(t, metrics, `aofsidecar_lag_bytes{stage="received"}`)
	require.NoError(t, first.stop())
	require.NoFileExists(t, config.Control.Socket)

	require.NoError(t, client.Set(t.Context(), "c", "3", 0).Err())
	second := startMirror(t, config)
	status = second.await(t, "mirror to resume", isReady)
	require.EqualValues(t, 0, status.Upstream.FullResyncs)
	require.EqualValues(t, 1, status.Upstream.PartialResyncs)
	require.NoError(t, second.stop())
	info, err := server.Info(t.Context(), "stats")
	require.NoError(t, err)
	require.Equal(t, "1", info["sync_full"])
}

func TestRunRefusesWhatAnotherHolds(t *testing.T) {
	server := testenv.StartServer(t, testenv.Pick(t, "redis-7.0"))
	config := mirrorConfig(t, server)
	first := startMirror(t, config)
	first.await(t, "mirror to be ready", isReady)

	err := startMirror(t, config).waitEnd()
	var held *aof.HeldError
	require.ErrorAs(t, err, &held)
	require.Equal(t, exitHeld, judge(err).code)

	other := config
	other.AOF.Dir = filepath.Join(t.TempDir(), "other")
	err = startMirror(t, other).waitEnd()
	var inUse *admin.InUseError
	require.ErrorAs(t, err, &inUse)
	require.Equal(t, exitHeld, judge(err).code)

	other.Control.Socket, other.HTTP.Addr = "", server.Addr()
	err = startMirror(t, other).waitEnd()
	require.ErrorIs(t, err, syscall.EADDRINUSE, "the directory was given back meanwhile")
	require.NoError(t, first.stop())
}

func (r *running) waitEnd() error { return <-r.ended }

func TestRunRefusesAServersDirectory(t *testing.T) {
	server := testenv.StartServer(t, testenv.Pick(t, "redis-7.0"), testenv.WithConfig("appendonly yes"))
	config := mirrorConfig(t, server)
	config.AOF.Dir = server.Dir()
	err := startMirror(t, config).waitEnd()
	var notOurs *aof.NotOursError
	require.ErrorAs(t, err, &notOurs)
	require.Equal(t, exitHeld, judge(err).code)
}

func TestRunIsNotReadyWhileTheUpstreamIsAway(t *testing.T) {
	server := testenv.StartServer(t, testenv.Pick(t, "redis-7.0"))
	config := mirrorConfig(t, server)
	config.HTTP.Addr = freeAddr(t)
	mirror := startMirror(t, config)
	mirror.await(t, "mirror to be ready", isReady)
	require.NoError(t, server.Kill())
	status := mirror.await(t, "mirror to notice", func(s Status) bool { return !s.Ready })
	require.Contains(t, status.NotReady, "not streaming")
	require.NotNil(t, status.Upstream.LastFailure)
	code, _ := httpGet(t, "http://"+config.HTTP.Addr+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	code, text := httpGet(t, "http://"+config.HTTP.Addr+"/healthz")
	require.Equal(t, http.StatusOK, code, text)
	require.NoError(t, mirror.stop())
}

// TestRunLingers holds that after SIGTERM the stream is read until the upstream ends it: what it still wrote is mirrored.
func TestRunLingers(t *testing.T) {
	server := testenv.StartServer(t, testenv.Pick(t, "redis-8.0"))
	config := mirrorConfig(t, server)
	config.ShutdownLinger = Duration(time.Hour)
	mirror := startMirror(t, config)
	mirror.await(t, "mirror to be ready", isReady)
	mirror.signals <- syscall.SIGTERM
	status := mirror.await(t, "mirror to drain", func(s Status) bool { return s.NotReady == "shutting down" })
	require.Equal(t, "streaming", status.Upstream.Phase)
	require.NoError(t, server.Client().Set(t.Context(), "late", "1", 0).Err())
	written := upstreamOffset(t, server)
	mirror.await(t, "late write to be durable", func(s Status) bool { return s.Log.Durable >= written })
	require.NoError(t, server.Stop(t.Context()))
	require.NoError(t, <-mirror.ended)
}

func TestASecondSignalCutsTheLingering(t *testing.T) {
	server := testenv.StartServer(t, testenv.Pick(t, "redis-7.0"))
	config := mirrorConfig(t, server)
	config.ShutdownLinger = Duration(time.Hour)
	mirror := startMirror(t, config)
	mirror.await(t, "mirror to be ready", isReady)
	mirror.signals <- syscall.SIGTERM
	mirror.await(t, "mirror to drain", func(s Status) bool { return s.NotReady == "shutting down" })
	<-time.After(signalGap)
	mirror.signals <- syscall.SIGTERM
	require.NoError(t, <-mirror.ended)
}

// TestTwoSignalsAtOnceAreACleanStop holds that timeout(1) and the like, which send SIGTERM twice, leave a last mark and exit code 0.
func TestTwoSignalsAtOnceAreACleanStop(t *testing.T) {
	server := testenv.StartServer(t, testenv.Pick(t, "redis-7.0"))
	config := mirrorConfig(t, server)
	mirror := startMirror(t, config)
	mirror.await(t, "mirror to be ready", isReady)
	require.NoError(t, server.Client().Set(t.Context(), "a", strings.Repeat("x", 1<<20), 0).Err())
	written := upstreamOffset(t, server)
	mirror.await(t, "write to be received", func(s Status) bool { return s.Log.Received >= written })
	for range 3 {
		mirror.signals <- syscall.SIGTERM
	}
	require.NoError(t, <-mirror.ended)
	report, err := aof.Verify(t.Context(), aof.Options{Dir: config.AOF.Dir})
	require.NoError(t, err)
	require.Zero(t, report.Torn)
	require.GreaterOrEqual(t, int64(report.Position.Offset), written)
}

func TestShutdownIsBounded(t *testing.T) {
	stuck := func() *mirror {
		server := testenv.StartServer(t, testenv.Pick(t, "redis-7.0"))
		config := mirrorConfig(t, server)
		config.ShutdownTimeout = Duration(time.Millisecond)
		m, err := openMirror(t.Context(), config, zap.NewNop())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, m.release()) })
		return m
	}
	never := make(chan error)
	require.ErrorIs(t, stuck().shutDown(never, nil, func() {}), errShutdownTimeout)

	m := stuck()
	m.config.ShutdownTimeout = Duration(time.Hour)
	signals := make(chan os.Signal, 1)
	cut := func() { signals <- syscall.SIGINT }
	require.ErrorContains(t, m.shutDown(never, signals, cut), "cut short by interrupt")
}

// TestRunWithoutARightToTheDefaultSocket holds that a user who may not make the folder of the default socket can mirror all the same,
// and one who named a path is told.
func TestRunWithoutARightToTheDefaultSocket(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	config := DefaultConfig()
	config.AOF.Dir, config.HTTP.Addr = filepath.Join(t.TempDir(), "data"), ""
	config.Control.Socket = filepath.Join(file, "c.sock") // as /run is for a user who is not root
	core, logs := observer.New(zap.InfoLevel)

	_, err := openMirror(t.Context(), config, zap.New(core))
	require.Equal(t, exitFailed, judge(err).code)
	require.Contains(t, judge(err).hint, "control.socket")

	m := &mirror{config: config, zap: zap.New(core), defaultSocket: config.Control.Socket}
	require.NoError(t, m.listen(t.Context()))
	require.Nil(t, m.control)
	warnings := logs.FilterLevelExact(zap.WarnLevel).All()
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0].ContextMap()["try"], "control.socket")
	require.NoError(t, m.release())
}
