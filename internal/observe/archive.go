package observe

import (
	"math/bits"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"

	"github.com/aofsidecar/aofsidecar/upload"
)

// maxStoreWords bounds the words for errors that a metric has: they are the store's.
const maxStoreWords = 64

// archiveEvents are the metrics that count what happens with the archive.
type archiveEvents struct {
	operations *prometheus.CounterVec
	codes      *words // that operations has
	seconds    *prometheus.HistogramVec
	bytes      *prometheus.CounterVec
	objects    *prometheus.CounterVec
	plain      *prometheus.CounterVec
	failures   prometheus.Counter
	gaps       prometheus.Counter
	pruned     prometheus.Counter
	refused    prometheus.Counter
	verified   *prometheus.CounterVec
}

func newArchiveEvents(factory promauto.Factory) archiveEvents {
	counter := func(name, help string) prometheus.Counter {
		return factory.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return factory.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	return archiveEvents{
		codes:      newWords(maxStoreWords),
		operations: counters("archive_operations_total", "Tries of operations on the archive, by kind and by what came of them: ok, or the store's word for the error.", "op", "code"),
		seconds: factory.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "archive_operation_duration_seconds", Help: "How long each try took, by kind.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16), // 1 ms to 33 s
		}, []string{"op"}),
		bytes:    counters("archive_bytes_total", "Bytes of objects, as they are stored, that went to the archive (put) or came from it (get).", "op"),
		objects:  counters("archive_objects_total", "Objects that were stored, by kind: segment, merged, base.", "kind"),
		plain:    counters("archive_plain_bytes_total", "Their bytes before compression and encryption.", "kind"),
		failures: counter("archive_failures_total", "What did not work with the archive, after some tries, and is tried again."),
		gaps:     counter("archive_gaps_total", "Ranges of the stream that the archive will never have; a base closes each."),
		pruned:   counter("archive_pruned_objects_total", "Objects that retention removed."),
		refused:  counter("archive_retained_refusals_total", "Times that the store did not let go of an object."),
		verified: counters("archive_verifications_total", "Verifications of the archive that ended, by level and by result: ok, failed, inconclusive.", "level", "result"),
	}
}

// shipEvents says what an upload.Uploader reports.
type shipEvents struct {
	events *Events
	log    *zap.Logger

	mu     sync.Mutex
	failed map[string]int // times in a row, by what was being done
}

// Archive returns an observer that counts and logs. A nil log is silent.
func Archive(events *Events, log *zap.Logger) upload.Observer {
	o := &shipEvents{events: events, log: named(log, "archive"), failed: map[string]int{}}
	return upload.Observer{
		LeaseTaken: o.leaseTaken, LeaseHeld: o.leaseHeld, LeaseLost: o.leaseLost, NewHistory: o.newHistory,
		Shipped: o.shipped, BaseStored: o.baseStored, Merged: o.merged,
		Gap: o.gap, Damaged: o.damaged, Kept: o.kept, Ahead: o.ahead,
		Pruned: o.pruned, Retained: o.retained, Swept: o.swept,
		Failed: o.fail, Request: o.request,
	}
}

func (o *shipEvents) leaseTaken(r upload.LeaseRecord) {
	o.log.Info("the lease of the archive is ours", zap.Int64(keyEpoch, r.Epoch), zap.String(keyHolder, r.Holder))
}

func (o *shipEvents) leaseHeld(r upload.LeaseRecord) {
	o.log.Warn("another sidecar ships to this archive: the mirror goes on, and nothing is shipped until its lease ends",
		zap.Int64(keyEpoch, r.Epoch), zap.String(keyHolder, r.Holder), zap.String(keyHost, r.Host))
}

func (o *shipEvents) leaseLost(why error) {
	o.log.Warn("the lease of the archive is lost: nothing is shipped until it is taken again", zap.Error(why))
}

func (o *shipEvents) newHistory(timeline string) {
	o.log.Info("a timeline is shipped", zap.String(keyTimeline, timeline))
}

func (o *shipEvents) stored(kind string, plain int64) {
	o.events.archive.objects.WithLabelValues(kind).Inc()
	o.events.archive.plain.WithLabelValues(kind).Add(float64(plain))
	o.recovered()
}

func (o *shipEvents) shipped(s upload.ShippedSegment) {
	o.stored("segment", s.Plain)
	o.log.Debug("a segment is stored", zap.String(keyTimeline, s.Key.Timeline), zap.Int64(keyFrom, int64(s.Key.From)), zap.Int64(keyTo, int64(s.Key.To)),
		bytesField(s.Sealed), took(s.Took))
}

func (o *shipEvents) baseStored(s upload.ShippedBase) {
	o.stored("base", s.Plain)
	o.log.Info("a base is stored", zap.String(keyTimeline, s.Key.Timeline), zap.Int64(keyOffset, int64(s.Key.Offset)), zap.Int64("plain", s.Plain),
		bytesField(s.Sealed), took(s.Took))
}

func (o *shipEvents) merged(s upload.ShippedSegment) {
	o.stored("merged", s.Plain)
	o.log.Info("segments are stored as one object", zap.String(keyTimeline, s.Key.Timeline), zap.Int64(keyFrom, int64(s.Key.From)), zap.Int64(keyTo, int64(s.Key.To)),
		bytesField(s.Sealed), took(s.Took))
}

func (o *shipEvents) gap(g upload.Gap) {
	o.events.archive.gaps.Inc()
	fields := []zap.Field{zap.String(keyTimeline, g.Timeline), zap.Int64(keyFrom, int64(g.From)), zap.Int64(keyTo, int64(g.To))}
	if g.Why != "" {
		fields = append(fields, zap.String(keyReason, g.Why))
	}
	o.log.Error("the archive will never have these bytes of the stream: the next base closes the gap", fields...)
}

func (o *shipEvents) damaged(d upload.DamagedBase) {
	o.log.Error("a base on the disk is damaged: it is not shipped, and the mirror goes on",
		zap.String(keyTimeline, d.Timeline), zap.String(keyFile, d.Name), zap.String(keyReason, d.Why))
}

func (o *shipEvents) kept(m upload.Moment) {
	o.log.Warn("a FLUSHALL was shipped: the moment before it is kept until the timeline is unpinned",
		zap.String(keyTimeline, m.Timeline), zap.Int64(keyOffset, int64(m.Offset)))
}

func (o *shipEvents) ahead(timeline, why string) {
	o.log.Warn("the archive has what this log cannot go on from: a fresh snapshot is asked for", zap.String(keyTimeline, timeline), zap.String(keyReason, why))
}

func (o *shipEvents) pruned(key string, bytes int64) {
	o.events.archive.pruned.Inc()
	o.log.Debug("retention removed an object", zap.String(keyObject, key), bytesField(bytes))
}

func (o *shipEvents) retained(key string) {
	o.events.archive.refused.Inc()
	o.log.Debug("the store does not let go of an object", zap.String(keyObject, key))
}

func (o *shipEvents) swept(uploads int) {
	o.log.Info("uploads that never ended were given up", zap.Int("uploads", uploads))
}

// fail logs the 1st, 2nd, 4th, 8th ... failure of a kind since something was stored.
func (o *shipEvents) fail(f upload.Failure) {
	o.events.archive.failures.Inc()
	o.mu.Lock()
	o.failed[f.Doing]++
	n := o.failed[f.Doing]
	o.mu.Unlock()
	log := o.log.Debug
	if bits.OnesCount(uint(n)) == 1 {
		log = o.log.Warn
	}
	log("the archive does not answer as it should: it is tried again, and the mirror goes on", zap.String(keyDoing, f.Doing), zap.Error(f.Err), zap.Int(keyInRow, n))
}

// recovered says that something was stored again.
func (o *shipEvents) recovered() {
	o.mu.Lock()
	some := len(o.failed) > 0
	clear(o.failed)
	o.mu.Unlock()
	if some {
		o.log.Info("the archive takes objects again")
	}
}

func (o *shipEvents) request(r upload.Request) {
	e := &o.events.archive
	e.operations.WithLabelValues(r.Op, e.codes.label(r.Code)).Inc()
	e.seconds.WithLabelValues(r.Op).Observe(r.Took.Seconds())
	if r.Bytes > 0 {
		e.bytes.WithLabelValues(r.Op).Add(float64(r.Bytes))
	}
}

// Verified counts and logs the result of a verification. A nil log is silent.
func Verified(events *Events, log *zap.Logger, v Verification) {
	events.archive.verified.WithLabelValues(v.Level, v.Result).Inc()
	logger := named(log, "archive")
	write := logger.Info
	switch v.Result {
	case "ok":
	case "inconclusive":
		write = logger.Warn
	default:
		write = logger.Error
	}
	write("the archive was verified", zap.String(keyLevel, v.Level), zap.String("result", v.Result), zap.String(keyDetail, v.Detail), took(v.Took))
}
