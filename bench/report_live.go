package main

import (
	"fmt"
	"time"
)

func seconds(d time.Duration) string      { return fmt.Sprintf("%.2f", d.Seconds()) }
func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1e3) }
func mebibytes(n int64) string            { return fmt.Sprintf("%.0f", float64(n)/mebibyte) }

// orAbsent is what a number of nobody is shown as.
func orAbsent(there bool, text string) string {
	if !there {
		return absent
	}
	return text
}

func companionNames() []string { return []string{nameNobody, nameOwnAOF, nameReplica, nameSidecar} }

func (s liveSeries) median(name string, of func(lived) float64) float64 {
	return medianOf(s.rounds, func(r map[string]lived) float64 { return of(r[name]) })
}

// against is what an upstream with the sidecar is held against.
func (s liveSeries) against(name string, of func(lived) float64) against {
	return against{value: s.median(name, of), ratio: medianOf(s.rounds, func(r map[string]lived) float64 { return of(r[nameSidecar]) / of(r[name]) })}
}

func (r *report) addLives(to *sheet) {
	for _, s := range r.lives {
		s.addTable(to)
	}
	for _, s := range r.lives {
		s.addRatios(to)
		s.sum(to)
	}
}

func (s liveSeries) addTable(to *sheet) {
	t := to.table("upstream at", "beside it", "commands/s", "p50 ms", "p99 ms", "its CPU s/million", "its peak MiB",
		"stream MB", "CPU s/GB beside it", "peak MiB beside it", "s behind at the end")
	for _, name := range companionNames() {
		cell := func(digits int, of func(lived) float64) string {
			return fmt.Sprintf("%.*f", digits, s.median(name, of))
		}
		streams := name == nameReplica || name == nameSidecar
		t.row(s.name, name, cell(0, lived.commandsPerSecond),
			cell(2, func(m lived) float64 { return quantile(m.latency, 0.5).Seconds() * 1e3 }), cell(2, p99Millis),
			cell(2, lived.cpuPerMillion), cell(0, func(m lived) float64 { return float64(m.upstreamPeak) / mebibyte }),
			orAbsent(streams, cell(0, func(m lived) float64 { return float64(m.stream) / megabyte })),
			orAbsent(streams, cell(2, func(m lived) float64 { return m.cpuPerStreamedByte() * gigabyte })),
			orAbsent(streams, cell(0, func(m lived) float64 { return float64(m.consumerPeak) / mebibyte })),
			orAbsent(streams, cell(2, func(m lived) float64 { return m.behind.Seconds() })))
	}
}

func p99Millis(m lived) float64 { return m.p99().Seconds() * 1e3 }

func (s liveSeries) addRatios(to *sheet) {
	t := to.table("upstream at", "beside it", "throughput / with nobody", "p99 / with nobody", "its CPU / with nobody")
	for _, name := range companionNames()[1:] {
		ratio := func(of func(lived) float64) string {
			return fmt.Sprintf("%.2f", medianOf(s.rounds, func(r map[string]lived) float64 { return of(r[name]) / of(r[nameNobody]) }))
		}
		t.row(s.name, name, ratio(lived.commandsPerSecond), ratio(p99Millis), ratio(lived.cpuPerMillion))
	}
}

// sum sums up what clients see, and what runs beside an upstream takes. The plain way is to have nobody beside it.
func (s liveSeries) sum(to *sheet) {
	row := func(name, unit string, digits int, of func(lived) float64, alone bool) {
		n := summed{what: "upstream at " + s.name + ": " + name, unit: unit, digits: digits, sidecar: s.median(nameSidecar, of), server: s.against(nameReplica, of)}
		if alone {
			n.plain = s.against(nameNobody, of)
		}
		to.sum(n)
	}
	if s.full {
		row("throughput", "commands/s", 0, lived.commandsPerSecond, true)
	}
	row("p99", "ms", 2, p99Millis, true)
	row("its processor", "s/million", 2, lived.cpuPerMillion, true)
	row("processor beside it", "s/GB", 2, func(m lived) float64 { return m.cpuPerStreamedByte() * gigabyte }, false)
	row("peak memory beside it", "MiB", 0, func(m lived) float64 { return float64(m.consumerPeak) / mebibyte }, false)
}

func (r *report) addFacks(to *sheet) {
	t := to.table("appendfsync", "from a write until it is", "of", "writes", "p50 ms", "p99 ms", "at most ms")
	for _, m := range r.facks {
		t.row(m.policy, m.until, m.who, fmt.Sprint(len(m.took)), milliseconds(quantile(m.took, 0.5)), milliseconds(quantile(m.took, 0.99)), milliseconds(quantile(m.took, 1)))
	}
	for _, m := range r.facks {
		if m.who != nameSidecar {
			continue
		}
		for _, part := range []float64{0.5, 0.99} {
			n := summed{
				what: fmt.Sprintf("WAITAOF, %s, %s: p%g", m.policy, m.until, part*100), unit: "ms", digits: 1,
				sidecar: quantile(m.took, part).Seconds() * 1e3,
			}
			for _, other := range r.facks {
				if other.who == nameReplica && other.policy == m.policy && other.until == m.until {
					took := quantile(other.took, part).Seconds() * 1e3
					n.server = against{value: took, ratio: n.sidecar / took}
				}
			}
			to.sum(n)
		}
	}
}

func (r *report) addPaces(to *sheet) {
	t := to.table("stream MB/s", "by", "taken MB/s", "% of a core", "CPU s/GB", "peak MiB", "durable s behind, p50", "p99", "at most", "wanted")
	for _, m := range r.paces {
		t.row(fmt.Sprintf("%.0f", m.rate/megabyte), m.who, fmt.Sprintf("%.1f", m.lag.rate()/megabyte), fmt.Sprintf("%.1f", m.share()*100), fmt.Sprintf("%.2f", m.cpuPerGB()),
			mebibytes(m.peak), seconds(quantile(m.behind, 0.5)), seconds(quantile(m.behind, 0.99)), seconds(quantile(m.behind, 1)), fmt.Sprintf("<= %d", wantLagSecs))
		if m.who != nameSidecar {
			continue
		}
		cpu := summed{what: fmt.Sprintf("stream of %.0f MB/s: processor", m.rate/megabyte), unit: "% of a core", digits: 1, sidecar: m.share() * 100}
		behind := summed{
			what: fmt.Sprintf("stream of %.0f MB/s: durable behind, p99", m.rate/megabyte), unit: "s", digits: 2,
			sidecar: quantile(m.behind, 0.99).Seconds(), wanted: atMost(wantLagSecs),
		}
		for _, other := range r.paces {
			if other.who == nameReplica && other.rate == m.rate {
				cpu.server = against{value: other.share() * 100, ratio: m.share() / other.share()}
				late := quantile(other.behind, 0.99).Seconds()
				behind.server = against{value: late, ratio: behind.sidecar / late}
			}
		}
		to.sum(cpu)
		to.sum(behind)
	}
}

// share is the part of a core.
func (m pace) share() float64    { return m.cpu.Seconds() / m.took.Seconds() }
func (m pace) cpuPerGB() float64 { return m.cpu.Seconds() / float64(m.bytes) * gigabyte }

func (r *report) addSizes(to *sheet) {
	t := to.table("data set MiB", "keys", "step", "by", "seconds", "MB/s", "CPU s", "peak MiB")
	for _, s := range r.sizes {
		size := mebibytes(s.base)
		for _, row := range []struct {
			what, who string
			step      step
		}{
			{"full resync", nameSidecar, s.resync},
			{"full resync", nameReplica, s.replicated},
			{nameShip, nameSidecar, s.ship},
			{nameRestore, nameSidecar, s.restore},
			{"rewrite", nameSidecar, s.rewrite},
			{"rewrite", nameServer, s.byServer},
		} {
			there := row.step.took > 0
			t.row(size, fmt.Sprint(s.keys), row.what, row.who, orAbsent(there, seconds(row.step.took)),
				orAbsent(there, fmt.Sprintf("%.0f", float64(s.base)/megabyte/row.step.took.Seconds())), orAbsent(there, seconds(row.step.cpu)), orAbsent(there, mebibytes(row.step.peak)))
		}
		memory := func(what string, of, other step, most float64) {
			if of.took == 0 {
				return
			}
			n := summed{what: fmt.Sprintf("data set of %s MiB, %s: peak memory", size, what), unit: "MiB", sidecar: float64(of.peak) / mebibyte}
			if most > 0 {
				n.wanted = atMost(most)
			}
			if other.took > 0 {
				n.server = against{value: float64(other.peak) / mebibyte, ratio: float64(of.peak) / float64(other.peak)}
			}
			to.sum(n)
		}
		memory("full resync", s.resync, s.replicated, wantMemory/mebibyte)
		memory(nameShip, s.ship, step{}, wantArchiveMemory/mebibyte)
		memory(nameRestore, s.restore, step{}, wantArchiveMemory/mebibyte)
		memory("rewrite", s.rewrite, s.byServer, 0)
	}
}
