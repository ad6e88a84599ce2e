package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// paceFor is how long each rate is measured by a full run; a quick look not less than paceLeast.
const paceFor, paceLeast = 12 * time.Second, 2 * time.Second

// paceRates are those that are measured, in bytes of stream a second. The last one is more than a real replica takes.
func paceRates() []float64 { return []float64{1e6, 5e6, 20e6, 80e6} }

// pace is what it took to keep up with a rate.
type pace struct {
	lag

	who  string
	rate float64
}

// paceAll measures each rate with a real replica and with the sidecar.
func (b *bench) paceAll(ctx context.Context, r *report) error {
	for _, rate := range paceRates() {
		for _, c := range b.all() {
			if c.bare {
				continue // it tells nothing until the end
			}
			m, err := b.paceOf(ctx, c, rate)
			if err != nil {
				return fmt.Errorf("%s at %.0f MB/s: %w", c.name, rate/megabyte, err)
			}
			b.say("%3.0f MB/s %-13s %5.1f MB/s, %5.2f CPU s, durable p99 %.2f s behind, peak %d MiB", rate/megabyte, c.name,
				m.lag.rate()/megabyte, m.cpu.Seconds(), quantile(m.behind, 0.99).Seconds(), m.peak/mebibyte)
			r.paces = append(r.paces, m)
		}
	}
	return nil
}

func (b *bench) paceOf(ctx context.Context, c consumer, rate float64) (m pace, err error) {
	m = pace{who: c.name, rate: rate}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := settle(b.dir); err != nil {
		return m, err
	}
	alive, s, err := b.open(ctx, c, policyEverySec, 0)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if _, err := s.link.nudge(alive, func(p progress) bool { return p.fack >= streamOrigin }); err != nil {
		return m, err
	}
	over, stop := context.WithTimeout(alive, b.lasting(paceFor, paceLeast))
	defer stop()
	p := pacer{session: s, recorder: newRecorder(13, int(rate)), rate: rate}
	m.lag, err = p.until(alive, over.Done())
	return m, err
}
