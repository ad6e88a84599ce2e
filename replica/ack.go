package replica

import (
	"strconv"
	"sync"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// ackInterval is the cadence of real replicas: replication.c:replicationCron runs every tenth time that server.c:serverCron does, which
// puts off its next time by 100 ms when it is done; on an idle machine that comes to 1.02 to 1.05 seconds, so that we cost an upstream no more.
//
// After a diskless snapshot the upstream starts the stream only when an ACK comes after its child has exited, which it has not
// when the first one comes (protocol.md 1.6): there the first intervals are shorter, from eagerInterval on, so that
// the stream does not start a second late.
const (
	ackInterval   = 1050 * time.Millisecond
	eagerInterval = 50 * time.Millisecond
)

// acker tells the upstream how far we are. It sends
//
//   - at once when the stream begins, every ackInterval, and in answer to GETACK, as a real replica does;
//   - at once when the durable offset moves while someone upstream may be waiting for that.
//
// WAITAOF sends a GETACK when it blocks and polls no more, so a FACK that follows its GETACK by an fsync would be seen only
// up to a second later. Waiting is exactly then possible when a GETACK came whose offset no FACK has reached: only
// then moves of the durable offset are watched, and at all other times, however often the log syncs, they cost no packet and no
// wake-up. FACK may exceed ACK (AckBehind): servers compare neither with the other (replication.c:replconfCommand).
//
// An upstream that does not read FACK gets none.
//
// Values never decrease on a connection, where the upstream forgets nothing (protocol.md 3.2).
type acker struct {
	link     *link
	acks     Acks
	behind   bool
	fack     bool // the upstream reads it
	observer *Observer

	wake chan struct{} // a GETACK has begun to wait for the durable offset

	mu     sync.Mutex
	sent   Ack
	wanted stream.Offset // the greatest offset before a GETACK
	out    []byte
}

func newAcker(l *link, acks Acks, behind, fack bool, observer *Observer) *acker {
	return &acker{link: l, acks: acks, behind: behind, fack: fack, observer: observer, wake: make(chan struct{}, 1), out: make([]byte, 0, 128)}
}

// send acknowledges what the log has now.
func (a *acker) send() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sendLocked()
}

func (a *acker) sendLocked() error {
	received := a.acks.Received()
	if a.behind {
		received--
	}
	durable, ok := a.acks.Durable()
	a.sent.Received = max(a.sent.Received, received)
	if a.sent.HasDurable = ok && a.fack; a.sent.HasDurable {
		a.sent.Durable = max(a.sent.Durable, durable)
	}
	a.out = appendAck(a.out[:0], a.sent)
	if err := a.link.write(a.out); err != nil {
		return err
	}
	a.observer.ackSent(a.sent)
	return nil
}

// answer replies to a GETACK that follows the stream's byte before. All up to the GETACK's end is in the log.
func (a *acker) answer(before stream.Offset) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wanted = max(a.wanted, before)
	if err := a.sendLocked(); err != nil || !a.waitingLocked() {
		return // the reader will see why the write failed
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// waitingLocked reports whether a GETACK is not covered by a FACK.
func (a *acker) waitingLocked() bool { return a.fack && a.wanted > a.sent.Durable }

// run sends on the clock, with the first interval as given, and on moves of the durable offset until done is closed or a write
// fails. It calls tick each time that the clock strikes.
func (a *acker) run(done <-chan struct{}, interval time.Duration, tick func()) {
	clock := time.NewTimer(interval)
	defer clock.Stop()
	var moved <-chan struct{}
	for {
		var err error
		select {
		case <-done:
			return
		case <-clock.C:
			interval = min(2*interval, ackInterval)
			clock.Reset(interval)
			tick()
			err = a.send()
		case <-a.wake:
		case <-moved:
		}
		if err == nil {
			moved, err = a.watch()
		}
		if err != nil {
			return // the reader will see why
		}
	}
}

// watch returns what to wait for while a GETACK waits for the durable offset, else nil. A move that
// has happened already is told at once.
func (a *acker) watch() (<-chan struct{}, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.waitingLocked() {
		moved := a.acks.Moved()
		durable, ok := a.acks.Durable()
		if !ok || durable <= a.sent.Durable {
			return moved, nil
		}
		if err := a.sendLocked(); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// appendAck writes REPLCONF ACK <offset> [FACK <offset>] (replication.c:replicationSendAck). Servers before 7.2 ignore FACK.
func appendAck(dst []byte, ack Ack) []byte {
	if ack.HasDurable {
		dst = append(dst, "*5\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n"...)
	} else {
		dst = append(dst, "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n"...)
	}
	dst = appendBulkOffset(dst, ack.Received)
	if ack.HasDurable {
		dst = append(dst, "$4\r\nFACK\r\n"...)
		dst = appendBulkOffset(dst, ack.Durable)
	}
	return dst
}

func appendBulkOffset(dst []byte, off stream.Offset) []byte {
	var digits [20]byte
	n := strconv.AppendInt(digits[:0], int64(off), 10)
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(len(n)), 10)
	dst = append(dst, '\r', '\n')
	dst = append(dst, n...)
	return append(dst, '\r', '\n')
}
