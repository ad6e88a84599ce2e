package e2e_test

import (
	"slices"
	"time"
)

// fault is one thing that goes wrong with a world, and comes right again. To add one, write a row for one of the lists that faults joins: TestScenarios then runs it in CI, and TestSoak draws it.
//
// While it strikes, commands are written to w.upstream, and nothing may be taken for granted of sidecar, store and links but what it takes away itself: another fault, of another part, may be at work. What it needs to be so,
// it waits for, with bounds for a machine that does much else. When heal returns, all must be as it was before, so that the mirror comes back by itself; the world waits for that (comeBack) before it goes on.
// A fault that looks at the sidecar or moves the upstream is of the part everything.
//
// It draws from w.rng only, from the test's own goroutine. It replaces w.upstream between w.quiet and w.flow, kills the sidecar with w.kill, which holds its log to what it has promised, and counts in w.count what is worth it.
type fault struct {
	name string
	part part
	// fits reports whether it can happen in a world; nil: always. Nothing is running then.
	fits func(*plan) bool
	// prepare changes the plan of a world to which it will happen, when nothing is running yet; nil: nothing. It is called once, before those of the faults behind it in the list. Of what has to be there from the
	// start (a mount, a namespace), w.Cleanup gets rid.
	prepare func(w *world)
	// strike lets it happen; heal ends it.
	strike func(w *world) (heal func())
}

// part is what a fault takes away. Two are at work at once only if they are of different parts.
type part string

const (
	ofSidecar      part = "sidecar"
	ofUpstream     part = "upstream"
	ofStore        part = "store"
	ofUpstreamLink part = "link to the upstream"
	ofStoreLink    part = "link to the store"
	ofDisk         part = "disk"
	ofClock        part = "clock"
	ofCable        part = "cable"
	everything     part = "everything"
)

// faults lists them all; the order is part of what a seed means.
func faults() []fault {
	return slices.Concat(processFaults(), linkFaults(), storeFaults(), upstreamFaults(), pairFaults(), directoryFaults(), environmentFaults())
}

// goesWith reports whether two faults may be at work at once.
func (f *fault) goesWith(other *fault) bool {
	return f.part != other.part && f.part != everything && other.part != everything
}

func (f *fault) fitsIn(p *plan) bool { return f.fits == nil || f.fits(p) }

// last waits for a random time: a fault's.
func (w *world) last(limit time.Duration) {
	moment := time.NewTimer(time.Duration(w.rng.Int64N(int64(limit))))
	defer moment.Stop()
	select {
	case <-moment.C:
	case <-w.Context().Done():
	}
}
