package fsxtest

import (
	"fmt"
	"math/rand/v2"
)

// KillProcess is kill -9 or a panic: all that was written is there, as the page cache survives, and is as little
// durable as before. Locks and open files are gone. The boot id stays.
type KillProcess struct{}

// String names the crash.
func (KillProcess) String() string { return "KillProcess" }

func (KillProcess) survivors() survivors { return nil }

// Reboot is a machine that stopped in good order, or a power loss after the kernel wrote back everything: nothing
// is lost, but the boot id is another.
type Reboot struct{}

// String names the crash.
func (Reboot) String() string { return "Reboot" }

func (Reboot) survivors() survivors { return everything{} }

// PowerLossAll loses everything that was not synced.
type PowerLossAll struct{}

// String names the crash.
func (PowerLossAll) String() string { return "PowerLossAll" }

func (PowerLossAll) survivors() survivors { return nothing{} }

// PowerLossOrdered is what a journaling file system usually leaves: of each file's operations that were not synced the first
// k, and of the next write perhaps its first bytes; of the operations on names the first k. Files and names are
// independent of one another.
type PowerLossOrdered struct{ Seed uint64 }

// String names the crash and its seed.
func (c PowerLossOrdered) String() string { return fmt.Sprintf("PowerLossOrdered{Seed: %d}", c.Seed) }

func (c PowerLossOrdered) survivors() survivors {
	return ordered{seed: c.Seed}
}

// PowerLoss is the worst that POSIX allows. Of what was not synced:
//   - each sector (512 bytes or a page of 4 KiB) of each file holds what it held at a moment of its own since the sync, so
//     that later writes may survive where earlier ones did not;
//   - each change of size survived or did not, so that data is cut off, or holes read as zeros;
//   - each operation on names survived or did not, if those before it on the same names did.
type PowerLoss struct{ Seed uint64 }

// String names the crash and its seed.
func (c PowerLoss) String() string { return fmt.Sprintf("PowerLoss{Seed: %d}", c.Seed) }

func (c PowerLoss) survivors() survivors {
	rng := newRand(c.Seed, 0)
	return &scattered{seed: c.Seed, rng: rng, names: drawChance(rng)}
}

// Crashes lists one crash of each kind, from mild to harsh, for a loop over all points of a workload.
func Crashes(seed uint64) []Crash {
	return []Crash{KillProcess{}, Reboot{}, PowerLossAll{}, PowerLossOrdered{Seed: seed}, PowerLoss{Seed: seed}}
}

type everything struct{}

func (everything) keep(int, int) bool { return true }

// data is not n.now: what a failed sync lost may still be in the page cache, and goes with it.
func (everything) data(n *node, ops []dataOp) content {
	c := n.disk.clone()
	for i := range ops {
		ops[i].apply(&c)
	}
	return c
}

type nothing struct{}

func (nothing) keep(int, int) bool { return false }

func (nothing) data(n *node, _ []dataOp) content { return n.disk.clone() }

// ordered keeps prefixes.
type ordered struct{ seed uint64 }

func (o ordered) keep(i, total int) bool { return i < newRand(o.seed, 0).IntN(total+1) }

func (o ordered) data(n *node, ops []dataOp) content {
	rng := newRand(o.seed, n.id)
	c := n.disk.clone()
	whole := rng.IntN(len(ops) + 1)
	for i := range ops[:whole] {
		ops[i].apply(&c)
	}
	if whole < len(ops) && ops[whole].isWrite() {
		torn := ops[whole]
		torn.data = torn.data[:rng.IntN(len(torn.data)+1)]
		torn.apply(&c)
	}
	return c
}

// scattered keeps sectors, sizes and names at random. The chances are drawn too: with the same one for all,
// a file of many small writes would never lose all of them, nor keep all.
type scattered struct {
	seed  uint64
	rng   *rand.Rand // for names
	names float64
}

func drawChance(rng *rand.Rand) float64 {
	chances := [...]float64{0, 0.1, 0.5, 0.9, 1}
	return chances[rng.IntN(len(chances))]
}

func (s *scattered) keep(int, int) bool { return s.rng.Float64() < s.names }

func (s *scattered) data(n *node, ops []dataOp) content {
	rng := newRand(s.seed, n.id)
	sizes := drawChance(rng)
	w := writeback{rng: rng, ops: len(ops), sector: pageSize, until: map[int64]int{}, whole: drawChance(rng)}
	if rng.IntN(2) == 0 {
		w.sector = 512
	}
	c := n.disk.clone()
	size := c.size
	for i := range ops {
		op, survived := &ops[i], rng.Float64() < sizes
		switch {
		case op.isWrite():
			w.put(&c, i, op)
			if survived {
				size = max(size, op.off+int64(len(op.data)))
			}
		case survived:
			c.forget(op.off)
			size = op.off
		default:
			w.clearTail(&c, i, op.off)
		}
	}
	c.truncate(size)
	return c
}

// writeback knows how far each sector of a file got: it holds the effect of the operations before until[sector].
type writeback struct {
	rng    *rand.Rand
	ops    int
	sector int64
	until  map[int64]int
	whole  float64 // chance that a sector is up to date
}

func (w *writeback) reached(sector int64, op int) bool {
	until, drawn := w.until[sector]
	if !drawn {
		switch {
		case w.rng.Float64() < w.whole:
			until = w.ops
		case w.rng.IntN(2) == 0:
			until = w.rng.IntN(w.ops + 1)
		}
		w.until[sector] = until
	}
	return op < until
}

func (w *writeback) put(c *content, i int, op *dataOp) {
	eachBlock(op.off, int64(len(op.data)), w.sector, func(sector, _, done, n int64) {
		if w.reached(sector, i) {
			c.put(op.off+done, op.data[done:done+n])
		}
	})
}

// clearTail is what a truncation leaves when the size that it set is lost: the kernel had cleared the rest of the last sector.
func (w *writeback) clearTail(c *content, i int, size int64) {
	if in := size % w.sector; in > 0 && w.reached(size/w.sector, i) {
		c.zero(size, w.sector-in)
	}
}
