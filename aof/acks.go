package aof

import (
	"sync"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// ackState is the durable offset and the wish to be told when it moves.
type ackState struct {
	mu    sync.Mutex
	off   stream.Offset
	known bool
	held  bool          // nothing is told
	moved chan struct{} // nil until somebody asks
}

// move raises the durable offset; lower values change nothing.
func (a *ackState) move(to stream.Offset) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known && to <= a.off {
		return
	}
	a.set(to)
}

// reset sets the durable offset for a new timeline, in which offsets may be lower.
func (a *ackState) reset(to stream.Offset) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.set(to)
}

// hold keeps what is durable to ourselves, or tells it.
func (a *ackState) hold(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = on
	a.set(a.off)
}

func (a *ackState) set(to stream.Offset) {
	a.off, a.known = to, true
	if a.moved != nil {
		close(a.moved)
		a.moved = nil
	}
}

// Received is the offset up to which the stream is in the file, at the last boundary outside MULTI: what a replica acknowledges.
// It satisfies replica.Acks.
func (l *Log) Received() stream.Offset { return stream.Offset(l.received.Load()) }

// Durable is the offset up to which everything is on stable storage; ok is false before the first base is, and while a full disk keeps the
// log from writing its manifest anew after a failed fsync. It satisfies replica.Acks.
func (l *Log) Durable() (off stream.Offset, ok bool) {
	l.acks.mu.Lock()
	defer l.acks.mu.Unlock()
	return l.acks.off, l.acks.known && !l.acks.held
}

// Moved returns a channel that is closed when Durable next moves. It satisfies replica.Acks.
func (l *Log) Moved() <-chan struct{} {
	l.acks.mu.Lock()
	defer l.acks.mu.Unlock()
	if l.acks.moved == nil {
		l.acks.moved = make(chan struct{})
	}
	return l.acks.moved
}
