package observe

import (
	"context"
	"math/bits"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/replica"
)

// replicaEvents says what a replica.Client reports.
type replicaEvents struct {
	events *Events
	log    *zap.Logger
}

// Replica returns an observer that counts and logs. A nil log is silent.
func Replica(events *Events, log *zap.Logger) replica.Observer {
	o := replicaEvents{events: events, log: named(log, "replica")}
	return replica.Observer{
		Connecting:    o.connecting,
		Connected:     o.connected,
		Refused:       o.refused,
		PartialResync: o.partialResync,
		FullResync:    o.fullResync,
		SnapshotDone:  o.snapshotDone,
		LinkLost:      o.linkLost,
	}
}

func named(log *zap.Logger, name string) *zap.Logger {
	if log == nil {
		return zap.NewNop()
	}
	return log.Named(name)
}

func (o replicaEvents) connecting(addr string) {
	o.log.Debug("connecting to upstream", zap.String(keyAddr, addr))
}

func (o replicaEvents) connected(p replica.Peer) {
	o.log.Info("connected to upstream",
		zap.String(keyAddr, p.Remote), zap.String(keyLocal, p.Local), zap.Stringer(keyServer, p.Server))
}

func (o replicaEvents) refused(f replica.Failure) {
	o.log.Error("somebody has to change something before the mirror can go on",
		zap.Error(f.Err), zap.Stringer(keyPhase, f.Phase), zap.Duration(keyRetry, f.Retry))
}

func (o replicaEvents) partialResync(p replica.PartialResync) {
	o.log.Info("partial resync: the stream goes on", position(p.Asked), zap.Stringer(keyID, p.ID))
}

func (o replicaEvents) fullResync(f replica.FullResync) {
	log := o.log.Info
	if !f.Asked.IsZero() {
		log = o.log.Warn // the upstream could not go on from where we were
	}
	log("full resync: a snapshot arrives",
		position(f.Snapshot.Position), bytesField(f.Snapshot.Bytes), zap.Stringer("asked", f.Asked))
}

func (o replicaEvents) snapshotDone(snap stream.Snapshot, n int64, err error) {
	if err != nil {
		return // linkLost says it, with the time of the next try
	}
	o.log.Info("full resync: the snapshot is in place", position(snap.Position), bytesField(n))
}

// linkLost logs the first of a row of failures, and then the 2nd, 4th, 8th and so on, else an upstream that is away fills
// the log. What is refused has been said by refused.
func (o replicaEvents) linkLost(f replica.Failure) {
	o.events.linkFailures.WithLabelValues(f.Class.String()).Inc()
	log := o.log.Debug
	if f.Class != replica.ClassRefused && bits.OnesCount(uint(f.InRow)) == 1 {
		log = o.log.Warn
	}
	log("link to upstream ended", zap.Error(f.Err), zap.Stringer(keyClass, f.Class), zap.Stringer(keyPhase, f.Phase),
		zap.Int(keyInRow, f.InRow), zap.Duration(keyRetry, f.Retry))
}

// CountDropped returns a sink that hands everything to next and counts the bytes that it drops.
func CountDropped(events *Events, next replica.Sink) replica.Sink {
	return &countingSink{Sink: next, dropped: events.droppedBytes}
}

type countingSink struct {
	replica.Sink
	dropped prometheus.Counter
}

func (s *countingSink) Append(ctx context.Context, run *stream.Run) error {
	dropped := run.Dropped
	if err := s.Sink.Append(ctx, run); err != nil {
		return err
	}
	if dropped > 0 {
		s.dropped.Add(float64(dropped))
	}
	return nil
}
