package testenv

import (
	"slices"
	"time"
)

// FaultKind is what goes wrong at a [Fault].
type FaultKind int

// The kinds of fault.
const (
	// Reset ends the connection with RST on both sides, after the bytes before it have arrived.
	Reset FaultKind = iota
	// Close ends the connection with FIN on both sides, after the bytes before it have arrived.
	Close
	// Stall forwards nothing more in this direction, and reads nothing, until [Proxy.Release]: the peer sees
	// a half-open connection, the sender a full window.
	Stall
	// Flip inverts the eight bits of one byte.
	Flip
)

// Fault is one thing that goes wrong in one direction of a connection.
type Fault struct {
	// At counts the bytes of this direction. Reset, Close and Stall happen when exactly At bytes were
	// forwarded, whether or not more are sent; Flip changes the byte with At bytes before it.
	At int64
	// Kind is what happens.
	Kind FaultKind
}

// Link is one direction of a connection. The zero value forwards everything at full speed.
type Link struct {
	// Faults happen in the order of At.
	Faults []Fault
	// BytesPerSecond limits the speed; 0 means no limit.
	BytesPerSecond int
	// Latency holds back every chunk that was read by this long.
	Latency time.Duration
	// Tap sees every chunk as it was read, before it is forwarded, and keeps nothing of it. One goroutine calls it.
	Tap func(chunk []byte)
}

// Plan is what happens to one connection. The zero value is a faithful connection.
type Plan struct {
	// Refuse resets the connection as soon as it is accepted; the server never sees it.
	Refuse bool
	// ToServer is the direction from the one who connected to the target.
	ToServer Link
	// ToClient is the direction from the target to the one who connected.
	ToClient Link
}

// script walks through the faults of a link as bytes are forwarded.
type script struct {
	link      Link
	stops     []Fault // Reset, Close, Stall still to come
	flips     []int64 // still to come
	forwarded int64
}

func newScript(link Link) *script {
	s := &script{link: link}
	for _, fault := range link.Faults {
		if fault.Kind == Flip {
			s.flips = append(s.flips, fault.At)
		} else {
			s.stops = append(s.stops, fault)
		}
	}
	slices.SortStableFunc(s.stops, func(a, b Fault) int { return int(min(max(a.At-b.At, -1), 1)) })
	slices.Sort(s.flips)
	return s
}

// due returns the fault that happens now, if any, and forgets it.
func (s *script) due() (Fault, bool) {
	if len(s.stops) == 0 || s.stops[0].At > s.forwarded {
		return Fault{}, false
	}
	fault := s.stops[0]
	s.stops = s.stops[1:]
	return fault, true
}

// room returns how many of limit bytes may be read before the next fault or pause of the link.
func (s *script) room(limit int) int {
	if s.link.BytesPerSecond > 0 {
		limit = min(limit, max(1, s.link.BytesPerSecond/throttleSteps))
	}
	if len(s.stops) > 0 {
		limit = int(min(int64(limit), s.stops[0].At-s.forwarded))
	}
	return limit
}

// corrupt applies the flips that fall into the next chunk.
func (s *script) corrupt(chunk []byte) {
	for len(s.flips) > 0 && s.flips[0] < s.forwarded+int64(len(chunk)) {
		if at := s.flips[0] - s.forwarded; at >= 0 {
			chunk[at] = ^chunk[at]
		}
		s.flips = s.flips[1:]
	}
}

// pause returns how long to hold a chunk of n bytes.
func (s *script) pause(n int) time.Duration {
	wait := s.link.Latency
	if s.link.BytesPerSecond > 0 {
		wait += time.Duration(n) * time.Second / time.Duration(s.link.BytesPerSecond)
	}
	return wait
}

// throttleSteps is in how many chunks a limited link sends the bytes of a second.
const throttleSteps = 50
