package e2e_test

import (
	"math/rand/v2"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// line is a link that can be broken: a [testenv.Proxy], or a [testenv.Witness], which must hear of each connection.
type line interface {
	SetPlan(func(conn int) testenv.Plan)
	Break(testenv.FaultKind)
	Release()
}

// linkFaults are of the two links.
func linkFaults() []fault {
	var all []fault
	for _, link := range []struct {
		part part
		of   func(*world) line
	}{
		{ofUpstreamLink, func(w *world) line { return w.witness }},
		{ofStoreLink, func(w *world) line { return w.toStore }},
	} {
		for _, way := range []struct {
			name string
			plan func(rng *rand.Rand) func(int) testenv.Plan
		}{
			{"cut", func(*rand.Rand) func(int) testenv.Plan {
				return func(int) testenv.Plan { return testenv.Plan{Refuse: true} }
			}},
			{"delay", delayed},
			{"throttle", throttled},
			{"half-open", halfOpen},
			{"reset at an exact byte", func(rng *rand.Rand) func(int) testenv.Plan { return cutPlans(rng.Uint64(), 128<<10) }},
		} {
			all = append(all, fault{name: string(link.part) + ": " + way.name, part: link.part, strike: func(w *world) func() {
				on := link.of(w)
				on.SetPlan(way.plan(w.rng))
				on.Break([]testenv.FaultKind{testenv.Reset, testenv.Close}[w.rng.IntN(2)])
				return func() {
					on.SetPlan(nil)
					on.Release()
					on.Break(testenv.Reset) // those with the old plan
				}
			}})
		}
	}
	return all
}

func delayed(rng *rand.Rand) func(int) testenv.Plan {
	link := testenv.Link{Latency: time.Duration(20+rng.IntN(300)) * time.Millisecond}
	return func(int) testenv.Plan { return testenv.Plan{ToServer: link, ToClient: link} }
}

func throttled(rng *rand.Rand) func(int) testenv.Plan {
	link := testenv.Link{BytesPerSecond: 4<<10 + rng.IntN(96<<10)}
	return func(int) testenv.Plan { return testenv.Plan{ToServer: link, ToClient: link} }
}

// halfOpen lets each connection stand still somewhere, in one direction or both.
func halfOpen(rng *rand.Rand) func(int) testenv.Plan {
	ways, at := 1+rng.IntN(3), rng.Int64N(64<<10)
	return func(int) testenv.Plan {
		stalled := testenv.Link{Faults: []testenv.Fault{{At: at, Kind: testenv.Stall}}}
		var p testenv.Plan
		if ways&1 != 0 {
			p.ToClient = stalled
		}
		if ways&2 != 0 {
			p.ToServer = stalled
		}
		return p
	}
}
