package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// run measures the chosen parts, prints their tables, and puts the newest of each part into the page.
func (b *bench) run(ctx context.Context, stdout io.Writer) (err error) {
	if err := b.prepare(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	results, err := b.measureAll(ctx)
	for _, r := range results {
		if _, err := fmt.Fprintf(stdout, "\n%s, %s, load before %s\n", r.Part, r.Machine.Commit, r.Load); err != nil {
			return fmt.Errorf("write tables: %w", err)
		}
		if err := writeTables(stdout, append(r.Sheet.Tables, summaryTable([]sheet{r.Sheet}))); err != nil {
			return err
		}
	}
	if b.page != "" {
		err = errors.Join(err, b.writePage())
	}
	return err
}

// prepare makes the temporary directory, and all paths absolute: children run in directories of their own.
func (b *bench) prepare() error {
	var err error
	if b.self, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	for _, path := range []*string{&b.sidecar, &b.replica, &b.dir, &b.profiles, &b.results, &b.page} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return fmt.Errorf("find %s: %w", *path, err)
		}
	}
	if b.dir, err = os.MkdirTemp(b.dir, "bench"); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return nil
}

// scaled returns n for the whole run's scale.
func (b *bench) scaled(n int) int { return max(1, int(float64(n)*b.scale)) }

// lasting returns how long something is measured. A quick look is shorter than a full run, but not shorter than least, unless its scale is so
// small that all that it shows is that everything runs.
func (b *bench) lasting(full, least time.Duration) time.Duration {
	const quick = 0.01
	return max(time.Duration(float64(least)*min(1, b.scale/quick)), time.Duration(float64(full)*b.scale))
}

// fast lists those who keep up with a long stream.
func (b *bench) fast() []consumer { return []consumer{bareCopy(b.self), sidecar(b.sidecar)} }

// all lists those who are compared.
func (b *bench) all() []consumer {
	if b.replica == "" {
		return b.fast()
	}
	return append(b.fast(), realReplica(b.replica))
}

// ingestMixed and ingestIncr compare all with the two streams that something is wanted of, under each policy.
func (b *bench) ingestMixed(ctx context.Context, r *report) error {
	return b.compare(ctx, r, recordMixed(b.scaled(mixedCommands)), b.all())
}

func (b *bench) ingestIncr(ctx context.Context, r *report) error {
	return b.compare(ctx, r, recordIncr(b.scaled(incrCommands)), b.all())
}

// ingestPublish compares all with a stream that is half messages.
func (b *bench) ingestPublish(ctx context.Context, r *report) error {
	return b.repeat(ctx, r, series{policy: policyEverySec}, recordPublish(b.scaled(pubCommands)), b.all(), b.rounds)
}

// ingestLong compares the fast ones with a stream that lasts for some syncs.
func (b *bench) ingestLong(ctx context.Context, r *report) error {
	return b.repeat(ctx, r, series{policy: policyEverySec}, recordMixed(b.scaled(mixedCommands)).again(longTimes), b.fast(), b.rounds)
}

// compare measures all consumers under each policy.
func (b *bench) compare(ctx context.Context, r *report, rec *recording, compared []consumer) error {
	for _, policy := range b.policies {
		rounds := b.rounds
		if policy != policyEverySec {
			rounds = 1
		}
		if err := b.repeat(ctx, r, series{policy: policy, judged: policy == policyEverySec}, rec, compared, rounds); err != nil {
			return err
		}
	}
	return nil
}

// repeat measures some rounds of a series and adds it to the report.
func (b *bench) repeat(ctx context.Context, r *report, s series, rec *recording, compared []consumer, rounds int) error {
	s.recording = rec.name
	for range rounds {
		got := round{}
		for _, c := range compared {
			m, err := b.ingest(ctx, c, rec, s.policy)
			if err != nil {
				return fmt.Errorf("%s of %s under %s: %w", c.name, rec.name, s.policy, err)
			}
			b.say("%-14s %-9s %-13s %6.0f MB/s, %5.2f CPU s, peak %4.0f MiB",
				rec.name, s.policy, c.name, m.rate()/megabyte, m.cpu.Seconds(), float64(m.peak)/mebibyte)
			got[c.name] = m
		}
		s.rounds = append(s.rounds, got)
	}
	r.series = append(r.series, s)
	return nil
}

func (b *bench) rememberAll(ctx context.Context, r *report) error {
	mixed, large := recordMixed(b.scaled(mixedCommands)), recordLarge(largeValues, b.scaled(largeBytes))
	for _, size := range []int{0, b.scaled(snapshotBytes)} {
		m, err := b.remembers(ctx, int64(size), mixed, large)
		if err != nil {
			return err
		}
		b.say("snapshot of %d MiB: peak %d MiB, then %d MiB", m.snapshotBytes/mebibyte, m.peakSnapshot/mebibyte, m.peak/mebibyte)
		r.memory = append(r.memory, m)
	}
	return nil
}

func (b *bench) restartAll(ctx context.Context, r *report) error {
	rec := recordLookalikes(b.scaled(restartCommands))
	for _, s := range []struct {
		name   string
		forget bool
	}{{"after kill -9", false}, {"as after a reboot", true}} {
		runs, err := b.restarted(ctx, rec, int64(b.scaled(incrementBytes)), s.forget)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for _, run := range runs {
			b.say("restart %s: %.2f s to PSYNC, %.2f s to ACK, %d bytes again", s.name, run.asked.Seconds(), run.streaming.Seconds(), run.resent)
		}
		r.restarts = append(r.restarts, restartSeries{name: s.name, runs: slices.Clip(runs)})
	}
	return nil
}

// say tells who waits what is going on.
func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.progress, time.Now().Format("15:04:05 ")+format+"\n", args...) // nobody may be there
}
