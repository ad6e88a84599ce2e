package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	// liveCommands is how many commands a full run sends at full speed, and warmCommands how many of them before the clock starts.
	liveCommands, warmCommands = 2_000_000, 200_000
	// livePace is the moderate rate, in commands a second, for liveFor; a quick look not less than liveLeast.
	livePace           = 20_000
	liveFor, liveLeast = 15 * time.Second, 2 * time.Second
)

// The names of those beside an upstream, with nameReplica and nameSidecar.
const (
	nameNobody = "nobody"
	nameOwnAOF = "its own AOF"
)

// host is a stock server that is written to, and who replicates from it, in one directory.
type host struct {
	dir      string
	server   *server
	addr     string
	consumer *child // nil: nobody
}

// companion is what an upstream has beside it.
type companion struct {
	name     string
	ownAOF   bool
	consumer *consumer // nil: nobody
}

// companions lists them in the order of the table.
func (b *bench) companions() []companion {
	replica, ours := realReplica(b.replica), sidecar(b.sidecar)
	return []companion{{name: nameNobody}, {name: nameOwnAOF, ownAOF: true}, {name: nameReplica, consumer: &replica}, {name: nameSidecar, consumer: &ours}}
}

// host starts an upstream and its companion, and returns when that one has taken the snapshot. The context ends with either process.
func (b *bench) host(ctx context.Context, c companion, policy string) (context.Context, *host, error) {
	dir, err := os.MkdirTemp(b.dir, "run")
	if err != nil {
		return nil, nil, fmt.Errorf("make directory: %w", err)
	}
	h := &host{dir: dir}
	alive, err := b.populate(ctx, h, c, policy)
	if err != nil {
		return nil, nil, errors.Join(err, h.close())
	}
	return alive, h, nil
}

func (b *bench) populate(ctx context.Context, h *host, c companion, policy string) (context.Context, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	h.addr = net.JoinHostPort("127.0.0.1", port)
	appendonly := "no"
	if c.ownAOF {
		appendonly = "yes"
	}
	upstream, replica := filepath.Join(h.dir, "upstream"), filepath.Join(h.dir, "replica")
	if err := errors.Join(os.Mkdir(upstream, dirMode), os.Mkdir(replica, dirMode)); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	// A replica that falls behind is not cut off: what it takes to catch up is its own.
	alive, server, err := b.boot(ctx, upstream, "--bind", "127.0.0.1", "--port", port, "--appendonly", appendonly,
		"--client-output-buffer-limit", "replica", "0", "0", "0", "--repl-diskless-sync-delay", "0")
	if err != nil {
		return nil, err
	}
	h.server = server
	if c.consumer == nil {
		return alive, nil
	}
	if h.consumer, err = start(alive, replica, c.consumer.argv(replica, h.addr, policy)); err != nil {
		return nil, err
	}
	alive = h.consumer.alive(alive)
	return alive, h.caughtUp(alive)
}

// freePort returns a port of 127.0.0.1 that nobody listens on at the moment.
func freePort(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find free port: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}

// close ends both processes and removes what they wrote.
func (h *host) close() error {
	var err error
	if h.consumer != nil {
		err = h.consumer.kill()
	}
	if h.server != nil {
		err = errors.Join(err, h.server.close())
	}
	return errors.Join(err, os.RemoveAll(h.dir))
}

// caughtUp returns when the companion has acknowledged all that the upstream has sent.
func (h *host) caughtUp(ctx context.Context) error {
	conn := h.server.client.Conn() // WAIT is for what the same connection wrote
	err := conn.Set(ctx, "bench:last", "written", 0).Err()
	if err == nil {
		err = conn.Do(ctx, "WAIT", 1, 0).Err()
	}
	if err := errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("wait for who replicates: %w", err)
	}
	return nil
}

// offset returns how long the stream is.
func (h *host) offset(ctx context.Context) (int64, error) {
	info, err := h.server.info(ctx, "replication")
	if err != nil {
		return 0, err
	}
	offset, err := strconv.ParseInt(info["master_repl_offset"], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read master_repl_offset: %w", err)
	}
	return offset, nil
}

// lived is what an upstream and its companion took under a load.
type lived struct {
	loaded

	stream       int64         // bytes of the stream; nobody's has none
	behind       time.Duration // from the end of the load until all of it was acknowledged
	upstreamCPU  time.Duration
	upstreamPeak int64
	consumerCPU  time.Duration
	consumerPeak int64
}

func (m lived) commandsPerSecond() float64  { return float64(m.commands) / m.took.Seconds() }
func (m lived) p99() time.Duration          { return quantile(m.latency, 0.99) }
func (m lived) cpuPerMillion() float64      { return m.upstreamCPU.Seconds() / float64(m.commands) * 1e6 }
func (m lived) cpuPerStreamedByte() float64 { return m.consumerCPU.Seconds() / float64(m.stream) }

// liveSeries is all rounds of one load.
type liveSeries struct {
	name   string
	full   bool
	rounds []map[string]lived // by companion
}

// liveFull measures an upstream at full speed.
func (b *bench) liveFull(ctx context.Context, r *report) error {
	commands := b.scaled(liveCommands)
	return b.liveAll(ctx, r, liveSeries{name: "full speed", full: true}, func(ctx context.Context, addr string) (loaded, error) {
		return fullLoad(ctx, addr, max(1, commands/loadConns/loadBatch))
	})
}

// livePaced measures one at a moderate rate.
func (b *bench) livePaced(ctx context.Context, r *report) error {
	length := b.lasting(liveFor, liveLeast)
	return b.liveAll(ctx, r, liveSeries{name: fmt.Sprintf("%d commands/s", livePace)}, func(ctx context.Context, addr string) (loaded, error) {
		return pacedLoad(ctx, addr, livePace, length)
	})
}

// liveAll measures some rounds of all companions, one after the other.
func (b *bench) liveAll(ctx context.Context, r *report, s liveSeries, load func(context.Context, string) (loaded, error)) error {
	for range b.rounds {
		got := map[string]lived{}
		for _, c := range b.companions() {
			m, err := b.live(ctx, c, load)
			if err != nil {
				return fmt.Errorf("with %s: %w", c.name, err)
			}
			b.say("%-18s %-13s %7.0f commands/s, p99 %5.2f ms, upstream %5.2f CPU s, beside it %5.2f",
				s.name, c.name, m.commandsPerSecond(), m.p99().Seconds()*1e3, m.upstreamCPU.Seconds(), m.consumerCPU.Seconds())
			got[c.name] = m
		}
		s.rounds = append(s.rounds, got)
	}
	r.lives = append(r.lives, s)
	return nil
}

// live measures one.
func (b *bench) live(ctx context.Context, c companion, load func(context.Context, string) (loaded, error)) (m lived, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := settle(b.dir); err != nil {
		return m, err
	}
	alive, h, err := b.host(ctx, c, policyEverySec)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if _, err := fullLoad(alive, h.addr, max(1, b.scaled(warmCommands)/loadConns/loadBatch)); err != nil {
		return m, err
	}
	if h.consumer != nil {
		if err := h.caughtUp(alive); err != nil {
			return m, err
		}
	}
	return h.measure(alive, load)
}

// measure puts the load on it, and waits until it has arrived.
func (h *host) measure(ctx context.Context, load func(context.Context, string) (loaded, error)) (m lived, err error) {
	before, err := h.used(ctx)
	if err != nil {
		return m, err
	}
	if m.loaded, err = load(ctx, h.addr); err != nil {
		return m, err
	}
	end := time.Now()
	upstreamCPU, err := h.server.child.cpu()
	if err != nil {
		return m, err
	}
	if h.consumer != nil {
		if err := h.caughtUp(ctx); err != nil {
			return m, err
		}
		m.behind = time.Since(end)
	}
	after, err := h.used(ctx)
	if err != nil {
		return m, err
	}
	m.upstreamCPU, m.upstreamPeak = upstreamCPU-before.upstreamCPU, after.upstreamPeak
	m.consumerCPU, m.consumerPeak = after.consumerCPU-before.consumerCPU, after.consumerPeak
	m.stream = after.stream - before.stream
	return m, nil
}

// used returns what both processes have taken so far.
func (h *host) used(ctx context.Context) (m lived, err error) {
	if m.upstreamCPU, err = h.server.child.cpu(); err != nil {
		return m, err
	}
	if m.upstreamPeak, err = h.server.child.peak(); err != nil {
		return m, err
	}
	if h.consumer == nil {
		return m, nil
	}
	if m.consumerCPU, err = h.consumer.cpu(); err != nil {
		return m, err
	}
	if m.consumerPeak, err = h.consumer.peak(); err != nil {
		return m, err
	}
	m.stream, err = h.offset(ctx)
	return m, err
}
