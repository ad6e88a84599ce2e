package main

import (
	"fmt"
	"slices"
	"time"
)

// wantLagSecs is how long nothing may take longer to be durable under everysec, at lagRate, with or without a rewrite.
const wantLagSecs = 2

// rewriteSeries is all rounds of one case of a rewrite, at least one.
type rewriteSeries struct {
	name            string
	base, increment int64 // bytes
	verified        bool  // the digests were equal
	wanted          rewriteWanted
	rounds          []map[string]rewritten // by name
}

// has reports whether it was measured.
func (s rewriteSeries) has(name string) bool {
	_, there := s.rounds[0][name]
	return there
}

// median returns the median of each number.
func (s rewriteSeries) median(name string) rewritten {
	return rewritten{
		took:   medianOf(s.rounds, func(r map[string]rewritten) time.Duration { return r[name].took }),
		loaded: medianOf(s.rounds, func(r map[string]rewritten) time.Duration { return r[name].loaded }),
		cpu:    medianOf(s.rounds, func(r map[string]rewritten) time.Duration { return r[name].cpu }),
		peak:   medianOf(s.rounds, func(r map[string]rewritten) int64 { return r[name].peak }),
		base:   medianOf(s.rounds, func(r map[string]rewritten) int64 { return r[name].base }),
	}
}

// ratio returns the median of the sidecar's number by the other's.
func (s rewriteSeries) ratio(other string, of func(rewritten) float64) float64 {
	return medianOf(s.rounds, func(r map[string]rewritten) float64 { return of(r[nameSidecar]) / of(r[other]) })
}

func (r *report) addRewrites(to *sheet) {
	t := to.table("rewrite", "by", "base MB", "increment MB", "new base MB", "seconds", "of them loading", "CPU s", "peak MiB")
	orNone := func(format string, value float64) string {
		if value == 0 {
			return "-"
		}
		return fmt.Sprintf(format, value)
	}
	for _, s := range r.rewrites {
		for _, name := range []string{nameCp, nameSidecar, nameServer} {
			if !s.has(name) {
				continue
			}
			m := s.median(name)
			t.row(s.name, name, fmt.Sprintf("%.0f", float64(s.base)/megabyte), fmt.Sprintf("%.0f", float64(s.increment)/megabyte),
				orNone("%.0f", float64(m.base)/megabyte), fmt.Sprintf("%.2f", m.took.Seconds()), orNone("%.2f", m.loaded.Seconds()),
				fmt.Sprintf("%.2f", m.cpu.Seconds()), fmt.Sprintf("%.0f", float64(m.peak)/mebibyte))
		}
	}
}

func (r *report) addRewriteRatios(to *sheet) {
	t := to.table("rewrite", "the sidecar's", "is", "wanted")
	seconds := func(m rewritten) float64 { return m.took.Seconds() }
	for _, s := range r.rewrites {
		row := func(what, other string, of func(rewritten) float64, wanted float64) {
			if s.has(other) {
				t.row(s.name, what, fmt.Sprintf("%.2f", s.ratio(other, of)), fmt.Sprintf("<= %.2f", wanted))
			}
		}
		row("time / cp's", nameCp, seconds, s.wanted.ofCopy)
		row("time / server's", nameServer, seconds, s.wanted.ofServer)
		row("peak / server's", nameServer, func(m rewritten) float64 { return float64(m.peak) }, s.wanted.memory)
		if s.verified {
			t.row(s.name, "DEBUG DIGEST", "equal", "equal")
		}
	}
}

// sumRewrites sums up time, processor and memory. The plain way is a copy of the base.
func (r *report) sumRewrites(to *sheet) {
	for _, s := range r.rewrites {
		row := func(name, unit string, digits int, of func(rewritten) float64, ofCopy, ofServer bound) {
			n := summed{what: "rewrite, " + s.name + ": " + name, unit: unit, digits: digits, sidecar: of(s.median(nameSidecar))}
			if s.has(nameCp) && name != "peak memory" {
				n.plain = against{value: of(s.median(nameCp)), ratio: s.ratio(nameCp, of), wanted: ofCopy}
			}
			if s.has(nameServer) {
				n.server = against{value: of(s.median(nameServer)), ratio: s.ratio(nameServer, of), wanted: ofServer}
			}
			to.sum(n)
		}
		ofCopy := bound{}
		if s.wanted.ofCopy > 0 {
			ofCopy = atMost(s.wanted.ofCopy)
		}
		row("time", "s", 2, func(m rewritten) float64 { return m.took.Seconds() }, ofCopy, atMost(s.wanted.ofServer))
		row("processor", "s", 2, func(m rewritten) float64 { return m.cpu.Seconds() }, bound{}, bound{})
		row("peak memory", "MiB", 0, func(m rewritten) float64 { return float64(m.peak) / mebibyte }, bound{}, atMost(s.wanted.memory))
	}
}

func (r *report) addLags(to *sheet) {
	t := to.table("ingest", "rewrites", "seconds", "MB/s", "CPU s", "peak MiB", "seconds to durable", "at most", "wanted")
	for _, m := range r.lags {
		median := medianOf(m.behind, func(d time.Duration) time.Duration { return d })
		t.row(m.name, fmt.Sprint(m.rewrites), fmt.Sprintf("%.1f", m.took.Seconds()), fmt.Sprintf("%.1f", m.rate()/megabyte),
			fmt.Sprintf("%.2f", m.cpu.Seconds()), fmt.Sprintf("%.0f", float64(m.peak)/mebibyte),
			fmt.Sprintf("%.2f", median.Seconds()), fmt.Sprintf("%.2f", slices.Max(m.behind).Seconds()), fmt.Sprintf("<= %d", wantLagSecs))
		to.sum(summed{
			what: fmt.Sprintf("ingest of %.0f MB/s %s: durable at most behind", m.rate()/megabyte, m.name), unit: "s", digits: 2,
			sidecar: slices.Max(m.behind).Seconds(), wanted: atMost(wantLagSecs),
		})
	}
}
