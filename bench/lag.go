package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

const (
	lagRate = 20_000_000 // bytes of stream a second
	// lagAlone is how long it ingests without a rewrite, a quick look not less than lagLeast, before the first of lagRewrites, which follow each other.
	lagAlone    = 20 * time.Second
	lagLeast    = 2 * time.Second
	lagRewrites = 3
)

// lag is how far stable storage was behind the stream.
type lag struct {
	name     string
	rewrites int // that ran meanwhile, one after the other
	took     time.Duration
	bytes    int64           // of the stream
	behind   []time.Duration // one every nudgeEvery: how long the first byte is due that is not known to be durable
	cpu      time.Duration
	peak     int64 // resident bytes, since the process began
}

// lagAll measures a paced stream without a rewrite, and then with some, each of which folds what came before into a base of a gibibyte and more.
func (b *bench) lagAll(ctx context.Context, r *report) (err error) {
	ctx, cancel := context.WithTimeout(ctx, rewritePatience)
	defer cancel()
	if err := settle(b.dir); err != nil {
		return err
	}
	alive, s, err := b.open(ctx, sidecar(b.sidecar), policyEverySec, int64(b.scaled(snapshotBytes)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	p := pacer{session: s, recorder: newRecorder(9, lagRate), rate: lagRate}

	alone, stop := context.WithTimeout(alive, b.lasting(lagAlone, lagLeast))
	defer stop()
	measured, err := p.until(alive, alone.Done())
	if err != nil {
		return err
	}
	measured.name = "alone"
	b.lagged(r, measured)

	var rewriting error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		rewriting = b.askForRewrites(alive, s.dir, lagRewrites)
	}()
	measured, err = p.until(alive, ended)
	<-ended // the process is alive, or no longer answers
	if err := errors.Join(err, rewriting); err != nil {
		return err
	}
	measured.name, measured.rewrites = "while rewrites run", lagRewrites
	b.lagged(r, measured)
	return nil
}

// lagged adds what was measured to the report.
func (b *bench) lagged(r *report, m lag) {
	b.say("ingest %s: %.1f MB/s for %.1f s, durable at most %.2f s behind, peak %d MiB",
		m.name, m.rate()/megabyte, m.took.Seconds(), slices.Max(m.behind).Seconds(), m.peak/mebibyte)
	r.lags = append(r.lags, m)
}

func (m lag) rate() float64 { return float64(m.bytes) / m.took.Seconds() }

// askForRewrites has the sidecar that runs in dir rewrite its log so many times.
func (b *bench) askForRewrites(ctx context.Context, dir string, times int) error {
	asking, err := os.MkdirTemp(b.dir, "run")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	for range times {
		_, err = finish(ctx, asking, []string{b.sidecar, "rewrite", "--wait", "--set", "control.socket=" + filepath.Join(dir, "s")})
		if err != nil {
			break
		}
	}
	return errors.Join(err, os.RemoveAll(asking))
}

// pacer sends a stream that it makes as it goes, at rate bytes a second.
type pacer struct {
	*session

	recorder *recorder
	rate     float64
	sent     int64 // the offset of the last command that was sent, GETACK left out
}

// until sends until done, and measures meanwhile. Bytes that the socket does not take are due all the same. The first ones are due at once.
func (p *pacer) until(ctx context.Context, done <-chan struct{}) (lag, error) {
	ticker := time.NewTicker(nudgeEvery)
	defer ticker.Stop()
	cpu, err := p.child.cpu()
	if err != nil {
		return lag{}, err
	}
	var m lag
	begin, from := time.Now(), p.link.next
	due := func(offset int64) time.Duration {
		return time.Duration(float64(offset-from) / p.rate * float64(time.Second))
	}
	for {
		if err := p.send(from + int64(time.Since(begin).Seconds()*p.rate)); err != nil {
			return m, p.link.because(ctx, err)
		}
		select {
		case <-ctx.Done():
			return m, context.Cause(ctx)
		case <-ticker.C:
		}
		seen, err := p.link.last()
		if err != nil {
			return m, err
		}
		m.behind = append(m.behind, time.Since(begin)-due(max(from, seen.fack)))
		select {
		case <-done:
			m.took, m.bytes = time.Since(begin), p.link.next-from
			after, err := p.child.cpu()
			if err != nil {
				return m, err
			}
			m.cpu = after - cpu
			m.peak, err = p.child.peak()
			return m, err
		default:
		}
	}
}

// send sends whole commands up to an offset, and asks what is durable.
func (p *pacer) send(to int64) error {
	r := p.recorder
	for r.out = r.out[:0]; p.link.next+int64(len(r.out)) < to; {
		r.mixed(r.commands + 100)
	}
	p.sent = p.link.next + int64(len(r.out))
	r.out = resp.AppendCommandStrings(r.out, "REPLCONF", "GETACK", "*")
	return p.link.stream(r.out)
}
