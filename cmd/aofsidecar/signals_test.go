package main

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/aofsidecar/aofsidecar/aof"
)

func TestSignalsAtOnceAreOneSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw := make(chan os.Signal, 2)
		first, further, unwatch := watchSignals(t.Context(), raw)
		defer unwatch()
		none := func() {
			t.Helper()
			synctest.Wait()
			select {
			case sig := <-further:
				t.Fatalf("%s came through", sig)
			default:
			}
		}
		require.NoError(t, first.Err())
		raw <- syscall.SIGTERM
		raw <- syscall.SIGTERM
		<-first.Done()
		require.Equal(t, signalled{syscall.SIGTERM}, context.Cause(first))
		none()
		<-time.After(signalGap - time.Nanosecond)
		raw <- syscall.SIGINT
		none()
		<-time.After(time.Nanosecond)
		raw <- syscall.SIGINT
		require.Equal(t, syscall.SIGINT, <-further)
		raw <- syscall.SIGINT
		none()
		<-time.After(signalGap)
		raw <- syscall.SIGTERM
		require.Equal(t, syscall.SIGTERM, <-further)
	})
}

func TestUnwatchEndsTheWatching(t *testing.T) {
	first, _, unwatch := watchSignals(t.Context(), nil)
	unwatch()
	require.ErrorIs(t, context.Cause(first), context.Canceled)
}

// TestASignalEndsTheOpening holds that SIGTERM is heard while a long increment is read, and is no failure.
func TestASignalEndsTheOpening(t *testing.T) {
	config := DefaultConfig()
	dir, _ := directoryOf(t, []string{"SET", "a", "1"})
	config.AOF.Dir, config.HTTP.Addr, config.Control.Socket = dir, "", filepath.Join(t.TempDir(), "c.sock")
	increment := filepath.Join(dir, "appendonlydir", "appendonly.aof.1.incr.aof")
	before, err := os.ReadFile(increment)
	require.NoError(t, err)

	signals := make(chan os.Signal)
	core, logs := observer.New(zap.DebugLevel)
	// The first line comes before the opening. The second signal is taken when the first has been dealt with.
	signalAtFirstLine := zap.Hooks(func(entry zapcore.Entry) error {
		if entry.Level == zap.DebugLevel {
			signals <- syscall.SIGTERM
			signals <- syscall.SIGTERM
		}
		return nil
	})
	require.NoError(t, runMirror(t.Context(), config, zap.New(core, signalAtFirstLine), signals))
	require.Len(t, logs.FilterMessage("told to stop while opening: nothing has changed").All(), 1)
	require.NoFileExists(t, config.Control.Socket)

	after, err := os.ReadFile(increment)
	require.NoError(t, err)
	require.Equal(t, before, after)
	log, err := aof.Open(t.Context(), logOptions(config, aof.Observer{}))
	require.NoError(t, err, "the directory was given back")
	require.NoError(t, log.Close())
}
