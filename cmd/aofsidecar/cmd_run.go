package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/aofsidecar/aofsidecar/internal/observe"
)

const runHelp = `Connect to the upstream as a replica, take its snapshot and its stream, and keep aof.dir such that a stock server
boots from it at any moment. It goes on until SIGTERM or SIGINT: then the stream is read until the upstream closes it, at most
for shutdown-linger, the log is synced, what the archive lacks is shipped within shutdown-timeout, the lease is released, and the exit code is 0.

A second signal cuts what is under way: the reading, after which the log is synced as ever; or the shipping, of which the next start does the rest; or else the
sync, and then the exit code is 1 and the next start goes back to the last mark, as after a crash. Signals within a second of each other count as one.

With an archive (archive.url) a sidecar ships to it. An archive that is away, or that another sidecar ships to, neither stops nor delays the mirror; a store that knows no
conditional writes ends it with exit code 2 unless archive.lease.enabled is false.`

// errShutdownTimeout says that the process ends although not everything has stopped.
var errShutdownTimeout = errors.New("shutdown took longer than shutdown-timeout: the next start goes back to the last mark")

func newRunCommand(flags *flagLayer) *cobra.Command {
	return &cobra.Command{
		Use:     "run",
		Short:   "Mirror the upstream until told to stop",
		Long:    runHelp,
		Example: `  aofsidecar run --set upstream.addr=redis:6379 --set aof.dir=/data`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			effective, err := loadConfig(*flags)
			if err != nil {
				return err
			}
			signals := make(chan os.Signal, 2)
			signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
			defer signal.Stop(signals)
			config := effective.config
			logger, err := observe.NewLogger(cmd.ErrOrStderr(), observe.LogOptions{
				Level: string(config.Logging.Level), Text: config.Logging.Format == LogText,
			})
			if err != nil {
				return err
			}
			warnExposed(effective, logger)
			return runMirror(cmd.Context(), config, logger, signals)
		},
	}
}

// runMirror opens and runs a mirror until a signal comes or it fails.
func runMirror(ctx context.Context, config Config, logger *zap.Logger, signals <-chan os.Signal) error {
	first, further, unwatch := watchSignals(ctx, signals)
	defer unwatch()
	limitMemory(logger)
	m, err := openMirror(first, config, logger)
	if told, ok := errors.AsType[signalled](context.Cause(first)); ok && errors.Is(err, context.Canceled) {
		logger.Info("told to stop while opening: nothing has changed", zap.Stringer("signal", told))
		return nil
	}
	if err != nil {
		return err
	}
	logger.Info("mirror begins", zap.String("version", buildVersion().Version),
		zap.String("upstream", config.Upstream.Addr), zap.String("dir", config.AOF.Dir))
	intake, stopIntake := context.WithCancel(ctx)
	defer stopIntake()
	ended := make(chan error, 1)
	go func() { ended <- m.run(ctx, intake) }()
	select {
	case err := <-ended:
		return err
	case <-first.Done():
		logger.Info("shutting down", zap.NamedError("cause", context.Cause(first)))
	}
	if err := m.shutDown(ended, further, stopIntake); err != nil {
		return err
	}
	logger.Info("mirror ended")
	return nil
}

// shutDown lets the upstream finish for shutdown-linger, then stops the intake and waits for the last fsync. A signal cuts whichever
// of the two is under way.
func (m *mirror) shutDown(ended <-chan error, signals <-chan os.Signal, stopIntake context.CancelFunc) error {
	m.monitor.stopping.Store(true)
	m.client.Drain()
	linger := time.NewTimer(time.Duration(m.config.ShutdownLinger))
	defer linger.Stop()
	select {
	case err := <-ended:
		return err
	case <-linger.C:
	case <-signals:
	}
	stopIntake()
	timeout := time.NewTimer(time.Duration(m.config.ShutdownTimeout))
	defer timeout.Stop()
	var cut error
	select {
	case err := <-ended:
		return err
	case <-timeout.C:
		cut = errShutdownTimeout
	case sig := <-signals:
		cut = fmt.Errorf("shut down: cut short by %s: the next start goes back to the last mark", sig)
	}
	return m.cutShort(ended, cut)
}

// drainGrace is how long the archive may take to stop once it was told that there is no more time.
const drainGrace = 5 * time.Second

// cutShort ends a shutdown that has no more time. Once the log was synced only the archive is left: what that lacks goes at the next start, which is no
// error.
func (m *mirror) cutShort(ended <-chan error, why error) error {
	select {
	case <-m.synced:
	default:
		return why
	}
	m.cutDrain()
	grace := time.NewTimer(drainGrace)
	defer grace.Stop()
	select {
	case err := <-ended:
		return err
	case <-grace.C:
		m.zap.Warn("the archive does not let go: the next start ships what it lacks")
		return nil
	}
}

// limitMemory tells the garbage collector of the cgroup's limit. A machine without one, or with GOMEMLIMIT set, is left as it is.
func limitMemory(logger *zap.Logger) {
	if limit, err := memlimit.Set(); err != nil {
		logger.Debug("no memory limit known", zap.Error(err))
	} else {
		logger.Debug("memory limit", zap.Int64("bytes", limit))
	}
}
