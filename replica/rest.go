package replica

import (
	"net"
	"sync/atomic"
	"time"
)

const (
	// restFor is how long the reader rests when it has waited less than that for a small piece, again and again.
	restFor = 5 * time.Millisecond
	// restAfter is how many pieces in a row must have come so.
	restAfter = 8
	// restWaited is what a read takes at least that found nothing there. One that did not wait is followed by the next at once: rests
	// bound how often the reader sleeps, and nothing else. Over TLS a read brings one record, however many there are.
	restWaited = 20 * time.Microsecond
	// promptFor is how long there is no rest after a GETACK: who has waited once is likely to wait again.
	promptFor = time.Second
)

// rest puts off reads of a stream that comes in small pieces. An upstream sends what each turn of its event loop has changed, thousands of times a
// second. Each piece wakes the reader and the feeder and is a write to the log, and that, with what the Go scheduler does around it, costs many times
// what scanning its few hundred bytes does. What comes during a rest is one read.
//
// So bytes get to the log up to restFor later, but only in a busy stream of small pieces, and not while somebody upstream waits for
// acknowledgements. They are ours already: the kernel has them, and the upstream need not hold them back.
//
// Meanwhile the socket wakes nobody either, see lowat: a rest would save the reader's work, and not the runtime's, which is as much.
type rest struct {
	timer *time.Timer
	lowat *lowat
	short int // pieces in a row that were small and did not take long to come

	asked atomic.Int64 // when the last GETACK came, in Unix nanoseconds; the feeder's
}

// newRest is for the reads of conn.
func newRest(conn net.Conn) *rest {
	timer := time.NewTimer(restFor)
	timer.Stop()
	return &rest{timer: timer, lowat: newLowat(conn)}
}

// prompt says that a GETACK came. For the feeder.
func (r *rest) prompt() { r.asked.Store(time.Now().UnixNano()) }

// take rests if the reads call for it, the last of which brought n bytes and took from called to now. After an error the socket may not wake who reads. For the reader.
func (r *rest) take(n int, called, now time.Time) error {
	waited := now.Sub(called)
	switch {
	case n >= leastRead || waited >= restFor:
		r.short = 0
		return nil
	case waited < restWaited:
		return nil
	}
	r.short++
	if r.short < restAfter || now.UnixNano()-r.asked.Load() < int64(promptFor) {
		return nil
	}
	if r.lowat.to(leastRead) != nil { // it is closed, which the next read tells, or cannot do this, and the rest costs more
		r.lowat.giveUp()
	}
	r.timer.Reset(restFor)
	<-r.timer.C
	return r.lowat.to(1)
}
