package observe

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/replica"
	"github.com/aofsidecar/aofsidecar/upload"
)

func TestArchiveEvents(t *testing.T) {
	events, registry := newEvents(t)
	log, logs := newLog()
	o := Archive(events, log)
	o.LeaseTaken(upload.LeaseRecord{Epoch: 1})
	o.LeaseHeld(upload.LeaseRecord{Epoch: 1})
	o.LeaseLost(errors.New("x"))
	o.NewHistory("1-a")
	o.Shipped(upload.ShippedSegment{Plain: 10, Sealed: 5})
	o.BaseStored(upload.ShippedBase{Plain: 100, Sealed: 50})
	o.Merged(upload.ShippedSegment{Plain: 20, Sealed: 5})
	o.Gap(upload.Gap{Timeline: "1-a", From: 1, To: 2})
	o.Damaged(upload.DamagedBase{Timeline: "1-a", Name: "base", Why: "why"})
	o.Kept(upload.Moment{Timeline: "1-a", Offset: 1})
	o.Ahead("1-a", "why")
	o.Pruned("k", 1)
	o.Retained("k")
	o.Swept(1)
	o.Request(upload.Request{Op: "put", Code: "ok", Bytes: 7})
	o.Request(upload.Request{Op: "put", Code: "SlowDown"})
	require.Equal(t, 2, logs.FilterLevelExact(zap.ErrorLevel).Len(), "a gap, a damaged base")
	require.InDelta(t, 1, testutil.ToFloat64(events.archive.gaps), 0)
	require.InDelta(t, 1, testutil.ToFloat64(events.archive.pruned), 0)
	require.InDelta(t, 1, testutil.ToFloat64(events.archive.refused), 0)
	require.InDelta(t, 7, testutil.ToFloat64(events.archive.bytes.WithLabelValues("put")), 0)
	require.InDelta(t, 1, testutil.ToFloat64(events.archive.operations.WithLabelValues("put", "SlowDown")), 0)
	require.InDelta(t, 100, testutil.ToFloat64(events.archive.plain.WithLabelValues("base")), 0)
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
	for _, entry := range logs.All() {
		require.Equal(t, "archive", entry.LoggerName)
	}
}

// What fails again and again is said the 1st, 2nd, 4th, 8th time, and once when it is over.
func TestArchiveFailuresDoNotFillTheLog(t *testing.T) {
	events, _ := newEvents(t)
	log, logs := newLog()
	o := Archive(events, log)
	for range 100 {
		o.Failed(upload.Failure{Doing: "ship", Err: errors.New("away")})
	}
	require.Equal(t, 7, logs.FilterLevelExact(zap.WarnLevel).Len())
	require.InDelta(t, 100, testutil.ToFloat64(events.archive.failures), 0)
	logs.TakeAll()
	o.Shipped(upload.ShippedSegment{})
	o.Shipped(upload.ShippedSegment{})
	require.Equal(t, 1, logs.FilterMessage("the archive takes objects again").Len())
}

func TestVerifiedSaysHowBadItIs(t *testing.T) {
	events, _ := newEvents(t)
	log, logs := newLog()
	for result, level := range map[string]string{"ok": "info", "inconclusive": "warn", "failed": "error"} {
		Verified(events, log, Verification{Level: "deep", Result: result})
		entries := logs.TakeAll()
		require.Len(t, entries, 1)
		require.Equal(t, level, entries[0].Level.String())
		require.InDelta(t, 1, testutil.ToFloat64(events.archive.verified.WithLabelValues("deep", result)), 0)
	}
}

func TestCollectorShowsTheArchive(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	state := ArchiveState{}
	registry.MustRegister(NewCollector(States{
		Replica: func() replica.State { return replica.State{} },
		AOF:     func() aof.Status { return aof.Status{Durable: -1, FreeBytes: -1} },
		Lag:     func(context.Context) Lag { return Lag{} },
		Archive: func() ArchiveState { return state },
	}))
	shown := func() string {
		families, err := registry.Gather()
		require.NoError(t, err)
		var names []string
		for _, family := range families {
			names = append(names, strings.TrimPrefix(family.GetName(), namespace+"_"))
		}
		return strings.Join(names, " ")
	}
	for _, absent := range []string{"shipped_offset", "archive_window", "lag_", "last_verified", "archive_lease_epoch", "spool_limit", "verify_interval"} {
		require.NotContains(t, shown(), absent)
	}
	state = ArchiveState{
		State: upload.State{
			Held: true, Lease: upload.LeaseRecord{Epoch: 3}, Timeline: "1-a", HasShipped: true, Shipped: 77, StoredAt: time.UnixMilli(1500), LagBytes: 5, LagSeconds: 0.5,
			WindowBegin: time.UnixMilli(500), WindowOffset: 7, SpoolBytes: 9,
		},
		SpoolLimitBytes: 10, DiskUsedBytes: 8, LastVerified: map[string]time.Time{"boot": time.UnixMilli(2500)},
		HeldBy: &upload.LeaseRecord{Epoch: 4}, Doubtful: true, VerifyInterval: time.Hour,
	}
	want := map[string]float64{
		"shipped_offset": 77, "lag_bytes": 5, "lag_seconds": 0.5, "archive_lease_held": 1, "archive_lease_epoch": 3,
		"archive_window_begin_timestamp_seconds": 0.5, "archive_window_end_timestamp_seconds": 1.5, "archive_window_begin_offset": 7, "archive_window_end_offset": 77,
		"archive_spool_bytes": 9, "archive_spool_limit_bytes": 10, "last_verified_timestamp_seconds": 2.5,
		"archive_disk_used_bytes": 8, "archive_lease_held_elsewhere": 1, "archive_verification_failed": 1, "archive_verify_interval_seconds": 3600,
	}
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		name := strings.TrimPrefix(family.GetName(), namespace+"_")
		if value, ok := want[name]; ok {
			require.InDelta(t, value, family.GetMetric()[0].GetGauge().GetValue(), 0, name)
			delete(want, name)
		}
	}
	require.Empty(t, want)
}
