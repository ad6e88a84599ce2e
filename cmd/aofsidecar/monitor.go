package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/admin"
	"github.com/aofsidecar/aofsidecar/internal/observe"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/replica"
)

const (
	// stuckAfter is how long a stage may go without progress before /healthz says so. No fsync and no swap of a base takes
	// as long on a disk that works.
	stuckAfter = 2 * time.Minute
	// keysEvery and keysAfterBytes: the number of keys is asked for when the stream begins, and then this often if the log has
	// grown by so much, so that an idle upstream, whose PINGs do not grow it, is asked nothing more.
	keysEvery      = time.Minute
	keysAfterBytes = 64 << 10
)

// mirrorLog and mirrorClient are what the monitor needs to see of the stages.
type mirrorLog interface {
	Status() aof.Status
	// Position waits for the log's lock: it returns only if the log works.
	Position() stream.Position
}

type mirrorClient interface{ State() replica.State }

// monitor looks at the stages once a second: for the lag, for /healthz, and to count keys now and then. Its methods but run are
// safe for concurrent use.
type monitor struct {
	log     mirrorLog
	client  mirrorClient
	meter   *observe.LagMeter
	dog     *admin.Watchdog
	sampler *sampler

	shipping    func() error // why the archive keeps the mirror from being ready; nil: there is none
	replTimeout time.Duration
	readyLag    time.Duration
	stopping    atomic.Bool

	// Of run's goroutine.
	lastSample  time.Time
	sampleSize  int64
	sampleSince time.Time // when the connection of that sample began to stream
}

// run looks every second until ctx ends.
func (m *monitor) run(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		m.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (m *monitor) look(ctx context.Context) {
	position := m.log.Position() // takes the log's lock: a disk that hangs stops the beat
	m.dog.Beat("aof")
	status, state := m.log.Status(), m.client.State()
	now := time.Now()
	if alive(state, status, now, m.replTimeout) {
		m.dog.Beat("replica")
	}
	m.note(now, position.ReplID, status, state)
	size := status.BaseBytes + status.IncrementsBytes
	if state.Phase == replica.PhaseStreaming && m.wantKeys(now, size, state.Since) {
		m.lastSample, m.sampleSize, m.sampleSince = now, size, state.Since
		m.sampler.sample(ctx)
	}
}

// wantKeys reports whether the guard should hear the number of keys now, of a log of that size and a connection that has been
// streaming since then.
func (m *monitor) wantKeys(now time.Time, size int64, since time.Time) bool {
	if !since.Equal(m.sampleSince) {
		return true
	}
	grown := size < m.sampleSize || size-m.sampleSize >= keysAfterBytes
	return grown && now.Sub(m.lastSample) >= keysEvery
}

// note takes down where the stages stand.
func (m *monitor) note(now time.Time, id stream.ReplID, status aof.Status, state replica.State) {
	m.meter.Note(observe.Progress{
		At: now, ReplID: id,
		Received: stream.Offset(status.Received), Durable: stream.Offset(max(0, status.Durable)), HasDurable: status.Durable >= 0,
		Streaming: state.Phase == replica.PhaseStreaming, NotSince: state.Since,
	})
}

// alive reports whether the client makes progress, which waiting is. It is stuck if it calls itself streaming although the
// upstream, which sends a PING every ten seconds, has been silent for longer than the client itself would bear. A full disk stops
// it with good reason.
func alive(state replica.State, status aof.Status, now time.Time, replTimeout time.Duration) bool {
	if state.Phase != replica.PhaseStreaming || status.DiskFull {
		return true
	}
	quietSince := state.Since
	if state.ReceivedAt.After(quietSince) {
		quietSince = state.ReceivedAt
	}
	return now.Sub(quietSince) <= 2*replTimeout
}

// lag returns the lag of this moment, after a word with the upstream if there is time for one.
func (m *monitor) lag(ctx context.Context) observe.Lag {
	m.noteNow() // the meter takes the upstream's offset only in a history that it knows
	if m.client.State().Phase == replica.PhaseStreaming {
		brief, cancel := context.WithTimeout(ctx, sampleWait)
		m.sampler.sample(brief)
		cancel()
		m.noteNow() // what came while we asked is no lag
	}
	return m.meter.Lag(time.Now())
}

func (m *monitor) noteNow() {
	status := m.log.Status()
	if id, err := stream.ParseReplID(status.ReplID); err == nil {
		m.note(time.Now(), id, status, m.client.State())
	}
}

// ready returns nil while the mirror keeps up, else why it does not.
func (m *monitor) ready(ctx context.Context) error {
	lag := m.lag(ctx) // takes a while
	return m.judge(m.client.State(), m.log.Status(), lag)
}

// judge says whether these are the numbers of a mirror that keeps up. With appendfsync no nothing is durable until an increment
// closes, by the operator's choice: there the received lag counts.
func (m *monitor) judge(state replica.State, status aof.Status, lag observe.Lag) error {
	switch {
	case m.stopping.Load():
		return errors.New("shutting down")
	case status.Failed != "":
		return errors.New(status.Failed)
	case state.Phase != replica.PhaseStreaming:
		return fmt.Errorf("not streaming: %s%s", state.Phase, because(state))
	case status.DiskFull:
		return errors.New("the disk is full")
	}
	stage, behind := "durable", lag.Durable.Seconds
	if status.Fsync == aof.FsyncNo {
		stage, behind = "received", lag.Received.Seconds
	}
	if behind == nil {
		return fmt.Errorf("the %s lag is not known yet", stage)
	}
	if age := time.Duration(*behind * float64(time.Second)); age > m.readyLag {
		return fmt.Errorf("the %s lag is %s, more than %s", stage, age.Truncate(time.Millisecond), m.readyLag)
	}
	if m.shipping != nil {
		return m.shipping()
	}
	return nil
}

func because(state replica.State) string {
	if state.LastFailure.Err == nil {
		return ""
	}
	return ": " + state.LastFailure.Err.Error()
}
