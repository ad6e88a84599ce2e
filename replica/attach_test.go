package replica

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// attach starts a client of a server and waits until it streams.
func attach(t *testing.T, addr string, rec *recorder, changes ...func(*Options)) *running {
	t.Helper()
	run := start(t, nil, rec, append([]func(*Options){at(addr), quick}, changes...)...)
	t.Cleanup(func() {
		run.cancel()
		if t.Failed() {
			t.Logf("client: %+v", run.client.State())
		}
	})
	inPhase(t, run, PhaseStreaming)
	return run
}

// quick makes a client try again at once, in real time.
func quick(o *Options) {
	soon := Backoff{First: 10 * time.Millisecond, Max: 100 * time.Millisecond, Jitter: 0.5}
	o.Backoff = Backoffs{Network: soon, Busy: soon, Protocol: soon, Snapshot: soon, Unbegun: soon, Held: soon, Refused: soon}
}

func inPhase(t *testing.T, run *running, phase Phase) {
	t.Helper()
	testenv.Eventually(t, "phase "+phase.String(), func(context.Context) (State, bool) {
		s := run.client.State()
		return s, s.Phase == phase
	})
}

// caughtUp waits until the recorder has all that the server has ever sent, counted in bytes.
func caughtUp(t *testing.T, server *testenv.Server, rec *recorder) {
	t.Helper()
	testenv.Eventually(t, "the client to catch up", func(ctx context.Context) (string, bool) {
		info, err := server.Info(ctx, "replication")
		if err != nil {
			return err.Error(), false
		}
		want, got := info["master_repl_offset"], itoa(int(rec.Received()))
		return got + " of " + want, got == want
	})
}

// resyncs returns how many full and partial resyncs the server has given.
func resyncs(t *testing.T, server *testenv.Server) (full, partial int) {
	t.Helper()
	info, err := server.Info(t.Context(), "stats")
	require.NoError(t, err)
	full, err = strconv.Atoi(info["sync_full"])
	require.NoError(t, err)
	partial, err = strconv.Atoi(info["sync_partial_ok"])
	require.NoError(t, err)
	return full, partial
}

// names returns the commands in kept bytes, which must be whole.
func names(t *testing.T, kept string) []string {
	t.Helper()
	var all []string
	in := resp.NewReader(strings.NewReader(kept))
	for {
		c, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		args := make([]string, 0, len(c.Args))
		for _, arg := range c.Args {
			args = append(args, string(arg))
		}
		all = append(all, strings.Join(args, " "))
	}
}

func lower(commands []string) []string {
	for i, c := range commands {
		if strings.HasPrefix(c, "SET ") {
			commands[i] = strings.ToLower(c)
		}
	}
	return commands
}

// checkRDB has the server's own tool look at a snapshot.
func checkRDB(t *testing.T, family testenv.Family, payload []byte) {
	t.Helper()
	file := t.TempDir() + "/dump.rdb"
	require.NoError(t, os.WriteFile(file, payload, 0o600))
	out, err := command(t, family.CheckRDB(), file)
	require.NoError(t, err, out)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func command(t *testing.T, path string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	return string(out), err
}
