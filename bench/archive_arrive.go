package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/aofsidecar/aofsidecar/upload"
)

const (
	arriveRate = 5_000_000 // bytes of stream a second
	// arriveFor is how long a full run sends; a quick one not less than arriveLeast.
	arriveFor, arriveLeast = time.Minute, 10 * time.Second

	// What the sidecar waits by default: until its bytes are synced, and then until they are shipped.
	defaultSync, defaultShip = time.Second, time.Second
	// wantArrive is how much longer than both it may take.
	wantArrive = defaultSync + defaultShip + 200*time.Millisecond
)

// arrival is how long writes took, from being sent by the upstream, in samples of one every nudgeEvery.
type arrival struct {
	took          time.Duration
	bytes         int64
	stored, facks []time.Duration // until their object was in the store; until FACK said so
	cpu           time.Duration
	peak          int64
}

// arriveAll measures a paced stream.
func (b *bench) arriveAll(ctx context.Context, v *vault, r *archiveReport) (err error) {
	const prefix = "arrive"
	ctx, cancel := context.WithTimeout(ctx, archivePatience)
	defer cancel()
	defer func() { err = errors.Join(err, v.empty()) }()
	if err := settle(b.dir); err != nil {
		return err
	}
	alive, s, err := b.open(ctx, sidecar(b.sidecar, v.settings(prefix)...), policyEverySec, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if _, err := s.link.nudge(alive, func(p progress) bool { return p.fack >= streamOrigin }); err != nil {
		return err
	}
	p := pacer{session: s, recorder: newRecorder(10, arriveRate), rate: arriveRate}
	r.arrival, err = p.arrivals(alive, filepath.Join(v.bucket, prefix), b.lasting(arriveFor, arriveLeast))
	if err != nil {
		return err
	}
	b.say("%.1f MB/s: in the store after %.2f s (p50), %.2f s (p99)", float64(r.arrival.bytes)/megabyte/r.arrival.took.Seconds(),
		quantile(r.arrival.stored, 0.5).Seconds(), quantile(r.arrival.stored, 0.99).Seconds())
	return nil
}

// due is what was sent until then.
type due struct {
	end int64
	at  time.Time
}

// settledBy removes those that end at or before reached, and appends how long ago they were sent.
func settledBy(waiting []due, reached int64, took []time.Duration) ([]due, []time.Duration) {
	now := time.Now()
	for len(waiting) > 0 && waiting[0].end <= reached {
		took = append(took, now.Sub(waiting[0].at))
		waiting = waiting[1:]
	}
	return waiting, took
}

// arrivals sends for so long, and then waits for the last. An object is there when its file is, which appears whole; it is looked for every
// nudgeEvery, when the sidecar is asked, too.
func (p *pacer) arrivals(ctx context.Context, archive string, length time.Duration) (m arrival, err error) {
	ticker := time.NewTicker(nudgeEvery)
	defer ticker.Stop()
	var inStore, acked []due
	begin, from := time.Now(), p.link.next
	for sending := true; sending || len(inStore) > 0 || len(acked) > 0; {
		select {
		case <-ctx.Done():
			return m, context.Cause(ctx)
		case <-ticker.C:
		}
		if m.took = time.Since(begin); sending && m.took > length {
			sending, m.bytes = false, p.link.next-from
		}
		if err := p.arrive(sending, from+int64(min(m.took, length).Seconds()*p.rate)); err != nil {
			return m, p.link.because(ctx, err)
		}
		if sending {
			// GETACK, at the end of what was sent, is no data: it moves with the next command.
			sent := due{end: p.sent, at: time.Now()}
			inStore, acked = append(inStore, sent), append(acked, sent)
		}
		reached, err := storedUpTo(archive)
		if err != nil {
			return m, err
		}
		seen, err := p.link.last()
		if err != nil {
			return m, err
		}
		inStore, m.stored = settledBy(inStore, reached, m.stored)
		acked, m.facks = settledBy(acked, seen.fack, m.facks)
	}
	m.took = length
	if m.cpu, err = p.child.cpu(); err != nil {
		return m, err
	}
	m.peak, err = p.child.peak()
	return m, err
}

// arrive sends what is due by now, or only asks.
func (p *pacer) arrive(sending bool, to int64) error {
	if !sending {
		return p.link.getAck()
	}
	return p.send(to)
}

// storedUpTo returns the offset up to which the segments of an archive's timelines reach, 0 if there are none.
func storedUpTo(archive string) (int64, error) {
	names, err := filepath.Glob(filepath.Join(archive, filepath.FromSlash(upload.TimelinesPrefix()), "*", "incr", "*"))
	if err != nil {
		return 0, fmt.Errorf("look into the store: %w", err)
	}
	var end int64
	for _, name := range names {
		rel, err := filepath.Rel(archive, name)
		if err != nil {
			return 0, fmt.Errorf("look into the store: %w", err)
		}
		if key, ok := upload.ParseSegmentKey(filepath.ToSlash(rel)); ok {
			end = max(end, int64(key.To))
		}
	}
	return end, nil
}

// quantile returns the value that a part of the list, at least one, is not above.
func quantile(list []time.Duration, part float64) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))]
}
