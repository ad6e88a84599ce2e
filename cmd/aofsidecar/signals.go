package main

import (
	"context"
	"os"
	"time"
)

// signalGap is how long after a signal another one counts as the same. timeout(1), some shells and wrappers send SIGTERM to the process
// and to its group, which arrives twice at once and is one wish.
const signalGap = time.Second

// signalled is the cause with which the first signal ends a context. It matches context.Canceled, as what reads under that context
// returns the one or the other.
type signalled struct{ os.Signal }

func (s signalled) Error() string { return "told to stop: " + s.String() }

func (s signalled) Is(target error) bool { return target == context.Canceled }

// watchSignals returns a context that ends with the first signal, and a channel of those that follow, each at least signalGap after the
// one before; while nobody takes one, at most one is kept. unwatch ends the watching.
func watchSignals(ctx context.Context, raw <-chan os.Signal) (first context.Context, further <-chan os.Signal, unwatch func()) {
	watching, stop := context.WithCancel(ctx)
	first, end := context.WithCancelCause(watching)
	later := make(chan os.Signal, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var last time.Time
		for {
			select {
			case <-watching.Done():
				return
			case sig := <-raw:
				now := time.Now()
				switch {
				case last.IsZero():
					end(signalled{sig})
				case now.Sub(last) < signalGap:
					continue
				default:
					offer(later, sig)
				}
				last = now
			}
		}
	}()
	return first, later, func() {
		stop()
		<-done
		end(nil)
	}
}

// offer hands sig over unless one is waiting already.
func offer(to chan<- os.Signal, sig os.Signal) {
	select {
	case to <- sig:
	default:
	}
}
