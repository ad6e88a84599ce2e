package replica

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Backoff is a doubling delay: First, 2*First, 4*First ... up to Max.
type Backoff struct {
	First time.Duration
	Max   time.Duration
	// Jitter is the share of each delay, 0 to 1, that is random, so that many replicas of a restarted upstream
	// do not come back at one instant. The delay is never longer than without it.
	Jitter float64
}

// delay returns how long to wait after the given number of failures in a row, 1 being the first.
func (b Backoff) delay(failures int) time.Duration {
	d := b.First
	for i := 1; i < failures && d < b.Max; i++ {
		d *= 2
	}
	d = min(d, b.Max)
	return d - time.Duration(b.Jitter*rand.Float64()*float64(d))
}

// Backoffs is a Backoff for each [Class]. A class begins anew only after progress: stream bytes that were never
// received before, or a snapshot taken; Snapshot only after a snapshot taken.
type Backoffs struct {
	Network  Backoff // zero: 100 ms to 5 s, half of it random
	Busy     Backoff // zero: 1 s to 10 s, half of it random
	Protocol Backoff // zero: 1 s to 1 min, half of it random
	Snapshot Backoff // zero: 1, 2, 4 ... 60 min
	// Unbegun is for a snapshot of which not a byte came (SnapshotError.Unbegun), in the place of Snapshot. A FLUSHALL ends the process that writes one, and the server
	// hangs up (db.c:flushAllDataAndResetRDB, replication.c:updateSlavesWaitingBgsave), though the next one is as good as any. One that cannot
	// be made at all looks the same, so it is asked for ever more slowly, too. Zero: 1, 2, 4 s ... 60 min
	Unbegun Backoff
	Held    Backoff // zero: 1 s to 30 s
	Refused Backoff // zero: 30 s to 5 min, a tenth of it random
}

func (b *Backoffs) fill() error {
	const half, tenth = 0.5, 0.1
	return errors.Join(
		fillBackoff(&b.Network, "network", Backoff{First: 100 * time.Millisecond, Max: 5 * time.Second, Jitter: half}),
		fillBackoff(&b.Busy, "busy", Backoff{First: time.Second, Max: 10 * time.Second, Jitter: half}),
		fillBackoff(&b.Protocol, "protocol", Backoff{First: time.Second, Max: time.Minute, Jitter: half}),
		fillBackoff(&b.Snapshot, "snapshot", Backoff{First: time.Minute, Max: time.Hour}),
		fillBackoff(&b.Unbegun, "unbegun snapshot", Backoff{First: time.Second, Max: time.Hour}),
		fillBackoff(&b.Held, "held", Backoff{First: time.Second, Max: 30 * time.Second}),
		fillBackoff(&b.Refused, "refused", Backoff{First: 30 * time.Second, Max: 5 * time.Minute, Jitter: tenth}),
	)
}

func fillBackoff(b *Backoff, name string, defaults Backoff) error {
	if *b == (Backoff{}) {
		*b = defaults
	}
	if b.First <= 0 || b.Max < b.First || b.Jitter < 0 || b.Jitter > 1 {
		return fmt.Errorf("check %s backoff %+v: want 0 < First <= Max and 0 <= Jitter <= 1", name, *b)
	}
	return nil
}

// of returns what is waited after err.
func (b *Backoffs) of(err error) Backoff {
	if snap, ok := errors.AsType[*SnapshotError](err); ok && snap.Unbegun {
		return b.Unbegun
	}
	switch ClassOf(err) {
	case ClassBusy:
		return b.Busy
	case ClassProtocol:
		return b.Protocol
	case ClassSnapshot:
		return b.Snapshot
	case ClassHeld:
		return b.Held
	case ClassRefused:
		return b.Refused
	case ClassNetwork:
		return b.Network
	default:
		return b.Network
	}
}

// failures counts the connections of each class that failed since the last progress.
type failures struct {
	counts [ClassRefused + 1]int
}

// add counts one and returns how many there are now.
func (f *failures) add(class Class) int {
	f.counts[class]++
	return f.counts[class]
}

// progress forgets all failures; those of snapshots only if one was taken.
func (f *failures) progress(snapshot bool) {
	kept := f.counts[ClassSnapshot]
	*f = failures{}
	if !snapshot {
		f.counts[ClassSnapshot] = kept
	}
}
