package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// mirror is a sidecar of a test.
type mirror struct {
	*testenv.Sidecar
}

// newMirror prepares a sidecar on a fresh directory and starts nothing.
func newMirror(t *testing.T, upstream string, set ...string) mirror {
	t.Helper()
	return newMirrorAt(t, filepath.Join(t.TempDir(), "mirror"), upstream, set...)
}

// newMirrorAt is newMirror on a given directory.
func newMirrorAt(t *testing.T, dir, upstream string, set ...string) mirror {
	t.Helper()
	return newMirrorOf(t, program, dir, upstream, set...)
}

// newMirrorOf is newMirrorAt of something that ends up executing the program. Whatever the test is about, the sidecar must not have
// panicked or raced.
func newMirrorOf(t *testing.T, executable, dir, upstream string, set ...string) mirror {
	t.Helper()
	sidecar, err := testenv.NewSidecar(executable, dir, upstream, set...)
	require.NoError(t, err)
	t.Cleanup(func() {
		log := sidecar.Log()
		require.NoError(t, sidecar.Close())
		if t.Failed() {
			t.Logf("end of the log of the sidecar:\n%s", log[max(0, len(log)-8<<10):])
		}
		for _, word := range []string{"DATA RACE", "panic:", "fatal error:", "goroutine 1 ["} {
			require.NotContains(t, log, word)
		}
	})
	return mirror{sidecar}
}

// startMirror starts a sidecar on a fresh directory and waits until it is in step.
func startMirror(t *testing.T, upstream string, set ...string) mirror {
	t.Helper()
	m := newMirror(t, upstream, set...)
	m.start(t)
	m.awaitStreaming(t)
	return m
}

func (m mirror) start(t *testing.T) {
	t.Helper()
	require.NoError(t, m.Start(t.Context()))
}

func (m mirror) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, m.Kill())
}

func (m mirror) await(t *testing.T, what string, condition func(testenv.SidecarStatus) bool) testenv.SidecarStatus {
	t.Helper()
	status, err := m.Await(t.Context(), what, condition)
	require.NoError(t, err)
	return status
}

// awaitWithin is await for what takes longer than most.
func (m mirror) awaitWithin(t *testing.T, limit time.Duration, what string, condition func(testenv.SidecarStatus) bool) testenv.SidecarStatus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	status, err := m.Await(ctx, what, condition)
	require.NoError(t, err)
	return status
}

func (m mirror) awaitStreaming(t *testing.T) testenv.SidecarStatus {
	t.Helper()
	return m.await(t, "streaming", testenv.SidecarStatus.Streaming)
}

// endsHeld waits for the sidecar to end by itself, because what it was given is held by another or not its own.
func (m mirror) endsHeld(t *testing.T) {
	t.Helper()
	got, err := m.Exit(t.Context())
	require.NoError(t, err)
	require.Equal(t, 7, got, m.Log())
}

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// command runs a program to its end.
func command(t *testing.T, name string, args ...string) result {
	t.Helper()
	return commandWith(t, nil, name, args...)
}

// commandWith is command with variables in the environment.
func commandWith(t *testing.T, env []string, name string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...) // as for the sidecar: no setting comes from the environment
	err := cmd.Run()
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

// aofsidecar runs the binary to its end.
func aofsidecar(t *testing.T, args ...string) result {
	t.Helper()
	return command(t, program, args...)
}
