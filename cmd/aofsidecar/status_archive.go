package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/observe"
)

// writeArchive writes the archive's part of the status for people.
func writeArchive(row func(name, format string, args ...any), s *observe.ArchiveState, now time.Time) {
	if s == nil {
		return
	}
	row("archive", "%s", s.Archive)
	switch {
	case s.HeldBy != nil:
		row("lease", "held by %s, epoch %d: nothing is shipped from here", rivalName(s.HeldBy), s.HeldBy.Epoch)
	case s.Held:
		row("lease", "ours, epoch %d", s.Lease.Epoch)
	default:
		row("lease", "not held yet: nothing is shipped")
	}
	if s.Timeline == "" {
		row("shipped", "nothing yet")
	} else {
		row("shipped", "%s, timeline %s, lag %d bytes and %.1f s", shippedText(s), s.Timeline, s.LagBytes, s.LagSeconds)
	}
	if s.Behind > 0 {
		row("", "%d newer timelines wait for this one", s.Behind)
	}
	if !s.WindowBegin.IsZero() {
		row("window", "%s (offset %d) to %s (offset %d)", s.WindowBegin.Format(time.RFC3339), s.WindowOffset, s.StoredAt.Format(time.RFC3339), s.Stored)
	}
	limit := ""
	if s.SpoolLimitBytes > 0 {
		limit = fmt.Sprintf("; %s of %s on disk (aof.max-disk)", bytesText(s.DiskUsedBytes), bytesText(s.SpoolLimitBytes))
	}
	row("spool", "%s not in the archive yet%s", bytesText(s.SpoolBytes), limit)
	for _, g := range s.Gaps {
		row("gap", "timeline %s, offsets %d to %d are lost; the next base closes it", g.Timeline, g.From, g.To)
		if g.Why != "" {
			row("", "%s", g.Why)
		}
	}
	for _, d := range s.Damaged {
		row("damaged", "%s of timeline %s is not shipped", d.Name, d.Timeline)
		row("", "%s", d.Why)
	}
	if s.Retained > 0 {
		row("retained", "%d objects are older than archive.retention says, and the store does not let them go", s.Retained)
	}
	if s.Ahead != "" {
		row("ahead", "a full resync was asked for: %s", s.Ahead)
	}
	if s.Error != "" {
		row("archive error", "%s ago: %s", since(s.ErrorAt, now), s.Error)
	}
	writeVerified(row, s, now)
}

func shippedText(s *observe.ArchiveState) string {
	if !s.HasShipped {
		return fmt.Sprintf("up to %d, without a base yet", s.Stored)
	}
	return fmt.Sprintf("up to %d", s.Shipped)
}

func writeVerified(row func(name, format string, args ...any), s *observe.ArchiveState, now time.Time) {
	for _, level := range slices.Sorted(maps.Keys(s.LastVerified)) {
		row("verified", "%s, %s ago", level, since(s.LastVerified[level], now))
	}
	if v := s.Verification; v != nil && v.Result != verifiedOK {
		row("verification", "%s %s, %s ago: %s", v.Level, v.Result, since(v.At, now), v.Detail)
	}
}
