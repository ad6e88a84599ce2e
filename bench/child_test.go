package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

func TestKillEndsWhatTheChildForked(t *testing.T) {
	dir := t.TempDir()
	c, err := start(t.Context(), dir, []string{"sh", "-c", "sleep 1000 & echo $! >forked; wait"})
	require.NoError(t, err)
	pid, err := testenv.Poll(t.Context(), "the child to fork", func(context.Context) (int, bool) {
		text, _ := os.ReadFile(filepath.Join(dir, "forked"))
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		return pid, err == nil
	})
	require.NoError(t, err)
	require.NoError(t, unix.Kill(pid, 0))
	require.NoError(t, c.kill())
	require.ErrorIs(t, unix.Kill(pid, 0), unix.ESRCH)
	require.NoError(t, c.kill(), "once more does nothing")
}

func TestChildIsMeasured(t *testing.T) {
	c, err := start(t.Context(), t.TempDir(), []string{"sh", "-c", "while :; do :; done"})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.kill()) }()
	first, err := c.cpu()
	require.NoError(t, err)
	_, err = testenv.Poll(t.Context(), "the child to compute", func(context.Context) (error, bool) {
		now, err := c.cpu()
		return err, err != nil || now > first
	})
	require.NoError(t, err)
	peak, err := c.peak()
	require.NoError(t, err)
	require.Greater(t, peak, int64(64<<10))
}
