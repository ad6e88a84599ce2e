package observe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/replica"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newEvents(t *testing.T) (*Events, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	return NewEvents(registry, Build{Version: "v1", GoVersion: "go1"}), registry
}

func newLog() (*zap.Logger, *observer.ObservedLogs) {
	core, logs := observer.New(zap.DebugLevel)
	return zap.New(core), logs
}

func TestMetricsOfAStreamingMirror(t *testing.T) {
	_, registry := newEvents(t)
	registry.MustRegister(NewCollector(States{
		Replica: func() replica.State {
			return replica.State{
				Phase: replica.PhaseStreaming, ReplID: replID(t, "a"), FullResyncs: 1, PartialResyncs: 2, FailedSnapshots: 3, ReceivedBytes: 4,
				Peer: replica.Peer{Remote: "h:1", Server: replica.Server{Name: "redis", Version: "8.0.6"}},
			}
		},
		AOF: func() aof.Status {
			return aof.Status{
				Fsync: aof.FsyncNo, Timeline: "00000001-aaaaaaaa", Received: 10, Durable: 9, BaseBytes: 100, IncrementsBytes: 11, Increments: 2,
				FreeBytes: 77, DiskFull: true, Retained: []aof.Retained{{Bytes: 5}, {Bytes: 6, Guard: &aof.Guard{}}},
			}
		},
		Lag: func(context.Context) Lag {
			return Lag{Received: StageLag{Seconds: new(0.5)}, Durable: StageLag{Bytes: new(int64(1)), Seconds: new(1.5)}}
		},
	}))
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
	want := `
# HELP aofsidecar_aof_base_size_bytes Size of the base.
# TYPE aofsidecar_aof_base_size_bytes gauge
aofsidecar_aof_base_size_bytes 100
# HELP aofsidecar_aof_current_size_bytes Size of base and increments.
# TYPE aofsidecar_aof_current_size_bytes gauge
aofsidecar_aof_current_size_bytes 111
# HELP aofsidecar_aof_info Always 1; the label says how the log is synced. With no, nothing is durable before an increment closes.
# TYPE aofsidecar_aof_info gauge
aofsidecar_aof_info{appendfsync="no"} 1
# HELP aofsidecar_build_info Always 1; the labels say what is running.
# TYPE aofsidecar_build_info gauge
aofsidecar_build_info{goversion="go1",version="v1"} 1
# HELP aofsidecar_disk_free_bytes Free space of the directory's file system. Absent if not known.
# TYPE aofsidecar_disk_free_bytes gauge
aofsidecar_disk_free_bytes 77
# HELP aofsidecar_disk_full 1 while reading has stopped for want of space.
# TYPE aofsidecar_disk_full gauge
aofsidecar_disk_full 1
# HELP aofsidecar_durable_offset Replication offset up to which the stream is on stable storage. Absent before the first resync.
# TYPE aofsidecar_durable_offset gauge
aofsidecar_durable_offset 9
# HELP aofsidecar_full_resyncs_total Snapshots taken; each one forks the upstream.
# TYPE aofsidecar_full_resyncs_total counter
aofsidecar_full_resyncs_total 1
# HELP aofsidecar_guard_tripped 1 while a timeline is kept because the upstream lost most of its keys after it.
# TYPE aofsidecar_guard_tripped gauge
aofsidecar_guard_tripped 1
# HELP aofsidecar_increments Increments that the manifest names.
# TYPE aofsidecar_increments gauge
aofsidecar_increments 2
# HELP aofsidecar_lag_bytes Bytes that the upstream has and the stage has not. Absent where not known: received needs INFO replication upstream.
# TYPE aofsidecar_lag_bytes gauge
aofsidecar_lag_bytes{stage="durable"} 1
# HELP aofsidecar_lag_seconds Age of the oldest byte that the stage has not, and at least how long the link has been down.
# TYPE aofsidecar_lag_seconds gauge
aofsidecar_lag_seconds{stage="durable"} 1.5
aofsidecar_lag_seconds{stage="received"} 0.5
# HELP aofsidecar_partial_resyncs_total Times that the stream went on from our position.
# TYPE aofsidecar_partial_resyncs_total counter
aofsidecar_partial_resyncs_total 2
# HELP aofsidecar_received_bytes_total Bytes of the stream, on all connections, dropped ones included.
# TYPE aofsidecar_received_bytes_total counter
aofsidecar_received_bytes_total 4
# HELP aofsidecar_received_offset Replication offset up to which the stream is in the file. Absent before the first resync.
# TYPE aofsidecar_received_offset gauge
aofsidecar_received_offset 10
# HELP aofsidecar_resync_running 1 while a resync is under way: it was asked for, or its snapshot arrives.
# TYPE aofsidecar_resync_running gauge
aofsidecar_resync_running 0
# HELP aofsidecar_retained_bytes Size of the chains that the manifest no longer names.
# TYPE aofsidecar_retained_bytes gauge
aofsidecar_retained_bytes 11
# HELP aofsidecar_snapshot_failures_total Snapshots that were asked for and not taken.
# TYPE aofsidecar_snapshot_failures_total counter
aofsidecar_snapshot_failures_total 3
# HELP aofsidecar_upstream_connected 1 while the stream arrives from the upstream.
# TYPE aofsidecar_upstream_connected gauge
aofsidecar_upstream_connected 1
# HELP aofsidecar_upstream_info Always 1; the labels say what the upstream is. Absent before the first handshake.
# TYPE aofsidecar_upstream_info gauge
aofsidecar_upstream_info{replid="` + strings.Repeat("a", 40) + `",server="redis",version="8.0.6"} 1
`
	var names []string
	for line := range strings.Lines(want) {
		if name, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, _, _ = strings.Cut(name, " ")
			names = append(names, name)
		}
	}
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(want), names...))
}

func TestResyncIsTold(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	var phase replica.Phase
	registry.MustRegister(NewCollector(States{
		Replica: func() replica.State { return replica.State{Phase: phase} },
		AOF:     func() aof.Status { return aof.Status{Durable: -1, FreeBytes: -1} },
		Lag:     func(context.Context) Lag { return Lag{} },
	}))
	for phase = replica.PhaseIdle; phase <= replica.PhaseStopped; phase++ {
		families, err := registry.Gather()
		require.NoError(t, err)
		i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "aofsidecar_resync_running" })
		require.NotEqual(t, -1, i)
		want := oneIf(slices.Contains([]replica.Phase{replica.PhaseResync, replica.PhaseSnapshot}, phase))
		require.InDelta(t, want, families[i].GetMetric()[0].GetGauge().GetValue(), 0, "%s", phase)
	}
}

func TestWhatIsNotKnownIsAbsent(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(States{
		Replica: func() replica.State { return replica.State{} },
		AOF:     func() aof.Status { return aof.Status{Durable: -1, FreeBytes: -1} },
		Lag:     func(context.Context) Lag { return Lag{} },
	}))
	families, err := registry.Gather()
	require.NoError(t, err)
	require.NotEmpty(t, families)
	for _, family := range families {
		for _, absent := range []string{"upstream_info", "received_offset", "durable_offset", "lag_bytes", "lag_seconds", "disk_free_bytes"} {
			require.NotEqual(t, namespace+"_"+absent, family.GetName())
		}
	}
}

func TestReplicaEvents(t *testing.T) {
	events, _ := newEvents(t)
	log, logs := newLog()
	o := Replica(events, log)
	failure := replica.Failure{Class: replica.ClassNetwork, Err: errors.New("reset"), Phase: replica.PhaseStreaming, Retry: time.Second}
	for i := range 9 {
		failure.InRow = i + 1
		o.LinkLost(failure)
	}
	require.InDelta(t, 9, testutil.ToFloat64(events.linkFailures.WithLabelValues("network")), 0)
	require.Len(t, logs.FilterLevelExact(zap.WarnLevel).All(), 4, "1st, 2nd, 4th, 8th")
	entry := logs.All()[0]
	require.Equal(t, "replica", entry.LoggerName)
	require.Equal(t, map[string]any{"error": "reset", "class": "network", "phase": "streaming", "in_row": int64(1), "retry_in": time.Second}, entry.ContextMap())

	logs.TakeAll()
	failure.Class = replica.ClassRefused
	o.Refused(failure)
	o.LinkLost(failure)
	require.Len(t, logs.FilterLevelExact(zap.ErrorLevel).All(), 1)
	require.Empty(t, logs.FilterLevelExact(zap.WarnLevel).All(), "said once")

	logs.TakeAll()
	o.Connecting("h:1")
	o.Connected(replica.Peer{Remote: "h:1", Server: replica.Server{Name: "valkey", Version: "9.1.2"}})
	o.PartialResync(replica.PartialResync{ID: replID(t, "a")})
	o.FullResync(replica.FullResync{})
	o.SnapshotDone(stream.Snapshot{}, 7, nil)
	o.SnapshotDone(stream.Snapshot{}, 7, errors.New("torn"))
	require.Len(t, logs.FilterLevelExact(zap.InfoLevel).All(), 4)
	require.Empty(t, logs.FilterLevelExact(zap.WarnLevel).All())
	o.FullResync(replica.FullResync{Asked: stream.Position{ReplID: replID(t, "a"), Offset: 7}})
	require.Len(t, logs.FilterLevelExact(zap.WarnLevel).All(), 1, "the upstream could not go on from our position")
}

func TestAOFEvents(t *testing.T) {
	events, registry := newEvents(t)
	log, logs := newLog()
	o := AOF(events, log)
	o.Synced(time.Millisecond)
	require.Zero(t, logs.Len())
	o.Synced(2 * time.Second)
	require.Equal(t, 1, logs.FilterMessage("fsync is slow").Len())
	count, err := testutil.GatherAndCount(registry, "aofsidecar_fsync_duration_seconds")
	require.NoError(t, err)
	require.Equal(t, 1, count)

	logs.TakeAll()
	o.SyncFailed(errors.New("EIO"))
	require.InDelta(t, 1, testutil.ToFloat64(events.fsyncErrors), 0)
	require.Zero(t, logs.Len(), "the process ends with it and says so")

	o.Snapshot(5)
	o.Snapshot(6)
	require.InDelta(t, 11, testutil.ToFloat64(events.snapshotBytes), 0)

	o.DiskFull(errors.New("ENOSPC"))
	o.DiskFull(nil)
	o.GuardTripped(aof.Guard{Timeline: "00000001-aaaaaaaa", KeysWas: 100})
	require.Len(t, logs.FilterLevelExact(zap.ErrorLevel).All(), 2)
	o.Recovered(aof.Recovery{})
	o.Recovered(aof.Recovery{Timeline: "00000001-aaaaaaaa"})
	o.Rotated("f", stream.Position{})
	o.Cut("f", 3)
	o.Resynced(aof.Resync{})
	o.Removed("p")
	o.Note("odd", "detail")
	require.Equal(t, 10, logs.Len())
	require.Equal(t, "aof", logs.All()[0].LoggerName)
}

// What a rewrite carried is a warning that says why, by the commands' names, and is counted by them: so many names, and no more.
func TestRewriteEvents(t *testing.T) {
	events, registry := newEvents(t)
	log, logs := newLog()
	o := AOF(events, log)
	o.Rewritten(aof.RewriteReport{Nothing: true})
	o.Rewritten(aof.RewriteReport{Copied: 5})
	require.Zero(t, logs.FilterLevelExact(zap.WarnLevel).Len())
	o.Rewritten(aof.RewriteReport{Carried: 2, Unknown: map[string]int64{"JSON.SET": 7, "(max-memory)": 1}})
	o.Rewritten(aof.RewriteReport{Carried: 1, Unknown: map[string]int64{"JSON.SET": 3}})
	warned := logs.FilterLevelExact(zap.WarnLevel).All()[0].ContextMap()
	require.Equal(t, map[string]int64{"JSON.SET": 7, "(max-memory)": 1}, warned["unknown"])
	require.InDelta(t, 10, testutil.ToFloat64(events.unknown.WithLabelValues("JSON.SET")), 0)
	require.InDelta(t, 1, testutil.ToFloat64(events.unknown.WithLabelValues("(max-memory)")), 0)
	for i := range 2 * maxCommandLabels {
		o.Rewritten(aof.RewriteReport{Carried: 1, Unknown: map[string]int64{fmt.Sprint("NAME", i): 1}})
	}
	count, err := testutil.GatherAndCount(registry, "aofsidecar_rewrite_unknown_commands_total")
	require.NoError(t, err)
	require.Equal(t, maxCommandLabels+1, count)
	require.InDelta(t, maxCommandLabels+2, testutil.ToFloat64(events.unknown.WithLabelValues("other")), 0)

	logs.TakeAll()
	o.Rewritten(aof.RewriteReport{Refused: 3})
	require.EqualValues(t, 3, logs.FilterLevelExact(zap.WarnLevel).TakeAll()[0].ContextMap()["refused"])
	o.RewriteFailed(aof.RewriteFailure{Err: aof.ErrSuperseded, Interrupted: true})
	o.RewriteFailed(aof.RewriteFailure{Err: syscall.ENOSPC, InRow: 3, Retry: time.Minute})
	require.Equal(t, 1, logs.FilterLevelExact(zap.ErrorLevel).FilterField(zap.Duration("retry_in", time.Minute)).Len())
	for result, n := range map[string]float64{"nothing": 1, "done": 4 + 2*maxCommandLabels, "interrupted": 1, "failed": 1} {
		require.InDelta(t, n, testutil.ToFloat64(events.rewrites.WithLabelValues(result)), 0, result)
	}
}

// TestSlowFsyncsDoNotFillTheLog holds that a disk that is always slow, or slow every other time, costs a line now and then.
func TestSlowFsyncsDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, _ := newEvents(t)
		log, logs := newLog()
		o := AOF(events, log)
		for i := range 100 {
			<-time.After(2 * time.Second)
			o.Synced(time.Duration(1+i%2*2000) * time.Millisecond)
		}
		slow := logs.FilterMessage("fsync is slow").All()
		require.Len(t, slow, 6, "1st, 2nd, 4th .. 32nd")
		require.Len(t, slow, logs.Len(), "it has not ended")
		require.EqualValues(t, 32, slow[5].ContextMap()["in_row"])

		logs.TakeAll()
		for range 100 {
			<-time.After(2 * time.Second)
			o.Synced(time.Millisecond)
		}
		require.Equal(t, 1, logs.Len())
		require.Equal(t, "fsync is no longer slow", logs.All()[0].Message)
		require.EqualValues(t, 50, logs.All()[0].ContextMap()["in_row"])

		logs.TakeAll()
		o.Synced(time.Second)
		require.Len(t, logs.FilterMessage("fsync is slow").All(), 1, "a new spell")
	})
}

func TestObserversWithoutALogAreSilent(t *testing.T) {
	events, _ := newEvents(t)
	Replica(events, nil).Connecting("h:1")
	AOF(events, nil).Note("a", "b")
}

type failingSink struct {
	replica.Sink
	err error
}

func (s *failingSink) Append(_ context.Context, run *stream.Run) error {
	run.Dropped = 0 // as a sink may do
	return s.err
}

func TestDroppedBytesAreCounted(t *testing.T) {
	events, _ := newEvents(t)
	next := &failingSink{}
	sink := CountDropped(events, next)
	require.NoError(t, sink.Append(t.Context(), &stream.Run{Dropped: 14}))
	require.NoError(t, sink.Append(t.Context(), &stream.Run{Data: []byte("x")}))
	next.err = errors.New("no")
	require.ErrorIs(t, sink.Append(t.Context(), &stream.Run{Dropped: 1000}), next.err)
	require.InDelta(t, 14, testutil.ToFloat64(events.droppedBytes), 0)
}

func TestNewLogger(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, LogOptions{Level: "warn"})
	require.NoError(t, err)
	log.Info("not this")
	log.Warn("this", zap.Duration("took", 1500*time.Millisecond))
	require.Regexp(t, `^\{"level":"warn","time":"\d{4}-[^"]+","msg":"this","took":"1.5s"\}\n$`, out.String())

	out.Reset()
	log, err = NewLogger(&out, LogOptions{Level: "debug", Text: true})
	require.NoError(t, err)
	log.Named("aof").Debug("words", zap.Int("n", 1))
	require.Regexp(t, `debug\taof\twords\t\{"n": 1\}\n$`, out.String())

	_, err = NewLogger(&out, LogOptions{Level: "loud"})
	require.Error(t, err)
}
