package main

import (
	"fmt"
	"time"
)

// What is wanted of the archive; docs/benchmarks.md says why.
const (
	wantOfPlain       = 0.7
	wantOfMerged      = 1.5
	wantArchiveMemory = 128 << 20
)

// archiveReport is all that was found out about the archive.
type archiveReport struct {
	moves   []moves
	pieces  []pieces
	arrival arrival
	weights []weight
	counted []counted
}

func (r *archiveReport) add(to *sheet) {
	if len(r.moves) > 0 {
		r.addMoves(to)
		r.addMoveRatios(to)
		r.sumMoves(to)
	}
	if len(r.pieces) > 0 {
		r.addPieces(to)
	}
	if len(r.arrival.stored) > 0 {
		r.addArrival(to)
	}
	if len(r.weights) > 0 {
		r.addWeights(to)
	}
	if len(r.counted) > 0 {
		r.addCounted(to)
	}
}

func (r *archiveReport) addMoves(to *sheet) {
	t := to.table("archive", "by", "MB", "MB in the store", "seconds", "MB/s", "CPU s", "peak MiB")
	for _, direction := range []string{nameShip, nameRestore} {
		for _, who := range []string{namePlain, nameZstd, nameNone} {
			median := func(of func(moved) float64) float64 {
				return medianOf(r.moves, func(m moves) float64 { return of(m[direction][who]) })
			}
			t.row(direction, who,
				fmt.Sprintf("%.0f", median(func(m moved) float64 { return float64(m.bytes) })/megabyte),
				fmt.Sprintf("%.0f", median(func(m moved) float64 { return float64(m.stored) })/megabyte),
				fmt.Sprintf("%.2f", median(func(m moved) float64 { return m.took.Seconds() })),
				fmt.Sprintf("%.0f", median(moved.rate)/megabyte),
				fmt.Sprintf("%.2f", median(func(m moved) float64 { return m.cpu.Seconds() })),
				fmt.Sprintf("%.0f", median(func(m moved) float64 { return float64(m.peak) })/mebibyte))
		}
	}
}

func (r *archiveReport) addMoveRatios(to *sheet) {
	t := to.table("archive", "by", "the sidecar's", "is", "wanted")
	for _, direction := range []string{nameShip, nameRestore} {
		for _, who := range []string{nameZstd, nameNone} {
			t.row(direction, who, "throughput / plain's", fmt.Sprintf("%.2f", medianOf(r.moves, func(m moves) float64 {
				return m[direction][who].rate() / m[direction][namePlain].rate()
			})), fmt.Sprintf(">= %.1f", wantOfPlain))
		}
	}
}

// sumMoves sums up throughput, processor and memory of shipping and restoring.
func (r *archiveReport) sumMoves(to *sheet) {
	for _, direction := range []string{nameShip, nameRestore} {
		for _, who := range []string{nameZstd, nameNone} {
			row := func(name, unit string, digits int, of func(moved) float64, ofPlain bound) {
				median := func(who string) float64 {
					return medianOf(r.moves, func(m moves) float64 { return of(m[direction][who]) })
				}
				ratio := medianOf(r.moves, func(m moves) float64 { return of(m[direction][who]) / of(m[direction][namePlain]) })
				to.sum(summed{
					what: "archive, " + direction + ", " + who + ": " + name, unit: unit, digits: digits, sidecar: median(who),
					plain: against{value: median(namePlain), ratio: ratio, wanted: ofPlain},
				})
			}
			row("throughput", "MB/s", 0, func(m moved) float64 { return m.rate() / megabyte }, least(wantOfPlain))
			row("processor", "s/GB", 2, func(m moved) float64 { return m.cpu.Seconds() / float64(m.bytes) * gigabyte }, bound{})
			row("peak memory", "MiB", 0, func(m moved) float64 { return float64(m.peak) / mebibyte }, bound{})
		}
	}
}

func (r *archiveReport) addPieces(to *sheet) {
	t := to.table("restore of", "objects", "MB", "seconds", "CPU s", "peak MiB", "time / merged's", "wanted")
	row := func(name string, objects int, of func(pieces) moved, ratio, wanted string) {
		t.row(name, fmt.Sprint(objects),
			fmt.Sprintf("%.0f", medianOf(r.pieces, func(p pieces) float64 { return float64(of(p).bytes) })/megabyte),
			fmt.Sprintf("%.2f", medianOf(r.pieces, func(p pieces) float64 { return of(p).took.Seconds() })),
			fmt.Sprintf("%.2f", medianOf(r.pieces, func(p pieces) float64 { return of(p).cpu.Seconds() })),
			fmt.Sprintf("%.0f", medianOf(r.pieces, func(p pieces) float64 { return float64(of(p).peak) })/mebibyte), ratio, wanted)
	}
	row("merged objects", r.pieces[0].merged, func(p pieces) moved { return p.together }, "-", "-")
	row("one-second segments", r.pieces[0].segments, func(p pieces) moved { return p.apart },
		fmt.Sprintf("%.2f", medianOf(r.pieces, func(p pieces) float64 { return p.apart.took.Seconds() / p.together.took.Seconds() })),
		fmt.Sprintf("<= %.1f", wantOfMerged))
	took := func(of func(pieces) moved) float64 {
		return medianOf(r.pieces, func(p pieces) float64 { return of(p).took.Seconds() })
	}
	to.sum(summed{
		what: fmt.Sprintf("archive, restore of %d segments (plain: merged objects): time", r.pieces[0].segments), unit: "s", digits: 2,
		sidecar: took(func(p pieces) moved { return p.apart }),
		plain: against{
			value: took(func(p pieces) moved { return p.together }), wanted: atMost(wantOfMerged),
			ratio: medianOf(r.pieces, func(p pieces) float64 { return p.apart.took.Seconds() / p.together.took.Seconds() }),
		},
	})
}

func (r *archiveReport) addArrival(to *sheet) {
	t := to.table("from a write", "seconds", "MB/s", "CPU s", "peak MiB", "p50 s", "p99 s", "at most s", "p99 wanted")
	m := r.arrival
	for _, until := range []struct {
		name string
		took []time.Duration
	}{{"to its object in the store", m.stored}, {"to FACK, fack: shipped", m.facks}} {
		t.row(until.name, fmt.Sprintf("%.0f", m.took.Seconds()), fmt.Sprintf("%.1f", float64(m.bytes)/megabyte/m.took.Seconds()),
			fmt.Sprintf("%.2f", m.cpu.Seconds()), fmt.Sprintf("%.0f", float64(m.peak)/mebibyte),
			fmt.Sprintf("%.2f", quantile(until.took, 0.5).Seconds()), fmt.Sprintf("%.2f", quantile(until.took, 0.99).Seconds()),
			fmt.Sprintf("%.2f", quantile(until.took, 1).Seconds()), fmt.Sprintf("<= %.1f", wantArrive.Seconds()))
		to.sum(summed{
			what: "archive, from a write " + until.name + ": p99", unit: "s", digits: 2,
			sidecar: quantile(until.took, 0.99).Seconds(), wanted: atMost(wantArrive.Seconds()),
		})
	}
}

func (r *archiveReport) addWeights(to *sheet) {
	t := to.table("base MiB", "MiB in the store", "seconds to ship", "CPU s", "peak MiB before", "peak MiB", "wanted")
	for _, w := range r.weights {
		t.row(fmt.Sprintf("%.0f", float64(w.bytes)/mebibyte), fmt.Sprintf("%.0f", float64(w.stored)/mebibyte), fmt.Sprintf("%.2f", w.took.Seconds()),
			fmt.Sprintf("%.2f", w.cpu.Seconds()), fmt.Sprintf("%.0f", float64(w.taken)/mebibyte), fmt.Sprintf("%.0f", float64(w.shipped)/mebibyte),
			fmt.Sprintf("<= %d", wantArchiveMemory/mebibyte))
		to.sum(summed{
			what: fmt.Sprintf("archive, a base of %.0f MiB taken and shipped: peak memory", float64(w.bytes)/mebibyte), unit: "MiB",
			sidecar: float64(w.shipped) / mebibyte, wanted: atMost(wantArchiveMemory / mebibyte),
		})
	}
}

func (r *archiveReport) addCounted(to *sheet) {
	kinds := []string{"put", "get", "list", "delete", "sweep"}
	t := to.table(append([]string{"requests a minute with a ship-interval of", "seconds"}, kinds...)...)
	for _, c := range r.counted {
		cells := []string{c.interval.String(), fmt.Sprintf("%.0f", c.took.Seconds())}
		for _, kind := range kinds {
			cells = append(cells, fmt.Sprintf("%.1f", float64(c.requests[kind])/c.took.Minutes()))
		}
		t.row(cells...)
	}
}
