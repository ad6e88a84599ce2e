package upload

import (
	"slices"
	"sync"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// State is what the Uploader is doing.
type State struct {
	Archive string      `json:"archive"`
	Held    bool        `json:"lease_held"` // we ship
	Lease   LeaseRecord `json:"lease"`      // ours, or as far as known who else's; zero: not known

	Timeline     string        `json:"timeline"`              // that is shipped now; older ones go first
	Behind       int           `json:"behind"`                // timelines that come after it
	Stored       stream.Offset `json:"stored"`                // up to where its segments are stored
	StoredAt     time.Time     `json:"stored_at"`             // when what is stored had been received: the window's end
	Shipped      stream.Offset `json:"shipped"`               // up to where it also has a base, and all between
	HasShipped   bool          `json:"has_shipped"`           // false: there is no base yet
	LagBytes     int64         `json:"lag_bytes"`             // of the stream, in the timeline that is shipped
	LagSeconds   float64       `json:"lag_seconds"`           // the age of the oldest bytes that are not stored, at most; 0: none
	SpoolBytes   int64         `json:"spool_bytes"`           // of the files that are not wholly stored
	WindowBegin  time.Time     `json:"window_begin,omitzero"` // the earliest time that can be restored, as of the last look; zero: none, or not known
	WindowOffset stream.Offset `json:"window_offset"`         // and its offset

	Ahead    string `json:"ahead,omitempty"` // why a full resync was asked for
	Gaps     []Gap  `json:"gaps,omitempty"`  // the last ones since the start
	GapCount int64  `json:"gap_count"`

	Damaged []DamagedBase `json:"damaged,omitempty"` // bases on the disk that are not shipped, found since the start

	Error    string    `json:"error,omitempty"` // the last one; what it stopped is tried again
	ErrorAt  time.Time `json:"error_at,omitzero"`
	Failures int64     `json:"failures"` // since the start

	Pruned   int64            `json:"pruned"`   // objects that retention removed since the start
	Retained int64            `json:"retained"` // objects that the store did not let go of in the last look
	Requests map[string]int64 `json:"requests"` // by kind, since the start
}

// maxGaps bounds the gaps, and the damaged bases, that are shown.
const maxGaps = 16

// progress is what the goroutines know together.
type progress struct {
	mu       sync.Mutex
	moved    chan struct{} // closed and replaced when what Shipped says may have changed
	s        State
	endMilli int64
	bases    map[stream.Offset]bool
}

// changes returns moved.
func (p *progress) changes() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.moved
}

func (p *progress) took(rec LeaseRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s.Held, p.s.Lease = true, rec
}

func (p *progress) heldBy(rec LeaseRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s.Held, p.s.Lease = false, rec
}

// ended says that nothing is shipped now; what is stored stays so.
func (p *progress) ended() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s.Held = false
}

func (p *progress) fail(doing string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s.Error, p.s.ErrorAt = doing+": "+err.Error(), time.Now().UTC()
	p.s.Failures++
}

func (p *progress) gap(g Gap) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s.GapCount++
	p.s.Gaps = append(p.s.Gaps, g)
	if len(p.s.Gaps) > maxGaps {
		p.s.Gaps = slices.Clone(p.s.Gaps[1:])
	}
}

// damaged takes a base that is not shipped; it may have been taken before.
func (p *progress) damaged(d DamagedBase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	same := func(o DamagedBase) bool { return o.Name == d.Name }
	p.s.Damaged = append(slices.DeleteFunc(slices.Clone(p.s.Damaged), same), d)
	if len(p.s.Damaged) > maxGaps {
		p.s.Damaged = p.s.Damaged[1:]
	}
}

func (p *progress) ahead(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s.Ahead = why
}

// stored says how far the timeline id is.
func (p *progress) stored(id string, c *chain) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s.Timeline, p.s.Stored, p.endMilli, p.bases = id, c.end, c.endMilli, c.copyBases()
	p.s.Shipped, p.s.HasShipped = c.shipped()
	close(p.moved)
	p.moved = make(chan struct{})
}

func (p *progress) looked(begin time.Time, off stream.Offset, retained int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s.WindowBegin, p.s.WindowOffset, p.s.Retained = begin, off, int64(retained)
}

func (p *progress) pruned() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s.Pruned++
}

// acknowledge is what Uploader.Shipped says.
func (p *progress) acknowledge(src Source) (stream.Offset, bool) {
	lines := src.Holdings().Timelines
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(lines) == 0 || !p.s.HasShipped {
		return 0, false
	}
	present := lines[len(lines)-1]
	if present.ID != p.s.Timeline {
		return 0, false
	}
	return min(p.s.Shipped, present.End.Offset), true
}

// State never waits.
func (u *Uploader) State() State {
	lines := u.src.Holdings().Timelines
	p := &u.progress
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.s
	s.Archive = u.store.String()
	s.Gaps, s.Damaged = slices.Clone(s.Gaps), slices.Clone(s.Damaged)
	s.Requests = u.requests.Counts()
	if p.endMilli > 0 {
		s.StoredAt = time.UnixMilli(p.endMilli).UTC()
	}
	for i := len(lines) - 1; i >= 0; i-- {
		line := &lines[i]
		at := stream.Offset(-1)
		if line.ID == s.Timeline {
			at = s.Stored
			s.Behind = len(lines) - 1 - i
			s.LagBytes = max(0, int64(line.End.Offset-at))
			if s.LagBytes > 0 {
				s.LagSeconds = max(0, time.Since(lacksSince(line, at, s.StoredAt)).Seconds())
			}
		}
		s.SpoolBytes += waiting(line, at, p.bases, line.ID == s.Timeline)
		if line.ID == s.Timeline {
			break // older ones are stored
		}
	}
	return s
}

// lacksSince returns a time that the bytes behind at did not come before: when what is stored had been received, or without that when their increment began.
func lacksSince(line *stream.Timeline, at stream.Offset, storedAt time.Time) time.Time {
	if !storedAt.IsZero() {
		return storedAt
	}
	for _, inc := range line.Increments {
		if inc.To > at {
			return time.UnixMilli(inc.UnixMilli)
		}
	}
	return time.UnixMilli(line.EndUnixMilli)
}

// waiting is how many bytes of a timeline are not wholly stored.
func waiting(line *stream.Timeline, at stream.Offset, bases map[stream.Offset]bool, known bool) int64 {
	var n int64
	for _, inc := range line.Increments {
		if inc.To > at {
			n += inc.Bytes
		}
	}
	for _, b := range line.Bases {
		if !known || !bases[b.From] {
			n += b.Bytes
		}
	}
	return n
}
