package upload

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

func TestStartChain(t *testing.T) {
	type offsets = []stream.Offset // from, to, from, to ...
	for name, tc := range map[string]struct {
		stored offsets // segments
		bases  offsets
		log    offsets // increments
		end    stream.Offset
		want   stream.Offset
		since  stream.Offset
		fresh  bool
		once   stream.Offset // up to there all was confirmed
	}{
		"nothing is stored":                      {log: offsets{5, 90}, end: 90, fresh: true},
		"all is stored":                          {bases: offsets{5}, stored: offsets{5, 90}, log: offsets{5, 90}, end: 90, want: 90, since: 5},
		"the log goes on in the middle":          {bases: offsets{5}, stored: offsets{5, 50}, log: offsets{40, 90}, end: 90, want: 50, since: 5},
		"only a base":                            {bases: offsets{5}, log: offsets{5, 90}, end: 90, want: 5, since: 5},
		"one arrived without the one before":     {bases: offsets{5}, stored: offsets{5, 20, 30, 40}, log: offsets{5, 90}, end: 90, want: 20, since: 5},
		"the first of all did not arrive":        {stored: offsets{30, 40}, log: offsets{5, 90}, end: 90, fresh: true},
		"a base arrived before its segments":     {bases: offsets{5, 60}, stored: offsets{5, 20}, log: offsets{5, 60, 60, 90}, end: 90, want: 20, since: 5},
		"the log lost what was not stored":       {bases: offsets{5}, stored: offsets{5, 20}, log: offsets{50, 90}, end: 90, want: 20, since: 5},
		"and went on, and that is stored":        {bases: offsets{5}, stored: offsets{5, 20, 50, 70}, log: offsets{10, 20, 50, 90}, end: 90, want: 20, since: 5},
		"and let go of some that is":             {bases: offsets{5}, stored: offsets{5, 20, 50, 70}, log: offsets{10, 20, 60, 90}, end: 90, want: 70, since: 50},
		"a base behind a gap, and it has gone":   {bases: offsets{5, 50}, stored: offsets{5, 20}, log: offsets{10, 20, 60, 90}, end: 90, want: 50, since: 50},
		"behind it, after a crash":               {bases: offsets{5}, stored: offsets{5, 100}, log: offsets{5, 90}, end: 90, want: 100, since: 5},
		"and one arrived without the one before": {bases: offsets{5}, stored: offsets{5, 80, 95, 99}, log: offsets{5, 90}, end: 90, want: 80, since: 5},
		"a copy of before what is kept":          {bases: offsets{50, 70}, stored: offsets{50, 90}, log: offsets{5, 40}, end: 40, want: 90, since: 50, once: 90},
		"of before its end":                      {bases: offsets{50}, stored: offsets{50, 90}, log: offsets{5, 60}, end: 60, want: 90, since: 50, once: 90},
		"and a moment of before is kept":         {bases: offsets{5, 50}, stored: offsets{5, 20, 50, 90}, log: offsets{5, 60}, end: 60, want: 90, since: 50, once: 90},
		"a log from before what is kept":         {bases: offsets{50}, stored: offsets{50, 90}, log: offsets{5, 90}, end: 90, want: 90, since: 50, once: 90},
		"nothing was confirmed":                  {bases: offsets{50}, stored: offsets{50, 90}, log: offsets{5, 60}, end: 60, fresh: true, once: 20},
		"a loss that the log can fill":           {bases: offsets{5, 50}, stored: offsets{5, 20, 50, 90}, log: offsets{5, 90}, end: 90, want: 20, since: 5, once: 90},
	} {
		t.Run(name, func(t *testing.T) {
			inv := &ArchivedTimeline{Once: tc.once}
			for i := 0; i < len(tc.stored); i += 2 {
				inv.Segments = append(inv.Segments, ArchivedSegment{SegmentKey: SegmentKey{From: tc.stored[i], To: tc.stored[i+1]}})
			}
			for _, b := range tc.bases {
				inv.Bases = append(inv.Bases, ArchivedBase{BaseKey: BaseKey{Offset: b}})
			}
			line := &stream.Timeline{End: stream.Position{Offset: tc.end}}
			for i := 0; i < len(tc.log); i += 2 {
				line.Increments = append(line.Increments, stream.LogFile{From: tc.log[i], To: tc.log[i+1], Closed: i+2 < len(tc.log)})
			}
			c := startChain(inv, line)
			require.Equal(t, !tc.fresh, c.began)
			require.Equal(t, tc.want, c.end)
			require.Equal(t, tc.since, c.since)
		})
	}
}
