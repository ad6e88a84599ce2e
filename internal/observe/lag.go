package observe

import (
	"sync"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Lag says how far the mirror is behind. A nil number is not known.
type Lag struct {
	Received StageLag `json:"received"`
	Durable  StageLag `json:"durable"`
}

// StageLag is the lag of one stage.
type StageLag struct {
	// Bytes that the upstream had when it was last asked, some seconds ago at most, and that the stage does not have. Not known for
	// received without such an answer; for durable it then counts only what was received.
	Bytes *int64 `json:"bytes"`
	// Seconds is a lower bound for the age of the oldest byte that the stage does not have; while the link is not
	// streaming, at least how long that has been so. Not known before the first resync.
	Seconds *float64 `json:"seconds"`
}

// freshSample is how long an upstream's offset can be set against ours. Their difference tells nothing once ours has moved on.
const freshSample = 5 * time.Second

// maxMarks bounds the notes of one history: an hour of seconds, after which every second note is forgotten.
const maxMarks = 3600

// LagMeter computes [Lag] from notes. The zero value is ready. It is safe for concurrent use.
type LagMeter struct {
	mu       sync.Mutex
	local    history // what was received when
	upstream history // what the upstream had when
	last     mark    // the last note of upstream
	replid   stream.ReplID
	now      Progress
}

// Progress is where the stages stand at one moment.
type Progress struct {
	At         time.Time
	ReplID     stream.ReplID // zero before the first resync
	Received   stream.Offset
	Durable    stream.Offset
	HasDurable bool
	// Streaming says that bytes arrive as the upstream sends them; NotSince is since when they do not.
	Streaming bool
	NotSince  time.Time
}

// Note takes down where the stages stand. Call it about once a second.
func (m *LagMeter) Note(p Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.ReplID != m.replid || p.Received < m.now.Received {
		m.local, m.upstream, m.last = history{}, history{}, mark{}
	}
	m.replid, m.now = p.ReplID, p
	m.local.add(mark{p.At, p.Received})
	m.local.forget(p.Durable)
	m.upstream.forget(min(p.Durable, p.Received))
}

// NoteUpstream takes down what the upstream had. An offset of another history is ignored.
func (m *LagMeter) NoteUpstream(at time.Time, id stream.ReplID, offset stream.Offset) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id != m.replid || id.IsZero() {
		return
	}
	m.last = mark{at, offset}
	m.upstream.add(m.last)
}

// Lag returns the lag at a moment, from the notes so far.
func (m *LagMeter) Lag(at time.Time) Lag {
	m.mu.Lock()
	defer m.mu.Unlock()
	var lag Lag
	p := m.now
	if p.ReplID.IsZero() {
		return lag
	}
	fresh := !m.last.at.IsZero() && at.Sub(m.last.at) <= freshSample
	if fresh {
		lag.Received.Bytes = new(max(0, int64(m.last.offset-p.Received)))
	}
	received := m.upstream.age(at, p.Received)
	if !p.Streaming {
		received = max(received, at.Sub(p.NotSince))
	}
	lag.Received.Seconds = new(received.Seconds())
	if !p.HasDurable {
		return lag
	}
	behind := int64(p.Received - p.Durable)
	if fresh {
		behind = max(behind, int64(m.last.offset-p.Durable))
	}
	lag.Durable.Bytes = new(max(0, behind))
	durable := max(received, m.local.age(at, p.Durable), m.upstream.age(at, p.Durable))
	lag.Durable.Seconds = new(durable.Seconds())
	return lag
}

// mark is an offset that was reached at a time.
type mark struct {
	at     time.Time
	offset stream.Offset
}

// history is a list of marks, times and offsets rising.
type history struct{ marks []mark }

// add appends a mark unless it is no further than the last one, whose time then stands: that is when the offset was first seen.
func (h *history) add(m mark) {
	n := len(h.marks)
	if n > 0 && m.offset <= h.marks[n-1].offset {
		return
	}
	if n >= maxMarks {
		h.thin()
	}
	h.marks = append(h.marks, m)
}

// thin forgets every second mark but the oldest.
func (h *history) thin() {
	kept := h.marks[:0]
	for i := 0; i < len(h.marks); i += 2 {
		kept = append(kept, h.marks[i])
	}
	h.marks = kept
}

// forget drops the marks that do not lie after an offset, but for the last one, which add compares with.
func (h *history) forget(offset stream.Offset) {
	drop := 0
	for drop+1 < len(h.marks) && h.marks[drop].offset <= offset {
		drop++
	}
	h.marks = append(h.marks[:0], h.marks[drop:]...)
}

// age returns how long ago the first mark after offset was made; 0 if there is none.
func (h *history) age(now time.Time, offset stream.Offset) time.Duration {
	for _, m := range h.marks {
		if m.offset > offset {
			return max(0, now.Sub(m.at))
		}
	}
	return 0
}
