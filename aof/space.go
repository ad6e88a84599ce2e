package aof

import (
	"context"
	"fmt"
	"time"
)

// spaceRetry is how long a write waits before it tries a full disk again (Redis' serverCron does the same).
const spaceRetry = time.Second

// untilSpace calls write until it fails for another reason than want of space, or not at all. mu is released between the tries: Run
// may write a mark then, or begin an increment.
func (l *Log) untilSpace(ctx context.Context, write func() error) error {
	for {
		err := write()
		if err == nil {
			return nil
		}
		if !isNoSpace(err) {
			return err
		}
		l.setFull(err)
		if err := l.waitUnlocked(ctx, spaceRetry); err != nil {
			return fmt.Errorf("write to %s while the disk is full: %w", l.inc.name, err)
		}
		if err := l.usable(); err != nil {
			return err
		}
	}
}

// waitUnlocked waits for d or for ctx, with mu released.
func (l *Log) waitUnlocked(ctx context.Context, d time.Duration) error {
	l.mu.Unlock()
	defer l.mu.Lock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-l.dead:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// setFull notes that the disk is full (err) or no longer (nil), once per change.
func (l *Log) setFull(err error) {
	if (err != nil) == l.full {
		return
	}
	l.full = err != nil
	l.publish()
	call(l.opt.Observer.DiskFull, err)
}
