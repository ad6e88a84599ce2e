package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
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

// report is all that a run found.
type report struct {
	machine  machine
	series   []series
	memory   []memory
	restarts []restartSeries
	rewrites []rewriteSeries
	lags     []lag
	archive  archiveReport
}

// restartSeries is all restarts of one kind.
type restartSeries struct {
	name string
	runs []restart
}

// consumers lists the names in the order of the table.
func consumers() []string { return []string{nameCopy, nameSidecar, nameReplica} }

// write prints the report as text that is Markdown as well.
func (r *report) write(w io.Writer) error {
	out := &printer{w: w}
	r.machine.write(out)
	if len(r.series) > 0 {
		r.writeTable(out)
		r.writeRatios(out)
	}
	if len(r.memory) > 0 {
		r.writeMemory(out)
	}
	if len(r.restarts) > 0 {
		r.writeRestarts(out)
	}
	if len(r.rewrites) > 0 {
		r.writeRewrites(out)
		r.writeRewriteRatios(out)
	}
	if len(r.lags) > 0 {
		r.writeLags(out)
	}
	r.archive.write(out)
	return out.err
}

func (m machine) write(out *printer) {
	out.line("%s; %d cores of %s, %d GB, %s, %s", m.date.Format("2006-01-02 15:04 MST"), m.cores, m.processor, m.memory/gigabyte, m.kernel, m.fileSystem)
	out.line("%s", m.sidecar)
	if m.replica != "" {
		out.line("%s", m.replica)
	}
}

func (r *report) writeTable(out *printer) {
	t := out.table("stream", "appendfsync", "consumer", "MB", "seconds", "MB/s", "CPU s", "CPU s/GB", "peak MiB")
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
	t.end()
}

func (r *report) writeRatios(out *printer) {
	t := out.table("stream", "appendfsync", "the sidecar's", "is", "wanted")
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
	t.end()
}

func (r *report) writeMemory(out *printer) {
	t := out.table("snapshot MiB", "keys", "seconds", "MB/s", "CPU s", "peak MiB", "peak MiB after streams", "wanted")
	for _, m := range r.memory {
		t.row(fmt.Sprintf("%.0f", float64(m.snapshotBytes)/mebibyte), fmt.Sprint(m.keys), fmt.Sprintf("%.2f", m.took.Seconds()),
			fmt.Sprintf("%.0f", float64(m.snapshotBytes)/megabyte/m.took.Seconds()), fmt.Sprintf("%.2f", m.cpu.Seconds()),
			fmt.Sprintf("%.0f", float64(m.peakSnapshot)/mebibyte), fmt.Sprintf("%.0f", float64(m.peak)/mebibyte), fmt.Sprintf("<= %d", wantMemory/mebibyte))
	}
	t.end()
}

func (r *report) writeRestarts(out *printer) {
	t := out.table("restart", "increment MiB", "times", "seconds to PSYNC", "to the first ACK", "sent again MiB", "wanted")
	for _, s := range r.restarts {
		seconds := func(of func(restart) time.Duration) string {
			return fmt.Sprintf("%.2f", medianOf(s.runs, of).Seconds())
		}
		t.row(s.name, fmt.Sprintf("%.0f", float64(medianOf(s.runs, func(r restart) int64 { return r.increment }))/mebibyte), fmt.Sprint(len(s.runs)),
			seconds(func(r restart) time.Duration { return r.asked }), seconds(func(r restart) time.Duration { return r.streaming }),
			fmt.Sprintf("%.1f", float64(medianOf(s.runs, func(r restart) int64 { return r.resent }))/mebibyte),
			fmt.Sprintf("< %d", wantRestartSecs))
	}
	t.end()
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

// printer keeps the first error of many writes.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// table begins a Markdown table whose columns are aligned for terminals, too.
func (p *printer) table(columns ...string) *table {
	p.line("")
	t := &table{printer: p, tabs: tabwriter.NewWriter(p.w, 0, 0, 1, ' ', 0)}
	t.row(columns...)
	rules := make([]string, len(columns))
	for i, column := range columns {
		rules[i] = strings.Repeat("-", len(column))
	}
	t.row(rules...)
	return t
}

type table struct {
	printer *printer
	tabs    *tabwriter.Writer
}

func (t *table) row(cells ...string) {
	if t.printer.err == nil {
		_, t.printer.err = fmt.Fprintln(t.tabs, "| "+strings.Join(cells, "\t| ")+"\t|")
	}
}

func (t *table) end() {
	if t.printer.err == nil {
		t.printer.err = t.tabs.Flush()
	}
}
