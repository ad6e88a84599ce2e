package aof

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The reasons that RunRewrites gives.
const (
	reasonAsked    = "asked for"
	reasonGrowth   = "growth"
	reasonInterval = "interval"
	reasonMaxDisk  = "max-disk"
)

const (
	rewriteFailures = 3  // aof.c:AOF_REWRITE_LIMITE_THRESHOLD
	rewriteMinutes  = 60 // aof.c:AOF_REWRITE_LIMITE_MAX_MINUTES
)

// Fallback is what is done where nothing can be folded.
type Fallback string

// The values of rewrite.fallback.
const (
	FallbackKeep   Fallback = "keep"   // the increments stay
	FallbackResync Fallback = "resync" // a full resync is asked for, at most once a day
)

// RewriteOptions say when and how the log is rewritten. Of the zero value it is when Rewrite is called, without a limit of memory.
type RewriteOptions struct {
	Percentage int64         // auto-aof-rewrite-percentage: growth over the size after the last rewrite; 0: never for growth
	MinBytes   int64         // auto-aof-rewrite-min-size: never for growth below
	Interval   time.Duration // a base gets no older, if anything came after it; 0: as old as it likes
	NoPreamble bool          // aof-use-rdb-preamble no: the base is commands, not an RDB
	MaxMemory  int64         // bytes, about, that touched keys may take at a time; 0: no limit
	Fallback   Fallback      // default keep

	// Keys finds the keys of a command that this package does not know, as fold.Options.Keys; nil: it cannot be known. It may take its time.
	Keys func(args [][]byte) (keys [][]byte, ok bool)
	// Upstream returns the name, "redis" or "valkey", and the version of the upstream, empty if they are not known; nil: they never are. Then a rewrite goes by
	// the server that wrote the base.
	Upstream func() (name, version string)
}

func (o *RewriteOptions) check() error {
	var errs []error
	if o.Percentage < 0 || o.MinBytes < 0 || o.Interval < 0 || o.MaxMemory < 0 {
		errs = append(errs, errors.New("rewrite percentage, sizes and interval must not be negative"))
	}
	if o.Fallback != FallbackKeep && o.Fallback != FallbackResync {
		errs = append(errs, fmt.Errorf("rewrite fallback is %q: want keep or resync", o.Fallback))
	}
	return errors.Join(errs...)
}

// RunRewrites rewrites when the options or RequestRewrite say so, until ctx ends or the log fails. It returns nil: a rewrite that fails is
// told to the observer and tried again. Run runs beside it.
func (l *Log) RunRewrites(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.dead:
			return nil
		case <-l.ask:
		case <-ticker.C:
		}
		if reason := l.rewriteDue(); reason != "" {
			_, _ = l.Rewrite(ctx, reason) // the observer and Status say what came of it
		}
	}
}

// RequestRewrite has RunRewrites begin a rewrite now, also while others are held back after failures. It returns the number that it will have in
// Status; if one is under way that one's, and begun false.
func (l *Log) RequestRewrite() (number int64, begun bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.rewrites
	switch err := l.usable(); {
	case err != nil:
		return 0, false, err
	case l.inc == nil:
		return 0, false, ErrNoBase
	case r.held > 0:
		return 0, false, ErrSuperseded
	case r.run != nil:
		return r.run.number, false, nil
	}
	r.asked = reasonAsked
	select {
	case l.ask <- struct{}{}:
	default:
	}
	return r.begun + 1, true, nil
}

// rewriteDue returns why a rewrite should begin now, or nothing.
func (l *Log) rewriteDue() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, opt := &l.rewrites, l.opt.Rewrite
	if l.usable() != nil || l.inc == nil || r.run != nil || r.held > 0 {
		return ""
	}
	now := l.opt.Now()
	age := r.baseAge(now)
	switch {
	case r.asked != "":
		return r.asked
	case now.Before(r.next) || !l.grown():
		return ""
	case opt.Percentage > 0 && l.size() > opt.MinBytes && l.growth() >= opt.Percentage:
		return reasonGrowth
	case opt.Interval > 0 && age >= opt.Interval:
		return reasonInterval
	default:
		return ""
	}
}

// setBase takes down of when the base is.
func (r *rewrites) setBase(unixMilli int64) {
	r.baseTime, r.agesFrom = unixMilli, time.UnixMilli(unixMilli)
}

// baseAge is how old the base is. One that a clock dated that was ahead ages from when its date is first seen to be in the future: the date stays, for times in the log never go back.
func (r *rewrites) baseAge(now time.Time) time.Duration {
	if now.Before(r.agesFrom) {
		r.agesFrom = now
	}
	return now.Sub(r.agesFrom)
}

// grown reports whether there is anything to fold.
func (l *Log) grown() bool {
	return len(l.man.incrs) > 1 || (l.keep.file == 0 && l.cut.data > l.inc.headLen)
}

// growth is in percent (server.c:serverCron).
func (l *Log) growth() int64 {
	return int64(float64(l.size())/float64(max(1, l.rewrites.grownFrom))*100) - 100
}

// rewriteDelay is how long no rewrite begins by itself after so many failures in a row: nothing after the first, then 1, 2, 4 .. 60 minutes
// (aof.c:aofRewriteLimited).
func rewriteDelay(failures int) time.Duration {
	if failures < rewriteFailures {
		return 0
	}
	return time.Minute * time.Duration(min(1<<min(failures-rewriteFailures, 10), rewriteMinutes))
}
