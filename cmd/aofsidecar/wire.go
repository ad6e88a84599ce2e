package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/admin"
	"github.com/aofsidecar/aofsidecar/internal/observe"
	"github.com/aofsidecar/aofsidecar/replica"
)

// mirror is the stages of one upstream, wired together.
type mirror struct {
	config  Config
	zap     *zap.Logger
	started time.Time

	defaultSocket string // of control.socket

	log      *aof.Log
	client   *replica.Client
	side     *redis.Client // for INFO
	monitor  *monitor
	registry *prometheus.Registry
	control  net.Listener // nil: none
	http     net.Listener // nil: none
}

// openMirror takes the directory and the addresses, and connects nothing yet. What it has taken when it fails, it gives back.
func openMirror(ctx context.Context, config Config, logger *zap.Logger) (_ *mirror, err error) {
	m := &mirror{config: config, zap: logger, started: time.Now().UTC(), registry: prometheus.NewRegistry(), defaultSocket: DefaultConfig().Control.Socket}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.release())
		}
	}()
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	access := upstreamAccess{config.Upstream}
	m.side = access.client()
	events := observe.NewEvents(m.registry, observe.Build{Version: buildVersion().Version, GoVersion: runtime.Version()})
	if m.log, err = aof.Open(ctx, m.logOptions(observe.AOF(events, logger))); err != nil {
		return nil, err // says "open log" itself
	}
	options := replicaOptions(config.Upstream, access, observe.Replica(events, logger))
	if m.client, err = replica.New(options, observe.CountDropped(events, m.log), m.log); err != nil {
		return nil, fmt.Errorf("make replica: %w", err)
	}
	m.monitor = newMonitor(config, m.log, m.client, m.side, logger)
	m.registry.MustRegister(observe.NewCollector(observe.States{
		Replica: m.client.State, AOF: m.log.Status, Lag: m.monitor.lag,
	}))
	return m, m.listen(ctx)
}

// logOptions are the options of a log beside an upstream.
func (m *mirror) logOptions(observer aof.Observer) aof.Options {
	options := logOptions(m.config, observer)
	options.Rewrite.Keys = newCommandKeys(m.side, m.zap).find
	options.Rewrite.Upstream = func() (name, version string) { // the client is made behind the log, and before anything is rewritten
		server := m.client.State().Peer.Server
		return server.Name, server.Version
	}
	return options
}

// logOptions are the options of a log without an upstream.
func logOptions(whole Config, observer aof.Observer) aof.Options {
	config := whole.AOF
	return aof.Options{
		Dir: config.Dir, DirName: config.AppendDirName, FileName: config.AppendFileName,
		Fsync: aof.Policy(config.AppendFsync), Timestamps: bool(config.TimestampEnabled),
		IncrementBytes: int64(config.IncrementSize), IncrementAge: time.Duration(config.IncrementAge),
		Rewrite:  rewriteOptions(whole),
		Observer: observer,
	}
}

func replicaOptions(config UpstreamConfig, access upstreamAccess, observer replica.Observer) replica.Options {
	return replica.Options{
		Addr:        config.Addr,
		Credentials: access.credentials,
		TLS:         access.tls,
		ReplTimeout: time.Duration(config.ReplTimeout),
		AckBehind:   config.Ack == AckBehind,
		Observer:    observer,
	}
}

func newMonitor(config Config, log *aof.Log, client *replica.Client, side *redis.Client, logger *zap.Logger) *monitor {
	meter := &observe.LagMeter{}
	return &monitor{
		log: log, client: client, meter: meter,
		dog:         admin.NewWatchdog(stuckAfter),
		sampler:     &sampler{info: side.Info, meter: meter, keys: log.KeysSeen, log: logger},
		replTimeout: time.Duration(config.Upstream.ReplTimeout),
		readyLag:    time.Duration(config.HTTP.ReadyLag),
	}
}

// listen takes the addresses, so that one that is taken is known before anything is received.
func (m *mirror) listen(ctx context.Context) error {
	var err error
	if addr := m.config.HTTP.Addr; addr != "" {
		if m.http, err = (&net.ListenConfig{}).Listen(ctx, "tcp", addr); err != nil {
			return fmt.Errorf("listen on http.addr: %w", err)
		}
	}
	return m.listenControl(ctx)
}

// listenControl makes the control socket. The default path is root's: a user who may not make it there gets on without. A path that
// was chosen is wanted.
func (m *mirror) listenControl(ctx context.Context) error {
	path := m.config.Control.Socket
	if path == "" {
		return nil
	}
	var err error
	m.control, err = admin.ListenControl(ctx, path)
	if place, ok := errors.AsType[*admin.PlaceError](err); ok && path == m.defaultSocket {
		m.zap.Warn("no control socket: status and unpin cannot reach this process", zap.Error(place), zap.String("try", tryAnotherSocket))
		return nil
	}
	if err != nil {
		return fmt.Errorf("open control.socket: %w", err)
	}
	return nil
}

// release closes what was opened and not run.
func (m *mirror) release() error {
	var errs []error
	if m.log != nil {
		errs = append(errs, m.log.Close())
	}
	if m.side != nil {
		errs = append(errs, m.side.Close())
	}
	for _, listener := range []net.Listener{m.http, m.control} {
		if listener != nil {
			errs = append(errs, listener.Close())
		}
	}
	return errors.Join(errs...)
}

// run mirrors until intake ends, or a stage fails. It returns when everything has stopped, in the order of the flow: the
// client, then the log with a last fsync, then those who watch, so that the end can be watched. A mirror runs once.
func (m *mirror) run(ctx, intake context.Context) error {
	watch, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	group, watch := errgroup.WithContext(watch)
	group.Go(func() error { return m.monitor.run(watch) })
	if m.http != nil {
		group.Go(func() error { return admin.Serve(watch, m.http, m.endpoint(), m.zap) })
	}
	if m.control != nil {
		mux, handler := admin.NewControl(func(ctx context.Context) any { return m.status(ctx) })
		addUnpin(mux, m.log.Unpin)
		addRewrite(mux, m.log.RequestRewrite)
		group.Go(func() error { return admin.Serve(watch, m.control, handler, m.zap) })
	}
	group.Go(func() error {
		defer stopWatching()
		intake, stopIntake := context.WithCancel(intake)
		defer stopIntake()
		stop := context.AfterFunc(watch, stopIntake) // a watcher that failed ends the intake, too
		defer stop()
		return m.data(intake)
	})
	return errors.Join(group.Wait(), m.side.Close())
}

func (m *mirror) endpoint() http.Handler {
	return admin.NewHandler(admin.Sources{
		Gatherer: m.registry,
		Healthy:  m.monitor.dog.Check,
		Ready:    m.monitor.ready,
		Status:   func(ctx context.Context) any { return m.status(ctx) },
	}, m.zap)
}

// data runs the data path until intake ends or a stage fails, and closes it.
func (m *mirror) data(intake context.Context) error {
	syncing, stopSyncing := context.WithCancel(context.WithoutCancel(intake))
	defer stopSyncing()
	stages, receiving := errgroup.WithContext(intake)
	stages.Go(func() error {
		defer stopSyncing() // only when nothing more is appended
		return m.client.Run(receiving)
	})
	stages.Go(func() error { return m.log.Run(syncing) })
	stages.Go(func() error { return m.log.RunRewrites(syncing) })
	stages.Go(func() error { return m.reconnect(syncing) })
	return errors.Join(stages.Wait(), m.log.Close())
}

// reconnect drops the link where the log wants a full resync, until ctx ends.
func (m *mirror) reconnect(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.log.Reconnect():
			m.zap.Warn("the log cannot be folded: a fresh snapshot is asked for (rewrite.fallback)")
			m.client.Reconnect()
		}
	}
}
