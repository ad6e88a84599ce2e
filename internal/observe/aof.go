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
		Removed:      o.removed,
		Note:         o.note,
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

func (o aofEvents) removed(path string) {
	o.log.Info("a retained chain was removed", zap.String(keyPath, path))
}

func (o aofEvents) note(msg, detail string) {
	o.log.Warn(msg, zap.String(keyDetail, detail))
}
