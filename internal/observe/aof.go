package observe

import (
	"time"

	"go.uber.org/zap"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// aofEvents says what an aof.Log reports.
type aofEvents struct {
	events *Events
	log    *zap.Logger
	slow   *slowness
}

// AOF returns an observer that counts and logs. A nil log is silent.
func AOF(events *Events, log *zap.Logger) aof.Observer {
	log = named(log, "aof")
	o := aofEvents{events: events, log: log, slow: &slowness{log: log}}
	return aof.Observer{
		Recovered:    o.recovered,
		Synced:       o.synced,
		SyncFailed:   func(error) { events.fsyncErrors.Inc() }, // the error ends the process, which reports it
		DiskFull:     o.diskFull,
		Rotated:      o.rotated,
		Cut:          o.cut,
		Snapshot:     func(n int64) { events.snapshotBytes.Add(float64(n)) },
		Resynced:     o.resynced,
		GuardTripped: o.guardTripped,
		RewriteBegun: func(reason string) { log.Info("a rewrite begins", zap.String(keyReason, reason)) },
		Rewritten:    o.rewritten, RewriteFailed: o.rewriteFailed,
		Removed: o.removed,
		Note:    o.note,
	}
}

func (o aofEvents) recovered(r aof.Recovery) {
	if r.Timeline == "" {
		o.log.Info("the directory is new")
		return
	}
	o.log.Info("the log stands at its position",
		zap.String(keyTimeline, r.Timeline), position(r.Position), zap.Bool("clean", r.Clean), zap.Bool("same_boot", r.SameBoot),
		zap.Int64("tail", r.Tail), zap.Int64("torn", r.Torn), zap.Int64("scanned", r.Scanned), took(r.Took))
}

func (o aofEvents) synced(d time.Duration) {
	o.events.fsyncSeconds.Observe(d.Seconds())
	o.slow.synced(d)
}

func (o aofEvents) diskFull(err error) {
	if err != nil {
		o.log.Error("no space: reading stops until there is some", zap.Error(err))
		return
	}
	o.log.Info("there is space again: reading goes on")
}

func (o aofEvents) rotated(name string, at stream.Position) {
	o.log.Info("a new increment takes the stream", zap.String(keyFile, name), position(at))
}

func (o aofEvents) cut(name string, n int64) {
	o.log.Info("the tail of the last increment was cut: its bytes come again", zap.String(keyFile, name), bytesField(n))
}

func (o aofEvents) resynced(r aof.Resync) {
	o.log.Info("a new timeline begins", zap.String(keyTimeline, r.Timeline), position(r.Position),
		bytesField(r.Bytes), zap.Int64(keyKeys, r.Keys), took(r.Took))
}

func (o aofEvents) guardTripped(g aof.Guard) {
	o.log.Error("the upstream has lost most of its keys: the timeline before is kept until an operator releases it",
		zap.String(keyTimeline, g.Timeline), zap.Int64(keyKeysWas, g.KeysWas), zap.Int64(keyKeys, g.KeysNow))
}

// maxCommandLabels bounds the commands that a metric names: names are the upstream's.
const maxCommandLabels = 100

func (o aofEvents) rewritten(r aof.RewriteReport) {
	if r.Nothing {
		o.events.rewrites.WithLabelValues("nothing").Inc()
		o.log.Info("nothing to fold", zap.String(keyReason, r.Reason))
		return
	}
	o.events.rewrites.WithLabelValues("done").Inc()
	for name, n := range r.Unknown {
		o.events.unknown.WithLabelValues(o.events.unknownNames.label(name)).Add(float64(n))
	}
	log := o.log.Info
	if r.Carried > 0 || r.Refused > 0 { // an upstream sends what it has done: refused here, it is a difference
		log = o.log.Warn
	}
	log("base and increments were folded", zap.String(keyReason, r.Reason), zap.String(keyFile, r.Base), position(r.Position),
		zap.Int("increments", r.Increments), zap.Int64("before", r.Before), zap.Int64("after", r.After),
		zap.Int64("copied", r.Copied), zap.Int64("touched", r.Touched), zap.Int64("carried", r.Carried), zap.Int64("carried_bytes", r.CarriedBytes),
		zap.Any("unknown", r.Unknown), zap.Int64("refused", r.Refused), zap.Int("passes", r.Passes), took(r.Took))
}

func (o aofEvents) rewriteFailed(f aof.RewriteFailure) {
	if f.Interrupted {
		o.events.rewrites.WithLabelValues("interrupted").Inc()
		o.log.Info("a rewrite was interrupted", zap.String(keyReason, f.Reason), zap.Error(f.Err))
		return
	}
	o.events.rewrites.WithLabelValues("failed").Inc()
	o.log.Error("a rewrite failed, and nothing has changed", zap.String(keyReason, f.Reason), zap.Error(f.Err), zap.Int(keyInRow, f.InRow),
		zap.Duration(keyRetry, f.Retry))
}

func (o aofEvents) removed(path string) {
	o.log.Info("a retained chain was removed", zap.String(keyPath, path))
}

func (o aofEvents) note(msg, detail string) {
	o.log.Warn(msg, zap.String(keyDetail, detail))
}
