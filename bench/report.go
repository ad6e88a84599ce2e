package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// What is wanted of the sidecar under everysec; docs/benchmarks.md says why.
const (
	wantOfCopy      = 0.5
	wantOfReplica   = 10
	wantCPU         = 0.1
	wantMemory      = 64 << 20
	wantRestartSecs = 2
)

const (
	megabyte = 1e6
	gigabyte = 1e9
	mebibyte = 1 << 20
)

// round is one measurement of each consumer, by its name.
type round map[string]measurement

// series is all rounds of one recording under one policy, at least one. Its ratios are medians of those within a round, so that a
// slow minute does not bend them.
type series struct {
	recording string
	policy    string
	judged    bool // something is wanted of it
	rounds    []round
}

// report is all that a part found.
type report struct {
	series   []series
	memory   []memory
	restarts []restartSeries
	rewrites []rewriteSeries
	lags     []lag
	lives    []liveSeries
	facks    []fackTimes
	paces    []pace
	sizes    []sized
	archive  archiveReport
}

// restartSeries is all restarts of one kind.
type restartSeries struct {
	name string
	runs []restart
}

// consumers lists the names in the order of the table.
func consumers() []string { return []string{nameCopy, nameSidecar, nameReplica} }

// sheet returns what was found as it is shown.
func (r *report) sheet() sheet {
	to := &sheet{}
	if len(r.series) > 0 {
		r.addTable(to)
		r.addRatios(to)
		r.sumSeries(to)
	}
	if len(r.memory) > 0 {
		r.addMemory(to)
	}
	if len(r.restarts) > 0 {
		r.addRestarts(to)
	}
	if len(r.lives) > 0 {
		r.addLives(to)
	}
	if len(r.facks) > 0 {
		r.addFacks(to)
	}
	if len(r.paces) > 0 {
		r.addPaces(to)
	}
	if len(r.sizes) > 0 {
		r.addSizes(to)
	}
	if len(r.rewrites) > 0 {
		r.addRewrites(to)
		r.addRewriteRatios(to)
		r.sumRewrites(to)
	}
	if len(r.lags) > 0 {
		r.addLags(to)
	}
	r.archive.add(to)
	return *to
}

func (r *report) addTable(to *sheet) {
	t := to.table("stream", "appendfsync", "consumer", "MB", "seconds", "MB/s", "CPU s", "CPU s/GB", "peak MiB")
	for _, s := range r.series {
		for _, name := range consumers() {
			if !s.has(name) {
				continue
			}
			m := s.median(name)
			t.row(s.recording, s.policy, name,
				fmt.Sprintf("%.0f", float64(m.bytes)/megabyte), fmt.Sprintf("%.2f", m.took.Seconds()), fmt.Sprintf("%.0f", m.rate()/megabyte),
				fmt.Sprintf("%.2f", m.cpu.Seconds()), fmt.Sprintf("%.2f", m.cpuPerByte()*gigabyte), fmt.Sprintf("%.0f", float64(m.peak)/mebibyte))
		}
	}
}

func (r *report) addRatios(to *sheet) {
	t := to.table("stream", "appendfsync", "the sidecar's", "is", "wanted")
	for _, s := range r.series {
		row := func(what, format string, of func(round) float64, wanted string) {
			if !s.judged {
				wanted = "-"
			}
			t.row(s.recording, s.policy, what, fmt.Sprintf(format, medianOf(s.rounds, of)), wanted)
		}
		row("throughput / bare copy's", "%.2f", func(r round) float64 {
			return r[nameSidecar].rate() / r[nameCopy].rate()
		}, fmt.Sprintf(">= %.1f", wantOfCopy))
		if s.has(nameReplica) {
			row("throughput / real replica's", "%.1f", func(r round) float64 {
				return r[nameSidecar].rate() / r[nameReplica].rate()
			}, fmt.Sprintf(">= %d", wantOfReplica))
			row("CPU a byte / real replica's", "%.3f", func(r round) float64 {
				return r[nameSidecar].cpuPerByte() / r[nameReplica].cpuPerByte()
			}, fmt.Sprintf("<= %.1f", wantCPU))
		}
		row("peak MiB", "%.0f", func(r round) float64 {
			return float64(r[nameSidecar].peak) / mebibyte
		}, fmt.Sprintf("<= %d", wantMemory/mebibyte))
	}
}

// sumSeries sums up what was measured under everysec, the default.
func (r *report) sumSeries(to *sheet) {
	for _, s := range r.series {
		if s.policy != policyEverySec {
			continue
		}
		row := func(name, unit string, digits int, of func(measurement) float64, ofCopy, ofReplica, itself bound) {
			n := summed{what: "ingest, " + s.recording + ": " + name, unit: unit, digits: digits, sidecar: of(s.median(nameSidecar))}
			n.plain = s.against(nameCopy, of, ofCopy, s.judged)
			if s.has(nameReplica) {
				n.server = s.against(nameReplica, of, ofReplica, s.judged)
			}
			if s.judged {
				n.wanted = itself
			}
			to.sum(n)
		}
		row("throughput", "MB/s", 0, func(m measurement) float64 { return m.rate() / megabyte }, least(wantOfCopy), least(wantOfReplica), bound{})
		row("processor", "s/GB", 2, func(m measurement) float64 { return m.cpuPerByte() * gigabyte }, bound{}, atMost(wantCPU), bound{})
		row("peak memory", "MiB", 0, func(m measurement) float64 { return float64(m.peak) / mebibyte }, bound{}, bound{}, atMost(wantMemory/mebibyte))
	}
}

// against is what the sidecar is held against.
func (s series) against(name string, of func(measurement) float64, wanted bound, judged bool) against {
	if !judged {
		wanted = bound{}
	}
	ratio := medianOf(s.rounds, func(r round) float64 { return of(r[nameSidecar]) / of(r[name]) })
	return against{value: of(s.median(name)), ratio: ratio, wanted: wanted}
}

func (r *report) addMemory(to *sheet) {
	t := to.table("snapshot MiB", "keys", "seconds", "MB/s", "CPU s", "peak MiB", "peak MiB after streams", "wanted")
	for _, m := range r.memory {
		t.row(fmt.Sprintf("%.0f", float64(m.snapshotBytes)/mebibyte), fmt.Sprint(m.keys), fmt.Sprintf("%.2f", m.took.Seconds()),
			fmt.Sprintf("%.0f", float64(m.snapshotBytes)/megabyte/m.took.Seconds()), fmt.Sprintf("%.2f", m.cpu.Seconds()),
			fmt.Sprintf("%.0f", float64(m.peakSnapshot)/mebibyte), fmt.Sprintf("%.0f", float64(m.peak)/mebibyte), fmt.Sprintf("<= %d", wantMemory/mebibyte))
		to.sum(summed{
			what: fmt.Sprintf("snapshot of %.0f MiB, then streams: peak memory", float64(m.snapshotBytes)/mebibyte), unit: "MiB",
			sidecar: float64(m.peak) / mebibyte, wanted: atMost(wantMemory / mebibyte),
		})
	}
}

func (r *report) addRestarts(to *sheet) {
	t := to.table("restart", "increment MiB", "times", "seconds to PSYNC", "to the first ACK", "sent again MiB at most", "wanted")
	for _, s := range r.restarts {
		seconds := func(of func(restart) time.Duration) string {
			return fmt.Sprintf("%.2f", medianOf(s.runs, of).Seconds())
		}
		t.row(s.name, fmt.Sprintf("%.0f", float64(medianOf(s.runs, func(r restart) int64 { return r.increment }))/mebibyte), fmt.Sprint(len(s.runs)),
			seconds(func(r restart) time.Duration { return r.asked }), seconds(func(r restart) time.Duration { return r.streaming }),
			fmt.Sprintf("%.1f", float64(s.resent())/mebibyte), fmt.Sprintf("< %d", wantRestartSecs))
		to.sum(summed{
			what: "restart " + s.name + ": to the first ACK", unit: "s", digits: 2,
			sidecar: medianOf(s.runs, func(r restart) time.Duration { return r.streaming }).Seconds(), wanted: atMost(wantRestartSecs),
		})
	}
}

// resent is the most that was asked for again: what a crash leaves unproven depends on how long ago the last mark was, and the first of them comes soon after the largest part.
func (s restartSeries) resent() int64 {
	return slices.MaxFunc(s.runs, func(x, y restart) int { return cmp.Compare(x.resent, y.resent) }).resent
}

// median returns the median of each number of one consumer.
func (s series) median(consumer string) measurement {
	of := func(r round) measurement { return r[consumer] }
	return measurement{
		bytes: medianOf(s.rounds, func(r round) int64 { return of(r).bytes }),
		took:  medianOf(s.rounds, func(r round) time.Duration { return of(r).took }),
		cpu:   medianOf(s.rounds, func(r round) time.Duration { return of(r).cpu }),
		peak:  medianOf(s.rounds, func(r round) int64 { return of(r).peak }),
	}
}

// has reports whether the consumer was measured.
func (s series) has(consumer string) bool {
	_, there := s.rounds[0][consumer]
	return there
}

// medianOf returns the lower median of what of gives for each element; there is at least one.
func medianOf[E any, T cmp.Ordered](list []E, of func(E) T) T {
	values := make([]T, 0, len(list))
	for _, e := range list {
		values = append(values, of(e))
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}
