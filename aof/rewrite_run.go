package aof

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
)

// rewriting is a rewrite that is under way.
type rewriting struct {
	number int64 // of all, from 1
	reason string
	begun  time.Time
	cancel context.CancelCauseFunc
	ended  chan struct{}

	done, total atomic.Int64 // bytes
}

// rewrites is what the log knows of its rewrites; Log.mu guards it.
type rewrites struct {
	run     *rewriting // nil: none is under way
	held    int        // none may begin: full resyncs that are under way, and the end
	closing bool       // the open increment is to close at its next boundary

	asked  string    // why one is to begin, if one was asked for
	next   time.Time // none begins by itself before
	inRow  int       // failures in a row
	failed int64     // of all

	grownFrom int64     // bytes of base and increments after the last rewrite or full resync; at the start the base's
	baseTime  int64     // Unix milliseconds of the base's position
	agesFrom  time.Time // when that was, or since when the clock has shown less

	begun    int64 // so many
	last     *RewriteReport
	lastErr  error
	endedAt  time.Time
	wantFull bool      // the next Resume asks for a full resync
	fullAt   time.Time // when the last was asked for
}

// beginRewrite admits a rewrite.
func (l *Log) beginRewrite(reason string, cancel context.CancelCauseFunc) (*rewriting, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.rewrites
	switch err := l.usable(); {
	case err != nil:
		return nil, err
	case r.run != nil:
		return nil, ErrRewriting
	case r.held > 0:
		return nil, ErrSuperseded
	case l.inc == nil:
		return nil, ErrNoBase
	}
	r.begun++
	r.asked = ""
	r.run = &rewriting{number: r.begun, reason: reason, begun: time.Now(), cancel: cancel, ended: make(chan struct{})}
	l.publish()
	return r.run, nil
}

// endRewrite takes down what came of it.
func (l *Log) endRewrite(run *rewriting, rep RewriteReport, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.rewrites
	r.run, r.closing = nil, false
	r.endedAt, r.lastErr = l.opt.Now(), err
	switch {
	case err == nil:
		r.last, r.inRow, r.next = &rep, 0, time.Time{}
		r.grownFrom = l.size()
		call(l.opt.Observer.Rewritten, rep)
	case isInterrupted(err):
		call(l.opt.Observer.RewriteFailed, RewriteFailure{Reason: run.reason, Err: err, InRow: r.inRow, Interrupted: true})
	default:
		r.failed++
		r.inRow++
		r.next = r.endedAt.Add(rewriteDelay(r.inRow))
		call(l.opt.Observer.RewriteFailed, RewriteFailure{Reason: run.reason, Err: err, InRow: r.inRow, Retry: rewriteDelay(r.inRow)})
		l.fallBack(err)
	}
	l.publish()
	l.wakeTend()
	close(run.ended)
}

// isInterrupted reports whether a rewrite ended for no fault of its own.
func isInterrupted(err error) bool {
	return errors.Is(err, ErrSuperseded) || errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled)
}

// size is what base and increments take, as a server counts aof_current_size.
func (l *Log) size() int64 {
	n := l.baseBytes + l.closedBytes
	if l.inc != nil {
		n += l.inc.size
	}
	return n
}

// holdRewrites ends the rewrite that is under way and lets none begin until release.
func (l *Log) holdRewrites(cause error) (release func()) {
	l.mu.Lock()
	l.rewrites.held++
	run := l.rewrites.run
	l.mu.Unlock()
	if run != nil {
		run.cancel(cause)
		<-run.ended
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.rewrites.held--
	}
}

// closeIncrement closes the open increment at its next boundary, if it holds anything and no tail of it waits for the upstream's answer.
func (l *Log) closeIncrement(ctx context.Context) error {
	if err := l.syncOnce(); err != nil { // so that the stream does not wait for it
		return err
	}
	wake := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.idle.Broadcast()
	})
	defer wake()
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.inc
	for {
		l.awaitSync()
		if err := l.usable(); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if l.inc != was || l.keep.file != 0 || l.cut.data <= l.inc.headLen {
			return nil
		}
		if l.atBoundary() {
			return l.rotateNow()
		}
		l.rewrites.closing = true
		l.idle.Wait()
	}
}

// rotateNow rotates, also where a moment ago there was no space for it.
func (l *Log) rotateNow() error {
	was := l.inc
	if err := l.rotate(); err != nil {
		return err
	}
	if l.inc == was {
		return errNoRotation
	}
	return nil
}

// errNoRotation says that the disk is too full for a new increment.
var errNoRotation = errors.New("no space to open a new increment")

// mustClose reports whether the open increment closes at this boundary for a rewrite.
func (l *Log) mustClose() bool {
	return l.rewrites.closing && l.cut.data > l.inc.headLen && !l.opt.Now().Before(l.rotateNot)
}

// wakeRewrite has a rewrite that waits for a boundary look again.
func (l *Log) wakeRewrite() {
	if l.rewrites.closing {
		l.idle.Broadcast()
	}
}

// table are the commands that a rewrite can run; made when the first one begins.
func (l *Log) table() *keyspace.Table { return l.tables() }

// fallBack asks for a full resync where a rewrite can never succeed and the operator wants one instead: at most once a day, and only if it fits.
func (l *Log) fallBack(err error) {
	if _, cannot := errors.AsType[*fold.CannotError](err); !cannot || l.opt.Rewrite.Fallback != FallbackResync {
		return
	}
	r, now := &l.rewrites, l.opt.Now()
	recent := r.baseAge(now) < fullResyncEvery || now.Sub(r.fullAt) < fullResyncEvery
	if recent || l.spaceFor(l.baseBytes+spaceMargin) != nil {
		return
	}
	call2(l.opt.Observer.Note, "a full resync is asked for: the log cannot be folded (rewrite.fallback)", err.Error())
	r.wantFull, r.fullAt = true, now
	select {
	case l.reconnect <- struct{}{}:
	default:
	}
}

// fullResyncEvery is how often a snapshot is asked for because nothing can be folded: each one forks the upstream.
const fullResyncEvery = 24 * time.Hour

// Reconnect has a value when the link should be dropped: the next Resume asks for a full resync.
func (l *Log) Reconnect() <-chan struct{} { return l.reconnect }
