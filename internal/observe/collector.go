package observe

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/replica"
)

// States are read at every scrape. All are required, and return soon; Lag may ask the upstream, within its context.
type States struct {
	Replica func() replica.State
	AOF     func() aof.Status
	Lag     func(context.Context) Lag
	Archive func() ArchiveState // nil: there is no archive
}

// scrapeTimeout is how long a scrape waits for the upstream's answer. Without it the lag in bytes is absent.
const scrapeTimeout = time.Second

// collector shows the states as metrics.
type collector struct {
	states States

	connected, resyncing, upstreamInfo  *prometheus.Desc
	receivedOffset, durableOffset       *prometheus.Desc
	lagBytes, lagSeconds                *prometheus.Desc
	fullResyncs, partialResyncs         *prometheus.Desc
	snapshotFailures, receivedBytes     *prometheus.Desc
	currentSize, baseSize, increments   *prometheus.Desc
	diskFull, diskFree, guard, retained *prometheus.Desc
	aofInfo                             *prometheus.Desc
	rewrite                             rewriteDescs
	archive                             archiveDescs
}

var _ prometheus.Collector = (*collector)(nil)

// NewCollector returns a collector of the states.
func NewCollector(states States) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return &collector{
		states:         states,
		connected:      desc("upstream_connected", "1 while the stream arrives from the upstream."),
		resyncing:      desc("resync_running", "1 while a resync is under way: it was asked for, or its snapshot arrives."),
		upstreamInfo:   desc("upstream_info", "Always 1; the labels say what the upstream is. Absent before the first handshake.", "replid", "server", "version"),
		receivedOffset: desc("received_offset", "Replication offset up to which the stream is in the file. Absent before the first resync."),
		durableOffset:  desc("durable_offset", "Replication offset up to which the stream is on stable storage. Absent before the first resync."),
		lagBytes: desc("lag_bytes", "Bytes that the upstream has and the stage has not. Absent where not known: "+
			"received needs INFO replication upstream.", "stage"),
		lagSeconds:       desc("lag_seconds", "Age of the oldest byte that the stage has not, and at least how long the link has been down.", "stage"),
		fullResyncs:      desc("full_resyncs_total", "Snapshots taken; each one forks the upstream."),
		partialResyncs:   desc("partial_resyncs_total", "Times that the stream went on from our position."),
		snapshotFailures: desc("snapshot_failures_total", "Snapshots that were asked for and not taken."),
		receivedBytes:    desc("received_bytes_total", "Bytes of the stream, on all connections, dropped ones included."),
		currentSize:      desc("aof_current_size_bytes", "Size of base and increments."),
		baseSize:         desc("aof_base_size_bytes", "Size of the base."),
		increments:       desc("increments", "Increments that the manifest names."),
		diskFull:         desc("disk_full", "1 while reading has stopped for want of space."),
		diskFree:         desc("disk_free_bytes", "Free space of the directory's file system. Absent if not known."),
		guard:            desc("guard_tripped", "1 while a timeline is kept because the upstream lost most of its keys after it."),
		retained:         desc("retained_bytes", "Size of the chains that the manifest no longer names."),
		aofInfo:          desc("aof_info", "Always 1; the label says how the log is synced. With no, nothing is durable before an increment closes.", "appendfsync"),
		rewrite:          newRewriteDescs(desc),
		archive:          newArchiveDescs(desc),
	}
}

// Describe sends what Collect may send.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		c.connected, c.resyncing, c.upstreamInfo, c.receivedOffset, c.durableOffset, c.lagBytes, c.lagSeconds,
		c.fullResyncs, c.partialResyncs, c.snapshotFailures, c.receivedBytes,
		c.currentSize, c.baseSize, c.increments, c.diskFull, c.diskFree, c.guard, c.retained, c.aofInfo,
	} {
		out <- desc
	}
	c.rewrite.describe(out)
	c.archive.describe(out)
}

// Collect reads the states.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	counter := func(desc *prometheus.Desc, v int64) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(v))
	}
	c.collectLag(gauge)
	upstream, log := c.states.Replica(), c.states.AOF()

	gauge(c.connected, oneIf(upstream.Phase == replica.PhaseStreaming))
	gauge(c.resyncing, oneIf(upstream.Phase == replica.PhaseResync || upstream.Phase == replica.PhaseSnapshot))
	gauge(c.aofInfo, 1, string(log.Fsync))
	if server := upstream.Peer.Server; upstream.Peer.Remote != "" {
		gauge(c.upstreamInfo, 1, upstream.ReplID.String(), word(server.Name), word(server.Version))
	}
	counter(c.fullResyncs, upstream.FullResyncs)
	counter(c.partialResyncs, upstream.PartialResyncs)
	counter(c.snapshotFailures, upstream.FailedSnapshots)
	counter(c.receivedBytes, upstream.ReceivedBytes)

	if log.Timeline != "" {
		gauge(c.receivedOffset, float64(log.Received))
	}
	if log.Durable >= 0 {
		gauge(c.durableOffset, float64(log.Durable))
	}
	gauge(c.currentSize, float64(log.BaseBytes+log.IncrementsBytes))
	gauge(c.baseSize, float64(log.BaseBytes))
	gauge(c.increments, float64(log.Increments))
	gauge(c.diskFull, oneIf(log.DiskFull))
	if log.FreeBytes >= 0 {
		gauge(c.diskFree, float64(log.FreeBytes))
	}
	gauge(c.guard, oneIf(len(log.Guarded()) > 0))
	var retained int64
	for _, chain := range log.Retained {
		retained += chain.Bytes
	}
	gauge(c.retained, float64(retained))
	c.rewrite.collect(log.Rewrite, gauge)
	if c.states.Archive != nil {
		state := c.states.Archive()
		c.archive.collect(state, gauge)
		if state.Timeline != "" && state.Held {
			gauge(c.lagBytes, float64(state.LagBytes), "shipped")
			gauge(c.lagSeconds, state.LagSeconds, "shipped")
		}
	}
}

func (c *collector) collectLag(gauge func(*prometheus.Desc, float64, ...string)) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	lag := c.states.Lag(ctx)
	for stage, l := range map[string]StageLag{"received": lag.Received, "durable": lag.Durable} {
		if l.Bytes != nil {
			gauge(c.lagBytes, float64(*l.Bytes), stage)
		}
		if l.Seconds != nil {
			gauge(c.lagSeconds, *l.Seconds, stage)
		}
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
