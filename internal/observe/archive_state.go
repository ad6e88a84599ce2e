package observe

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aofsidecar/aofsidecar/upload"
)

// ArchiveState is what is known of the archive at one moment. Its JSON form is a contract. Sizes are in bytes.
type ArchiveState struct {
	upload.State

	SpoolLimitBytes int64 `json:"spool_limit_bytes"` // of aof.max-disk; 0: none
	DiskUsedBytes   int64 `json:"disk_used_bytes"`   // of what that limits
	// HeldBy is who else ships to the archive; absent if nobody is known to.
	HeldBy *upload.LeaseRecord `json:"held_by,omitempty"`
	// LastVerified is when each level of verification last found everything right.
	LastVerified map[string]time.Time `json:"last_verified,omitempty"`
	// Verification is what the last one said; absent before it.
	Verification *Verification `json:"verification,omitempty"`
	// Doubtful says that a verification failed, and that none since then found everything right.
	Doubtful bool `json:"-"`
	// VerifyInterval is how often one is due; 0: none is.
	VerifyInterval time.Duration `json:"-"`
}

// Verification is the result of one.
type Verification struct {
	Level  string        `json:"level"`  // names, deep or boot
	Result string        `json:"result"` // ok, failed or inconclusive
	Detail string        `json:"detail,omitempty"`
	At     time.Time     `json:"at"`
	Took   time.Duration `json:"took_ns"`
}

// archiveDescs are the metrics that show how the shipping goes; see [Events] for those that count.
type archiveDescs struct {
	shipped, held, epoch      *prometheus.Desc
	elsewhere                 *prometheus.Desc
	begin, end                *prometheus.Desc
	beginOffset, endOffset    *prometheus.Desc
	spool, spoolLimit, used   *prometheus.Desc
	timelines, kept, verified *prometheus.Desc
	wrong, interval, damaged  *prometheus.Desc
}

func newArchiveDescs(desc func(name, help string, labels ...string) *prometheus.Desc) archiveDescs {
	return archiveDescs{
		shipped:     desc("shipped_offset", "Replication offset up to which the archive has a base and all that follows it. Absent before the first base is there."),
		held:        desc("archive_lease_held", "1 while this process ships to the archive."),
		elsewhere:   desc("archive_lease_held_elsewhere", "1 while another process ships to the archive, as far as known."),
		epoch:       desc("archive_lease_epoch", "Epoch of the lease, ours or the other holder's. Absent while not known."),
		begin:       desc("archive_window_begin_timestamp_seconds", "Earliest time that can be restored. Absent while not known."),
		end:         desc("archive_window_end_timestamp_seconds", "Latest time that can be restored. Absent while not known."),
		beginOffset: desc("archive_window_begin_offset", "Earliest offset that can be restored. Absent while not known."),
		endOffset:   desc("archive_window_end_offset", "Latest offset that can be restored. Absent while not known."),
		spool:       desc("archive_spool_bytes", "Size of the files that are not wholly in the archive."),
		spoolLimit:  desc("archive_spool_limit_bytes", "What aof.max-disk allows base, increments and spool together. Absent without a limit."),
		used:        desc("archive_disk_used_bytes", "What base, increments and retained chains take, which aof.max-disk limits."),
		timelines:   desc("archive_timelines_behind", "Timelines that come after the one that is shipped now."),
		kept:        desc("archive_retained_objects", "Objects that retention wanted to remove and the store did not let go of, when it last looked."),
		verified:    desc("last_verified_timestamp_seconds", "When a verification of the archive last found everything right, by level. Absent before the first since the start.", "level"),
		wrong:       desc("archive_verification_failed", "1 from a verification of the archive that failed until one finds everything right."),
		damaged:     desc("archive_damaged_bases", "Bases on the disk that are damaged, and so are not shipped, as far as found since the start."),
		interval:    desc("archive_verify_interval_seconds", "How often the archive is verified. Absent if never (archive.verify.interval)."),
	}
}

func (d *archiveDescs) describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		d.shipped, d.held, d.epoch, d.begin, d.end, d.beginOffset, d.endOffset, d.spool, d.spoolLimit, d.timelines, d.kept, d.verified,
		d.elsewhere, d.used, d.wrong, d.interval, d.damaged,
	} {
		out <- desc
	}
}

func (d *archiveDescs) collect(s ArchiveState, gauge func(*prometheus.Desc, float64, ...string)) {
	gauge(d.held, oneIf(s.Held))
	gauge(d.elsewhere, oneIf(s.HeldBy != nil))
	if s.Lease.Epoch > 0 {
		gauge(d.epoch, float64(s.Lease.Epoch))
	}
	if s.HasShipped {
		gauge(d.shipped, float64(s.Shipped))
		gauge(d.endOffset, float64(s.Shipped))
	}
	if !s.StoredAt.IsZero() && s.HasShipped {
		gauge(d.end, seconds(s.StoredAt))
	}
	if !s.WindowBegin.IsZero() {
		gauge(d.begin, seconds(s.WindowBegin))
		gauge(d.beginOffset, float64(s.WindowOffset))
	}
	gauge(d.spool, float64(s.SpoolBytes))
	gauge(d.used, float64(s.DiskUsedBytes))
	if s.SpoolLimitBytes > 0 {
		gauge(d.spoolLimit, float64(s.SpoolLimitBytes))
	}
	gauge(d.timelines, float64(s.Behind))
	gauge(d.kept, float64(s.Retained))
	if s.VerifyInterval > 0 {
		gauge(d.interval, s.VerifyInterval.Seconds())
	}
	gauge(d.wrong, oneIf(s.Doubtful))
	gauge(d.damaged, float64(len(s.Damaged)))
	for _, level := range slices.Sorted(maps.Keys(s.LastVerified)) {
		gauge(d.verified, seconds(s.LastVerified[level]), level)
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
