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

func (r *archiveReport) write(out *printer) {
	if len(r.moves) > 0 {
		r.writeMoves(out)
		r.writeMoveRatios(out)
	}
	if len(r.pieces) > 0 {
		r.writePieces(out)
	}
	if len(r.arrival.stored) > 0 {
		r.writeArrival(out)
	}
	if len(r.weights) > 0 {
		r.writeWeights(out)
	}
	if len(r.counted) > 0 {
		r.writeCounted(out)
	}
}

func (r *archiveReport) writeMoves(out *printer) {
	t := out.table("archive", "by", "MB", "MB in the store", "seconds", "MB/s", "CPU s", "peak MiB")
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
	t.end()
}

func (r *archiveReport) writeMoveRatios(out *printer) {
	t := out.table("archive", "by", "the sidecar's", "is", "wanted")
	for _, direction := range []string{nameShip, nameRestore} {
		for _, who := range []string{nameZstd, nameNone} {
			t.row(direction, who, "throughput / plain's", fmt.Sprintf("%.2f", medianOf(r.moves, func(m moves) float64 {
				return m[direction][who].rate() / m[direction][namePlain].rate()
			})), fmt.Sprintf(">= %.1f", wantOfPlain))
		}
	}
	t.end()
}

func (r *archiveReport) writePieces(out *printer) {
	t := out.table("restore of", "objects", "MB", "seconds", "CPU s", "peak MiB", "time / merged's", "wanted")
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
	t.end()
}

func (r *archiveReport) writeArrival(out *printer) {
	t := out.table("from a write", "seconds", "MB/s", "CPU s", "peak MiB", "p50 s", "p99 s", "at most s", "p99 wanted")
	m := r.arrival
	for _, until := range []struct {
		name string
		took []time.Duration
	}{{"to its object in the store", m.stored}, {"to FACK, fack: shipped", m.facks}} {
		t.row(until.name, fmt.Sprintf("%.0f", m.took.Seconds()), fmt.Sprintf("%.1f", float64(m.bytes)/megabyte/m.took.Seconds()),
			fmt.Sprintf("%.2f", m.cpu.Seconds()), fmt.Sprintf("%.0f", float64(m.peak)/mebibyte),
			fmt.Sprintf("%.2f", quantile(until.took, 0.5).Seconds()), fmt.Sprintf("%.2f", quantile(until.took, 0.99).Seconds()),
			fmt.Sprintf("%.2f", quantile(until.took, 1).Seconds()), fmt.Sprintf("<= %.1f", wantArrive.Seconds()))
	}
	t.end()
}

func (r *archiveReport) writeWeights(out *printer) {
	t := out.table("base MiB", "MiB in the store", "seconds to ship", "CPU s", "peak MiB before", "peak MiB", "wanted")
	for _, w := range r.weights {
		t.row(fmt.Sprintf("%.0f", float64(w.bytes)/mebibyte), fmt.Sprintf("%.0f", float64(w.stored)/mebibyte), fmt.Sprintf("%.2f", w.took.Seconds()),
			fmt.Sprintf("%.2f", w.cpu.Seconds()), fmt.Sprintf("%.0f", float64(w.taken)/mebibyte), fmt.Sprintf("%.0f", float64(w.shipped)/mebibyte),
			fmt.Sprintf("<= %d", wantArchiveMemory/mebibyte))
	}
	t.end()
}

func (r *archiveReport) writeCounted(out *printer) {
	kinds := []string{"put", "get", "list", "delete", "sweep"}
	t := out.table(append([]string{"ship-interval", "seconds"}, kinds...)...)
	for _, c := range r.counted {
		cells := []string{c.interval.String(), fmt.Sprintf("%.0f", c.took.Seconds())}
		for _, kind := range kinds {
			cells = append(cells, fmt.Sprintf("%.1f", float64(c.requests[kind])/c.took.Minutes()))
		}
		t.row(cells...)
	}
	t.end()
	out.line("")
	out.line("Requests a minute, by kind.")
}
