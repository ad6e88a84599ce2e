package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aofsidecar/aofsidecar/aof"
)

// rewriteDescs are the metrics that show how rewrites go; see [Events] for those that count them.
type rewriteDescs struct {
	running, done, total, failures, wait *prometheus.Desc
	seconds, before, after, keys, passes *prometheus.Desc
	carried                              *prometheus.Desc
}

func newRewriteDescs(desc func(name, help string, labels ...string) *prometheus.Desc) rewriteDescs {
	return rewriteDescs{
		running:  desc("rewrite_running", "1 while a rewrite is under way."),
		done:     desc("rewrite_progress_bytes", "Bytes that the rewrite under way has read; 0 without one."),
		total:    desc("rewrite_total_bytes", "Bytes that it reads in all, as far as known."),
		failures: desc("rewrite_failures_in_row", "Rewrites that failed since the last one that did not."),
		wait:     desc("rewrite_next_try_seconds", "How long no rewrite begins by itself, after failures."),
		seconds:  desc("rewrite_last_duration_seconds", "How long the last rewrite took. This and the following are absent before the first."),
		before:   desc("rewrite_last_before_bytes", "Size of the base and the increments that it folded."),
		after:    desc("rewrite_last_after_bytes", "Size of the base that they became."),
		keys:     desc("rewrite_last_keys", "Keys that it copied as they were, ran commands on (touched), or carried the commands of.", "what"),
		passes:   desc("rewrite_last_passes", "How often it read the increments; more than once where memory was short."),
		carried:  desc("rewrite_last_carried_bytes", "Size of the commands that it carried."),
	}
}

func (d *rewriteDescs) describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		d.running, d.done, d.total, d.failures, d.wait, d.seconds, d.before, d.after, d.keys, d.passes, d.carried,
	} {
		out <- desc
	}
}

func (d *rewriteDescs) collect(r aof.RewriteStatus, gauge func(*prometheus.Desc, float64, ...string)) {
	gauge(d.running, oneIf(r.Running))
	gauge(d.done, float64(r.DoneBytes))
	gauge(d.total, float64(r.TotalBytes))
	gauge(d.failures, float64(r.InRow))
	var wait time.Duration
	if !r.NextTry.IsZero() {
		wait = max(0, time.Until(r.NextTry))
	}
	gauge(d.wait, wait.Seconds())
	last := r.Last
	if last == nil || last.Nothing {
		return
	}
	gauge(d.seconds, last.Took.Seconds())
	gauge(d.before, float64(last.Before))
	gauge(d.after, float64(last.After))
	gauge(d.keys, float64(last.Copied), "copied")
	gauge(d.keys, float64(last.Touched), "touched")
	gauge(d.keys, float64(last.Carried), "carried")
	gauge(d.passes, float64(last.Passes))
	gauge(d.carried, float64(last.CarriedBytes))
}
