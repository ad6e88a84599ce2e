package aof

import (
	"context"
	"time"
)

const (
	tick = time.Second

	// A position that moved over dropped bytes only is marked when it moved this far, or after this long: an idle upstream's
	// PINGs must not grow the file, yet a restart must find a position that the backlog still reaches.
	idleMarkBytes = 64 << 10
	idleMarkAfter = time.Minute
)

// Run syncs as the policy says and writes the marks that are due, until ctx ends (nil) or the disk fails (*DiskError). It does
// not close the log.
func (l *Log) Run(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-l.dead:
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.failed
		case <-l.kick:
			err = l.onKick()
		case <-l.spool.tend:
			err = l.tend()
		case <-ticker.C:
			if err = l.onTick(); err == nil {
				err = l.tend()
			}
		}
		if err != nil {
			return err
		}
	}
}

func (l *Log) onKick() error {
	if l.opt.Fsync == FsyncAlways {
		return l.syncGroup()
	}
	return l.syncAhead()
}

// syncAhead syncs an increment that has its size, so that the rotation, for which the stream waits, has little left to sync.
func (l *Log) syncAhead() error {
	l.mu.Lock()
	due := l.usable() == nil && l.inc != nil && l.syncAheadDue()
	l.mu.Unlock()
	if !due { // it was replaced meanwhile
		return nil
	}
	return l.syncOnce()
}

// syncGroup makes durable what arrived while the group before was synced, and marks it.
func (l *Log) syncGroup() error {
	if err := l.syncOnce(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.usable() != nil || l.inc == nil {
		return nil
	}
	return l.markNow()
}

func (l *Log) onTick() error {
	if l.opt.Fsync != FsyncNo || l.closesByAge() {
		if err := l.syncOnce(); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.awaitSync() // a rewrite's
	if err := l.renewLater(); err != nil {
		return err
	}
	if l.usable() != nil || l.inc == nil || l.keep.file != 0 {
		return nil
	}
	l.publish()
	if err := l.checkSize(); err != nil {
		return err
	}
	now := l.opt.Now()
	if now.Before(l.inc.opened) {
		l.inc.opened = now // the clock was set back
	}
	if l.tooOld(now) {
		return l.rotate()
	}
	if l.markDue() {
		return l.markNow()
	}
	return nil
}

// closesByAge reports whether this tick closes the increment.
func (l *Log) closesByAge() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inc != nil && l.tooOld(l.opt.Now())
}

// tooOld reports whether the increment should close at now for its age, and can.
func (l *Log) tooOld(now time.Time) bool {
	return l.atBoundary() && l.cut.data > l.inc.headLen && now.Sub(l.inc.opened) >= l.opt.IncrementAge
}

// markDue reports whether the position moved enough since the last mark.
func (l *Log) markDue() bool {
	if l.cut.offset == l.marked.offset {
		return false
	}
	return l.cut.data > l.marked.data ||
		l.cut.offset-l.marked.offset >= idleMarkBytes ||
		l.opt.Now().Sub(l.markedAt).Abs() >= idleMarkAfter
}

// markNow writes a mark, or asks Append for one at the next boundary. A full disk can wait.
func (l *Log) markNow() error {
	if l.cut.offset == l.marked.offset || l.keep.file != 0 {
		return nil
	}
	if !l.atBoundary() {
		l.wantMark = true
		return nil
	}
	if err := l.writeMark(); err != nil && !isNoSpace(err) {
		return err
	}
	return nil
}

// syncOnce syncs the open increment with mu released, so that Append goes on beside it.
func (l *Log) syncOnce() error {
	l.mu.Lock()
	l.awaitSync()
	inc := l.inc
	if l.usable() != nil || inc == nil || l.keep.file != 0 || inc.size == inc.synced {
		l.mu.Unlock()
		return nil
	}
	size, cuts, at := inc.size, inc.cuts, l.cut
	inc.syncing, inc.cut = true, false // a cut that comes meanwhile waits for the next sync, whatever this one covers
	l.mu.Unlock()

	start := time.Now()
	err := inc.f.SyncData()
	took := time.Since(start)

	l.mu.Lock()
	defer l.mu.Unlock()
	inc.syncing = false
	l.idle.Broadcast()
	if err != nil {
		return l.latch("sync", inc.path, err)
	}
	call(l.opt.Observer.Synced, took)
	if inc.cuts == cuts {
		l.advance(inc, size, at)
	}
	return nil
}

// awaitSync waits, with mu released, for the sync that Run has under way; none begins while mu is held. Of two fsyncs of one
// open file that overlap the kernel tells only one that a page was not written (errseq_t): the other's success would prove nothing.
func (l *Log) awaitSync() {
	for l.inc != nil && l.inc.syncing {
		l.idle.Wait()
	}
}

// syncLocked syncs the open increment with mu held; no other sync may be under way.
func (l *Log) syncLocked() error {
	start := time.Now()
	if err := l.inc.f.SyncData(); err != nil {
		return l.latch("sync", l.inc.path, err)
	}
	call(l.opt.Observer.Synced, time.Since(start))
	l.inc.cut = false
	l.advance(l.inc, l.inc.size, l.cut)
	return nil
}

// advance notes that the first size bytes of inc, and with them the stream up to at, are durable.
func (l *Log) advance(inc *increment, size int64, at cursor) {
	inc.synced = max(inc.synced, size)
	l.proof = max(l.proof, at.linear)
	durable := at.offset
	if l.cut.data <= inc.synced {
		durable = max(durable, l.cut.offset)
	}
	l.acks.move(durable)
	l.showDurable(at)
}
