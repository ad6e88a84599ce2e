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
	ship     *shipping    // nil: there is no archive
	control  net.Listener // nil: none
	http     net.Listener // nil: none

	synced   chan struct{}   // closed when the log was synced for the last time
	draining context.Context //nolint:containedctx // ends the drain of the archive before its time
	cutDrain context.CancelFunc
}

// openMirror takes the directory and the addresses, and connects nothing yet. What it has taken when it fails, it gives back.
func openMirror(ctx context.Context, config Config, logger *zap.Logger) (_ *mirror, err error) {
	m := &mirror{config: config, zap: logger, started: time.Now().UTC(), registry: prometheus.NewRegistry(), defaultSocket: DefaultConfig().Control.Socket, synced: make(chan struct{})}
	m.draining, m.cutDrain = context.WithCancel(context.WithoutCancel(ctx))
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
	states := observe.States{AOF: m.log.Status}
	if config.Archive.URL != "" {
		if m.ship, err = newShipping(config, m.log, events, logger); err != nil {
			return nil, err
		}
		states.Archive = m.ship.state
	}
	options := replicaOptions(config.Upstream, access, observe.Replica(events, logger))
	if m.client, err = replica.New(options, observe.CountDropped(events, m.log), m.acks()); err != nil {
		return nil, fmt.Errorf("make replica: %w", err)
	}
	m.monitor = newMonitor(config, m.log, m.client, m.side, logger)
	if m.ship != nil {
		m.monitor.shipping = m.ship.ready
	}
	states.Replica, states.Lag = m.client.State, m.monitor.lag
	m.registry.MustRegister(observe.NewCollector(states))
	return m, m.listen(ctx)
}

// acks are what is reported upstream.
func (m *mirror) acks() replica.Acks {
	if m.config.Upstream.Fack == FackShipped {
		return shippedAcks{log: m.log, up: m.ship.uploader}
	}
	return m.log
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
		Rewrite: rewriteOptions(whole),
		Archive: whole.Archive.URL != "", MaxDisk: aof.DiskLimit{Bytes: int64(config.MaxDisk.Bytes), Share: float64(config.MaxDisk.Percent) / 100},
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
		sampler:     newSampler(side.Info, meter, log.KeysSeen, logger),
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
	if m.cutDrain != nil {
		m.cutDrain()
	}
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
// client, then the log with a last fsync, then the archive, then those who watch, so that the end can be watched. A mirror runs once.
func (m *mirror) run(ctx, intake context.Context) error {
	defer m.cutDrain()
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
	intake, stopIntake := context.WithCancel(intake)
	defer stopIntake()
	shipped := m.startShipping(context.WithoutCancel(intake), stopIntake)
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
	err := errors.Join(stages.Wait(), m.log.Close())
	close(m.synced)
	return errors.Join(err, shipped())
}

// startShipping ships beside the other stages, if there is an archive; should that end before they do, it calls failed. The result drains the archive, and
// returns when nothing is shipped any more.
func (m *mirror) startShipping(ctx context.Context, failed func()) (drained func() error) {
	if m.ship == nil {
		return func() error { return nil }
	}
	ctx, stop := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	checking, stopChecking := context.WithCancel(ctx)
	group.Go(func() error {
		defer failed()
		defer stopChecking()
		return m.ship.run(ctx)
	})
	group.Go(func() error { return m.ship.checks.run(checking, m.ship.archive) })
	return func() error { //nolint:contextcheck // the drain has a time of its own
		defer stop()
		stopChecking()
		ctx, cancel := context.WithTimeout(m.draining, time.Duration(m.config.ShutdownTimeout))
		defer cancel()
		m.ship.drain(ctx)
		return group.Wait()
	}
}

// reconnect drops the link where the log wants a full resync, until ctx ends.
func (m *mirror) reconnect(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.log.Reconnect():
			m.client.Reconnect()
		}
	}
}
