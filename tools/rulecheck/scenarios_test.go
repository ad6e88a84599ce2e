package rulecheck

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

// metrics are series of one sidecar in promtool's notation, a value each minute. A value alone stands for all the time.
type metrics map[string]string

// well are the metrics of a mirror with an archive that is in step, up for a day, whose archive was verified at the beginning.
func well() metrics {
	return metrics{
		`aofsidecar_build_info{version="v1",goversion="go1.26"}`: "1",
		`process_start_time_seconds`:                             "-86400",

		`aofsidecar_upstream_connected`:            "1",
		`aofsidecar_resync_running`:                "0",
		`aofsidecar_received_bytes_total`:          "0+1000xN",
		`aofsidecar_received_offset`:               "0+1000xN",
		`aofsidecar_full_resyncs_total`:            "1",
		`aofsidecar_snapshot_failures_total`:       "0",
		`aofsidecar_lag_seconds{stage="received"}`: "0",
		`aofsidecar_lag_seconds{stage="durable"}`:  "0.9",
		`aofsidecar_guard_tripped`:                 "0",

		`aofsidecar_aof_info{appendfsync="everysec"}`: "1",
		`aofsidecar_aof_base_size_bytes`:              "10e9",
		`aofsidecar_fsync_duration_seconds_sum`:       "0+0.3xN",
		`aofsidecar_fsync_duration_seconds_count`:     "0+60xN",
		`aofsidecar_fsync_errors_total`:               "0",
		`aofsidecar_disk_full`:                        "0",
		`aofsidecar_disk_free_bytes`:                  "50e9",
		`aofsidecar_rewrite_running`:                  "0",
		`aofsidecar_rewrite_failures_in_row`:          "0",

		`aofsidecar_lag_seconds{stage="shipped"}`:                  "1.5",
		`aofsidecar_archive_lease_held`:                            "1",
		`aofsidecar_archive_lease_held_elsewhere`:                  "0",
		`aofsidecar_shipped_offset`:                                "0+1000xN",
		`aofsidecar_archive_gaps_total`:                            "0",
		`aofsidecar_archive_damaged_bases`:                         "0",
		`aofsidecar_archive_disk_used_bytes`:                       "12e9",
		`aofsidecar_archive_spool_limit_bytes`:                     "80e9",
		`aofsidecar_archive_verification_failed`:                   "0",
		`aofsidecar_archive_verify_interval_seconds`:               "86400",
		`aofsidecar_last_verified_timestamp_seconds{level="deep"}`: "0",
	}
}

// but changes some; an empty value removes a series.
func (m metrics) but(changes metrics) metrics {
	m = maps.Clone(m)
	maps.Copy(m, changes)
	maps.DeleteFunc(m, func(_, values string) bool { return values == "" })
	return m
}

// alone are the metrics of a mirror that has no archive.
func alone() metrics {
	m := well()
	maps.DeleteFunc(m, func(name, _ string) bool {
		for _, part := range []string{"archive_lease", "archive_disk", "archive_spool", "archive_verif", "last_verified", "shipped"} {
			if strings.Contains(name, part) {
				return true
			}
		}
		return false
	})
	return m
}

// standby are the metrics of a mirror whose archive somebody else ships to.
func standby() metrics {
	return well().but(metrics{
		`aofsidecar_archive_lease_held`: "0", `aofsidecar_archive_lease_held_elsewhere`: "1",
		`aofsidecar_lag_seconds{stage="shipped"}`: "", `aofsidecar_shipped_offset`: "",
	})
}

// first are the metrics of a mirror that waits for its first snapshot.
func first() metrics {
	return well().but(metrics{
		`process_start_time_seconds`: "0", `aofsidecar_upstream_connected`: "0", `aofsidecar_resync_running`: "1", `aofsidecar_full_resyncs_total`: "0",
		`aofsidecar_received_bytes_total`: "0", `aofsidecar_received_offset`: "", `aofsidecar_lag_seconds{stage="received"}`: "",
		`aofsidecar_lag_seconds{stage="durable"}`: "", `aofsidecar_lag_seconds{stage="shipped"}`: "", `aofsidecar_shipped_offset`: "",
		`aofsidecar_aof_base_size_bytes`: "0", `aofsidecar_fsync_duration_seconds_sum`: "0", `aofsidecar_fsync_duration_seconds_count`: "0",
		`aofsidecar_archive_verification_failed`: "0", `aofsidecar_last_verified_timestamp_seconds{level="deep"}`: "",
	})
}

// ends has all series of the sidecar end before a minute.
func (m metrics) ends(minute int) metrics {
	m = maps.Clone(m)
	for name, values := range m {
		if !strings.ContainsAny(values, "x ") {
			values += "xN"
		}
		m[name] = strings.ReplaceAll(values, "xN", fmt.Sprintf("x%d stale", minute-1))
	}
	return m
}

// lines makes whole series of them.
func (m metrics) lines(target string, minutes int) []string {
	var lines []string
	for name, values := range m {
		if !strings.ContainsAny(values, "x ") {
			values += "xN"
		}
		name, own, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
		lines = append(lines, fmt.Sprintf("%s{%s} %s", name, strings.Trim(target+","+own, ","), strings.ReplaceAll(values, "xN", fmt.Sprintf("x%d", minutes))))
	}
	return lines
}

const (
	inPod     = `job="aofsidecar",namespace="prod",pod="cache-0",instance="10.0.0.1:9379"`
	onMachine = `job="aofsidecar",instance="db1:9379"`
	day       = 24 * 60
)

// scenario is what sidecars show over some time, and which alerts fire then, at any time, and no others.
type scenario struct {
	name    string
	metrics metrics
	target  string // inPod if empty
	other   []string
	minutes int // 60 if 0
	fires   []string
	atEnd   bool // they still do when it is over
}

func scenarios() []scenario {
	return slices.Concat(fineScenarios(), replicationScenarios(), diskScenarios(), archiveScenarios())
}

// fineScenarios are normal operation: nothing fires.
func fineScenarios() []scenario {
	return []scenario{
		{name: "well, for two days", metrics: well().but(metrics{`aofsidecar_last_verified_timestamp_seconds{level="deep"}`: "0x1439 86400x1440"}), minutes: 2 * day},
		{name: "well, on a machine", metrics: well(), target: onMachine},
		{name: "without an archive", metrics: alone(), minutes: day},
		{name: "quiet upstream, but for PING", metrics: well().but(metrics{`aofsidecar_received_bytes_total`: "0+84xN", `aofsidecar_shipped_offset`: "5"}), minutes: day},
		{name: "silent", metrics: well().but(metrics{
			`aofsidecar_received_bytes_total`: "7", `aofsidecar_lag_seconds{stage="shipped"}`: "0+1x59",
			`aofsidecar_fsync_duration_seconds_sum`: "0.3", `aofsidecar_fsync_duration_seconds_count`: "1",
		})},
		{name: "first snapshot of 20 hours", metrics: first(), minutes: 20 * 60},
		{name: "first snapshot, then base of 4 hours", metrics: well().but(metrics{`aofsidecar_shipped_offset`: "_x240 1x60"}), minutes: 300},
		{name: "the upstream comes after the sidecar", metrics: first().but(metrics{
			`aofsidecar_resync_running`: "0x3 1x6 0x50", `aofsidecar_upstream_connected`: "0x10 1x50",
		})},
		{name: "the link breaks for three minutes", metrics: well().but(metrics{
			`aofsidecar_upstream_connected`: "1x30 0x2 1x40", `aofsidecar_lag_seconds{stage="received"}`: "0x30 60 120 180 0x40", `aofsidecar_lag_seconds{stage="durable"}`: "0x30 60 120 180 0x40",
		})},
		{name: "restart", metrics: well().but(metrics{
			`process_start_time_seconds`: "-86400x30 1860x40", `aofsidecar_received_bytes_total`: "90000+1000x30 0+1000x40", `aofsidecar_full_resyncs_total`: "3x30 0x40",
			`aofsidecar_archive_lease_held`: "1x30 0 1x40", `aofsidecar_fsync_errors_total`: "0", `aofsidecar_archive_verification_failed`: "0x30 _x4 0x40",
			`aofsidecar_last_verified_timestamp_seconds{level="deep"}`: "0x30 _x4 2160x40",
		})},
		{name: "a pod of a Deployment is replaced", metrics: well().ends(20), target: strings.ReplaceAll(inPod, "cache-0", "cache-6d4f7-x2x8k"), other: well().lines(strings.ReplaceAll(inPod, "cache-0", "cache-6d4f7-b9zzq"), 60)},
		{name: "a pod moves", metrics: well().ends(20), other: well().lines(strings.ReplaceAll(inPod, "10.0.0.1", "10.0.0.9"), 60)},
		{name: "rewrite under way", metrics: well().but(metrics{`aofsidecar_rewrite_running`: "0x5 1x300 0x10", `aofsidecar_disk_free_bytes`: "50e9x5 9e9x310"}), minutes: 310},
		{name: "appendfsync no", metrics: well().but(metrics{
			`aofsidecar_aof_info{appendfsync="everysec"}`: "", `aofsidecar_aof_info{appendfsync="no"}`: "1", `aofsidecar_lag_seconds{stage="durable"}`: "0+60x60 0+60x60",
			`aofsidecar_lag_seconds{stage="shipped"}`: "1", `aofsidecar_fsync_duration_seconds_sum`: "0", `aofsidecar_fsync_duration_seconds_count`: "0",
		}), minutes: 120},
		{name: "standby", metrics: standby(), minutes: day},
		{name: "standby after a restart", metrics: standby().but(metrics{
			`process_start_time_seconds`: "-86400x10 660x50", `aofsidecar_archive_lease_held`: "1x10 0x50", `aofsidecar_archive_lease_held_elsewhere`: "0x10 1x50",
		})},
		{name: "standby takes over", metrics: well().but(metrics{`aofsidecar_archive_lease_held`: "0x20 1x40", `aofsidecar_archive_lease_held_elsewhere`: "1x20 0x40"})},
		{name: "the archive is away for five minutes", metrics: well().but(metrics{
			`aofsidecar_archive_lease_held`: "1x20 0x4 1x40", `aofsidecar_lag_seconds{stage="shipped"}`: "1x19 60 _x4 350 1x40",
		})},
		{name: "the archive is away for eight minutes", metrics: well().but(metrics{
			`aofsidecar_archive_lease_held`: "1x20 0x7 1x40", `aofsidecar_lag_seconds{stage="shipped"}`: "1x20 _x7 480 1x40",
		})},
		{name: "the upstream restarts twice", metrics: well().but(metrics{`aofsidecar_full_resyncs_total`: "1x60 2x60 3x180"}), minutes: 300},
		{name: "never verified", metrics: well().but(metrics{`aofsidecar_archive_verify_interval_seconds`: "", `aofsidecar_last_verified_timestamp_seconds{level="deep"}`: "", `aofsidecar_archive_verification_failed`: ""})},
		{name: "INFO is denied", metrics: well().but(metrics{`aofsidecar_lag_seconds{stage="received"}`: "0"})},
	}
}

func replicationScenarios() []scenario {
	return []scenario{
		{name: "the process is gone", metrics: well().ends(20), fires: []string{"AofsidecarTargetAbsent"}, atEnd: true},
		{name: "the process is gone from a machine", metrics: well().ends(20), target: onMachine, fires: []string{"AofsidecarTargetAbsent"}, atEnd: true},
		{name: "one of two is gone", metrics: well().ends(20), other: well().lines(strings.ReplaceAll(inPod, "cache-0", "cache-1"), 60), fires: []string{"AofsidecarTargetAbsent"}, atEnd: true},
		{name: "no sidecar was ever there", metrics: metrics{`up`: "1"}, fires: []string{"AofsidecarTargetAbsent"}, atEnd: true},
		{name: "crash loop", metrics: well().but(metrics{`process_start_time_seconds`: "-86400x20 1260x4 1560x4 1860x4 2160x40"}), fires: []string{"AofsidecarRestarting"}},
		{name: "the upstream is away", metrics: well().but(metrics{
			`aofsidecar_upstream_connected`: "1x10 0x60", `aofsidecar_lag_seconds{stage="received"}`: "0x10 60+60x60", `aofsidecar_lag_seconds{stage="durable"}`: "0x10 60+60x60",
			`aofsidecar_received_bytes_total`: "5",
		}), fires: []string{"AofsidecarStalled", "AofsidecarLagging"}, atEnd: true},
		{name: "the upstream refuses from the start", metrics: first().but(metrics{`aofsidecar_resync_running`: "0 0 1 0 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0x40"}), fires: []string{"AofsidecarStalled"}, atEnd: true},
		{name: "connected, and nothing is taken", metrics: well().but(metrics{
			`aofsidecar_received_bytes_total`: "0+1000x10 10000x50", `aofsidecar_lag_seconds{stage="received"}`: "0x10 60+60x60", `aofsidecar_lag_seconds{stage="durable"}`: "0x10 60+60x60",
		}), fires: []string{"AofsidecarStalled", "AofsidecarLagging"}, atEnd: true},
		{name: "slower than the upstream", metrics: well().but(metrics{
			`aofsidecar_lag_seconds{stage="received"}`: "0x10 10+10x60", `aofsidecar_lag_seconds{stage="durable"}`: "0x10 11+10x60",
		}), fires: []string{"AofsidecarLagging"}, atEnd: true},
		{name: "a snapshot of hours while there is a log", metrics: first().but(metrics{
			`aofsidecar_received_offset`: "77", `aofsidecar_lag_seconds{stage="received"}`: "0+60xN", `aofsidecar_lag_seconds{stage="durable"}`: "0+60xN",
			`aofsidecar_shipped_offset`: "77", `aofsidecar_aof_base_size_bytes`: "10e9", `aofsidecar_disk_free_bytes`: "9e9",
		}), minutes: 300, fires: []string{"AofsidecarLagging"}, atEnd: true},
		{name: "snapshots are taken again and again", metrics: well().but(metrics{`aofsidecar_full_resyncs_total`: "1x30 2x30 3x30 4x30 5x30 6x30 7x100"}), minutes: 280, fires: []string{"AofsidecarFullResyncLoop"}, atEnd: true},
		{name: "snapshots fail once an hour", metrics: first().but(metrics{`aofsidecar_snapshot_failures_total`: "0x59 1x59 2x59 3x59 4x59 5x59 6x59 7x59 8x59"}), minutes: 500, fires: []string{"AofsidecarFullResyncLoop"}, atEnd: true},
		{name: "the upstream came back empty", metrics: well().but(metrics{`aofsidecar_guard_tripped`: "0x30 1x40"}), fires: []string{"AofsidecarGuardTripped"}, atEnd: true},
	}
}

func diskScenarios() []scenario {
	return []scenario{
		{name: "fsync hangs", metrics: well().but(metrics{
			`aofsidecar_lag_seconds{stage="durable"}`: "1x20 60+60x60", `aofsidecar_fsync_duration_seconds_sum`: "0+0.3x20 6x60", `aofsidecar_fsync_duration_seconds_count`: "0+60x20 1200x60",
		}), fires: []string{"AofsidecarNotDurable"}, atEnd: true},
		{name: "fsync fails, is scraped, and the process starts again", metrics: well().but(metrics{`aofsidecar_fsync_errors_total`: "0x20 1 0x60", `process_start_time_seconds`: "-86400x21 1260x60"}), fires: []string{"AofsidecarFsyncFailed"}, atEnd: true},
		{name: "fsync fails again and again", metrics: well().but(metrics{`process_start_time_seconds`: "-86400x20 1260x3 1500x3 1740x3 1980x40"}), fires: []string{"AofsidecarRestarting"}},
		{name: "fsync is slow", metrics: well().but(metrics{`aofsidecar_fsync_duration_seconds_sum`: "0+55xN", `aofsidecar_fsync_duration_seconds_count`: "0+30xN"}), fires: []string{"AofsidecarFsyncSlow"}, atEnd: true},
		{name: "the disk is full", metrics: well().but(metrics{
			`aofsidecar_disk_full`: "0x20 1x60", `aofsidecar_disk_free_bytes`: "50e9x20 0x60", `aofsidecar_received_bytes_total`: "0+1000x20 20000x60",
			`aofsidecar_lag_seconds{stage="received"}`: "0x20 60+60x60", `aofsidecar_lag_seconds{stage="durable"}`: "0x20 60+60x60",
		}), fires: []string{"AofsidecarDiskFull", "AofsidecarLagging", "AofsidecarDiskSpaceLow"}, atEnd: true},
		{name: "no space for a rewrite", metrics: well().but(metrics{`aofsidecar_disk_free_bytes`: "50e9x5 9e9x100"}), fires: []string{"AofsidecarDiskSpaceLow"}, atEnd: true},
		{name: "rewrites fail", metrics: well().but(metrics{`aofsidecar_rewrite_failures_in_row`: "0x10 1x10 2x10 3x60"}), fires: []string{"AofsidecarRewriteFailing"}, atEnd: true},
		{name: "a rewrite fails twice", metrics: well().but(metrics{`aofsidecar_rewrite_failures_in_row`: "0x10 1x10 2x10 0x60"})},
	}
}

func archiveScenarios() []scenario {
	return []scenario{
		{name: "the archive is away", metrics: well().but(metrics{
			`aofsidecar_archive_lease_held`: "1x20 0x60", `aofsidecar_lag_seconds{stage="shipped"}`: "1x19 30x1 _x60",
		}), fires: []string{"AofsidecarNotShipped"}, atEnd: true},
		{name: "the archive is too slow", metrics: well().but(metrics{`aofsidecar_lag_seconds{stage="shipped"}`: "1x20 30+30x60"}), fires: []string{"AofsidecarNotShipped"}, atEnd: true},
		{name: "no base for seven hours", metrics: well().but(metrics{`aofsidecar_shipped_offset`: ""}), minutes: 7 * 60, fires: []string{"AofsidecarArchiveHasNoBase"}, atEnd: true},
		{name: "a gap", metrics: well().but(metrics{`aofsidecar_archive_gaps_total`: "0x20 1x60"}), fires: []string{"AofsidecarArchiveGap"}, atEnd: true},
		{name: "a gap, and a restart", metrics: well().but(metrics{`aofsidecar_archive_gaps_total`: "0x20 1x5 0x60", `process_start_time_seconds`: "-86400x26 1560x60"}), fires: []string{"AofsidecarArchiveGap"}, atEnd: true},
		{name: "a gap before the first scrape, at a start with a full spool", metrics: well().but(metrics{`aofsidecar_archive_gaps_total`: "1"}), fires: []string{"AofsidecarArchiveGap"}, atEnd: true},
		{name: "the spool fills", metrics: well().but(metrics{`aofsidecar_archive_disk_used_bytes`: "12e9x10 70e9x60"}), fires: []string{"AofsidecarSpoolFilling"}, atEnd: true},
		{name: "no limit of the spool", metrics: well().but(metrics{`aofsidecar_archive_disk_used_bytes`: "12e12", `aofsidecar_archive_spool_limit_bytes`: ""})},
		{name: "another sidecar takes the lease", metrics: well().but(metrics{
			`aofsidecar_archive_lease_held`: "1x20 0x60", `aofsidecar_archive_lease_held_elsewhere`: "0x20 1x60", `aofsidecar_lag_seconds{stage="shipped"}`: "1x20 _x60",
		}), fires: []string{"AofsidecarLeaseLost"}, atEnd: true},
		{name: "a base rots on the disk", metrics: well().but(metrics{`aofsidecar_archive_damaged_bases`: "0x20 1x60"}), fires: []string{"AofsidecarBaseDamaged"}, atEnd: true},
		{name: "a verification fails", metrics: well().but(metrics{`aofsidecar_archive_verification_failed`: "0x20 1x60"}), fires: []string{"AofsidecarVerifyFailed"}, atEnd: true},
		{name: "verifications end inconclusive", metrics: well(), minutes: 2*day + 120, fires: []string{"AofsidecarVerifyTooOld"}, atEnd: true},
		{name: "no verification ever found everything right", metrics: well().but(metrics{
			`process_start_time_seconds`: "0", `aofsidecar_last_verified_timestamp_seconds{level="deep"}`: "",
		}), minutes: 2*day + 120, fires: []string{"AofsidecarVerifyTooOld"}, atEnd: true},
	}
}

// TestAlertsFireWhenTheyShould runs every alert in every scenario.
func TestAlertsFireWhenTheyShould(t *testing.T) {
	rules := readRules(t)
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			minutes, target := s.minutes, s.target
			if minutes == 0 {
				minutes = 60
			}
			if target == "" {
				target = inPod
			}
			m := load(t, append(s.metrics.lines(target, minutes), s.other...))
			engine := newEngine()
			var fired []string
			for _, rule := range rules {
				each := firing(t, engine, rule, m, minutes)
				if most := slices.Max(each); most > 0 {
					fired = append(fired, rule.Alert)
					require.Equal(t, 1, most, "%s: one for a sidecar", rule.Alert)
					require.Equal(t, s.atEnd, each[minutes] > 0, "%s: at the end", rule.Alert)
				}
			}
			require.ElementsMatch(t, s.fires, fired)
		})
	}
}

// TestEveryAlertHasItsScenarios holds that there is one that fires each alert; the rest are those that do not.
func TestEveryAlertHasItsScenarios(t *testing.T) {
	var fired []string
	for _, s := range scenarios() {
		fired = append(fired, s.fires...)
	}
	for _, rule := range readRules(t) {
		require.Contains(t, fired, rule.Alert)
	}
}

// TestScenariosShowWhatThereIs holds that scenarios are made of metrics that there are, with all of their labels: else what does not fire proves nothing.
func TestScenariosShowWhatThereIs(t *testing.T) {
	known := knownMetrics(t)
	for _, s := range scenarios() {
		for series := range s.metrics {
			set, err := parser.NewParser(parser.Options{}).ParseMetric(series)
			require.NoError(t, err)
			name := set.Get(model.MetricNameLabel)
			if name == "up" {
				continue
			}
			for _, part := range []string{"_sum", "_count"} {
				if whole := strings.TrimSuffix(name, part); known[whole].kind == "histogram" {
					name = whole
				}
			}
			require.Contains(t, known, name, "%s", s.name)
			var own []string
			set.Range(func(l labels.Label) {
				if l.Name != model.MetricNameLabel {
					own = append(own, l.Name)
				}
			})
			require.ElementsMatch(t, known[name].labels, own, "%s: %s", s.name, name)
		}
	}
}

// TestWellShowsEverything holds that no alert keeps still in the scenarios for want of a metric.
func TestWellShowsEverything(t *testing.T) {
	known, shown := knownMetrics(t), well()
	for _, rule := range readRules(t) {
		for _, name := range checkExpr(t, known, rule.Alert, rule.Expr) {
			require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(shown)), func(series string) bool { return strings.HasPrefix(series, name) }), "%s: %s", rule.Alert, name)
		}
	}
}
