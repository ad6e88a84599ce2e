package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// The demo shows what it promises, with each server as if it were installed.
func TestDemo(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			shown := startDemo(t, family)
			require.NoError(t, shown.wait(), "%s", shown.said())
			said := shown.said()
			for _, want := range []string{
				string(family.Dialect) + " " + family.Version.String(),
				"sync_full 1, sync_partial_ok 0", "sync_full 1, sync_partial_ok 3",
				"200,000 INCR", "rewrite --wait: ", " became appendonly.aof.2.base.rdb, ", "its directory had ", "upstream noticed nothing",
				"--appendonly yes", "exit code 0", "\n  equal     a stock server without", "aofsidecar restore --archive file://", "\n  equal     a stock server on what came back",
			} {
				require.Contains(t, said, want)
			}
			require.LessOrEqual(t, strings.Count(said, "\n"), 24, "a screenful")
			shown.requireNothingLeft(t)
			require.Empty(t, filesIn(t, shown.temp))
		})
	}
}

// Interrupted or killed in the middle, it leaves no process, and interrupted no file.
func TestDemoInterrupted(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			shown := startDemo(t, testenv.Pick(t, "redis-7.0"))
			testenv.Eventually(t, "the demo to be half-way", func(context.Context) (string, bool) {
				return shown.said(), strings.Contains(shown.said(), "kill -9")
			})
			require.NoError(t, shown.cmd.Process.Signal(sig))
			require.Error(t, shown.wait())
			shown.requireNothingLeft(t)
			if sig == syscall.SIGINT {
				require.Empty(t, filesIn(t, shown.temp))
			}
		})
	}
}

// runningDemo is the demo's process.
type runningDemo struct {
	cmd    *exec.Cmd
	temp   string
	output string
	ended  chan error
}

// With an S3 server beside it the demo shows the same, and ends that, too.
func TestDemoWithS3(t *testing.T) {
	t.Parallel()
	shown := startDemo(t, testenv.Pick(t, "valkey-8.1"), "-s3")
	require.NoError(t, shown.wait(), "%s", shown.said())
	require.Contains(t, shown.said(), "aofsidecar restore --archive s3://demo/backup")
	require.Contains(t, shown.said(), "\n  equal     a stock server on what came back")
	shown.requireNothingLeft(t)
	require.Empty(t, filesIn(t, shown.temp))
}

// startDemo runs the demo with one server in the PATH and nothing else, and with a temporary folder of its own by which its processes can be told.
func startDemo(t *testing.T, family testenv.Family, args ...string) *runningDemo {
	t.Helper()
	d := &runningDemo{temp: t.TempDir(), output: filepath.Join(t.TempDir(), "output"), ended: make(chan error, 1)}
	out, err := os.Create(d.output)
	require.NoError(t, err)
	d.cmd = exec.CommandContext(t.Context(), demo, append(args, "-sidecar", program)...)
	d.cmd.Stdout, d.cmd.Stderr = out, out
	d.cmd.Env = []string{"PATH=" + filepath.Dir(family.Server()), "TMPDIR=" + d.temp}
	require.NoError(t, d.cmd.Start())
	require.NoError(t, out.Close())
	go func() { d.ended <- d.cmd.Wait() }()
	return d
}

func (d *runningDemo) wait() error { return <-d.ended }

func (d *runningDemo) said() string {
	text, err := os.ReadFile(d.output)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// requireNothingLeft waits until no process mentions the demo's folder.
func (d *runningDemo) requireNothingLeft(t *testing.T) {
	t.Helper()
	testenv.Eventually(t, "the end of all processes", func(context.Context) ([]string, bool) {
		left, err := mentioning(d.temp)
		return left, err == nil && len(left) == 0
	})
}

// mentioning returns the command lines of processes that have text in them.
func mentioning(text string) ([]string, error) {
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range names {
		line, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return nil, err
		}
		if bytes.Contains(line, []byte(text)) {
			found = append(found, string(bytes.ReplaceAll(line, []byte{0}, []byte(" "))))
		}
	}
	return found, nil
}
