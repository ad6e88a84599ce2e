package main

import (
	"context"
	"time"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/observe"
	"github.com/aofsidecar/aofsidecar/replica"
)

// Status is what /status answers and `status --json` prints: a contract. Members are added, never renamed or removed. Times
// that are not known are left out; sizes and offsets are bytes.
type Status struct {
	Version  string         `json:"version"`
	Started  time.Time      `json:"started"`
	Ready    bool           `json:"ready"`
	NotReady string         `json:"not_ready,omitempty"` // why not
	Upstream UpstreamStatus `json:"upstream"`
	Log      aof.Status     `json:"log"`
	Lag      observe.Lag    `json:"lag"`

	Archive *observe.ArchiveState `json:"archive,omitempty"` // absent if there is none
}

// UpstreamStatus is the link.
type UpstreamStatus struct {
	Addr    string    `json:"addr"`
	Phase   string    `json:"phase"` // idle, connecting, handshake, waiting for resync, snapshot, streaming, backing off, stopped
	Since   time.Time `json:"since"` // when the phase began
	Server  string    `json:"server,omitempty"`
	Version string    `json:"version,omitempty"`

	NextTry     time.Time      `json:"next_try,omitzero"` // while backing off
	LastFailure *FailureStatus `json:"last_failure,omitempty"`

	SnapshotBytes int64 `json:"snapshot_bytes"` // taken of the one that arrives, or of the last
	SnapshotTotal int64 `json:"snapshot_total"` // announced; -1: not announced

	FullResyncs     int64     `json:"full_resyncs"`
	PartialResyncs  int64     `json:"partial_resyncs"`
	FailedSnapshots int64     `json:"failed_snapshots"`
	ReceivedBytes   int64     `json:"received_bytes"`
	ReceivedAt      time.Time `json:"received_at,omitzero"`
}

// FailureStatus is why a connection ended. It stays when the next one succeeds.
type FailureStatus struct {
	At      time.Time `json:"at"`
	Class   string    `json:"class"` // network, busy, protocol, snapshot, held, refused
	Phase   string    `json:"phase"`
	Message string    `json:"message"`
	InRow   int       `json:"in_row"`
}

// status puts the state of this moment together.
func (m *mirror) status(ctx context.Context) Status {
	lag := m.monitor.lag(ctx) // takes a while
	state, log := m.client.State(), m.log.Status()
	status := Status{
		Version: buildVersion().Version, Started: m.started,
		Upstream: upstreamStatus(m.config.Upstream.Addr, state),
		Log:      log, Lag: lag,
	}
	if m.ship != nil {
		archive := m.ship.state()
		status.Archive = &archive
	}
	if err := m.monitor.judge(state, log, lag); err != nil {
		status.NotReady = err.Error()
	} else {
		status.Ready = true
	}
	return status
}

func upstreamStatus(addr string, state replica.State) UpstreamStatus {
	status := UpstreamStatus{
		Addr: addr, Phase: state.Phase.String(), Since: state.Since.UTC(),
		Server: state.Peer.Server.Name, Version: state.Peer.Server.Version,
		SnapshotBytes: state.SnapshotBytes, SnapshotTotal: state.Snapshot.Bytes,
		FullResyncs: state.FullResyncs, PartialResyncs: state.PartialResyncs, FailedSnapshots: state.FailedSnapshots,
		ReceivedBytes: state.ReceivedBytes,
	}
	if !state.ReceivedAt.IsZero() {
		status.ReceivedAt = state.ReceivedAt.UTC()
	}
	if state.Phase == replica.PhaseBackingOff {
		status.NextTry = state.NextTry.UTC()
	}
	if f := state.LastFailure; f.Err != nil {
		status.LastFailure = &FailureStatus{
			At: state.LastFailureAt.UTC(), Class: f.Class.String(), Phase: f.Phase.String(), Message: f.Err.Error(), InRow: f.InRow,
		}
	}
	return status
}
