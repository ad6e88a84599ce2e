package observe

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// namespace begins every metric's name.
const namespace = "aofsidecar"

// Events are the metrics that count what happens; see [NewCollector] for those that show what is.
type Events struct {
	fsyncSeconds  prometheus.Histogram
	fsyncErrors   prometheus.Counter
	droppedBytes  prometheus.Counter
	snapshotBytes prometheus.Counter
	linkFailures  *prometheus.CounterVec
	rewrites      *prometheus.CounterVec
	unknown       *prometheus.CounterVec
	archive       archiveEvents
	unknownNames  *words // that unknown has
}

// Build is what is running.
type Build struct {
	Version   string
	GoVersion string
}

// NewEvents registers the metrics. A registerer that has them already panics, which is a mistake in the program.
func NewEvents(reg prometheus.Registerer, build Build) *Events {
	factory := promauto.With(reg)
	factory.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": build.Version, "goversion": build.GoVersion},
	}).Set(1)
	return &Events{
		fsyncSeconds: factory.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "fsync_duration_seconds",
			Help:    "How long each successful fsync of an increment took.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 18), // 0.1 ms to 13 s
		}),
		fsyncErrors: factory.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "fsync_errors_total",
			Help: "Failures of the disk that end the process: what was not yet durable is unknown after them.",
		}),
		droppedBytes: factory.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "dropped_bytes_total",
			Help: "Stream bytes that count in the offset but are not kept: PING, REPLCONF, PUBLISH and the like.",
		}),
		snapshotBytes: factory.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "snapshot_received_bytes_total",
			Help: "Bytes of snapshots that were received, whole or not.",
		}),
		linkFailures: factory.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "link_failures_total",
			Help: "Connections to the upstream that ended or could not be made, by class of reason.",
		}, []string{"class"}),
		rewrites: factory.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "rewrites_total",
			Help: "Rewrites that ended, by result: done, nothing (there was nothing to fold), failed, interrupted (by a full resync or a stop).",
		}, []string{"result"}),
		unknown: factory.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "rewrite_unknown_commands_total",
			Help: "Commands that a rewrite could not run and carried, by name; of more than 100 names the rest as other.",
		}, []string{"command"}),
		archive:      newArchiveEvents(factory),
		unknownNames: newWords(maxCommandLabels),
	}
}
