package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	// weighBytes is the size of the base behind which memory is measured by a full run.
	weighBytes = 10 << 30

	// countRate is a quiet upstream's: segments are cut by time alone.
	countRate = 20_000
	// countFor is how long requests are counted by a full run; a quick one counts not less than countLeast.
	countFor, countLeast = 5 * time.Minute, 65 * time.Second
	// countAfter is when counting begins: behind the first look of retention, which comes a minute after the start and then each hour.
	countAfter = 65 * time.Second
)

// weight is what the sidecar had resident while it took in a base and shipped it.
type weight struct {
	bytes, stored  int64
	took           time.Duration // from the first ACK, when the base is in place, until it is stored
	cpu            time.Duration // since the start
	taken, shipped int64         // peak memory: when the base was in place, and when it was stored
}

// weighLarge is weighAll with a server that takes as many parts as a large base has.
func (b *bench) weighLarge(ctx context.Context, r *archiveReport) error {
	return b.inVault(ctx, openLargeVault, func(v *vault) error { return b.weighAll(ctx, v, r) })
}

// weighAll measures memory with as large a base as there is room for, twice: in the log and in the store.
func (b *bench) weighAll(ctx context.Context, v *vault, r *archiveReport) (err error) {
	const prefix = "weigh"
	ctx, cancel := context.WithTimeout(ctx, archivePatience)
	defer cancel()
	defer func() { err = errors.Join(err, v.empty()) }()
	size, err := b.roomFor(int64(b.scaled(weighBytes)))
	if err != nil {
		return err
	}
	if err := settle(b.dir); err != nil {
		return err
	}
	alive, s, err := b.open(ctx, sidecar(b.sidecar, v.settings(prefix)...), policyEverySec, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	begin := time.Now()
	w := weight{bytes: s.link.snapshot.bytes}
	if w.taken, err = s.child.peak(); err != nil {
		return err
	}
	stored, err := s.link.nudge(alive, func(p progress) bool { return p.fack >= streamOrigin })
	if err != nil {
		return err
	}
	w.took = stored.Sub(begin)
	if w.cpu, err = s.child.cpu(); err != nil {
		return err
	}
	if w.shipped, err = s.child.peak(); err != nil {
		return err
	}
	if w.stored, err = v.size(prefix); err != nil {
		return err
	}
	b.say("base of %d MiB: peak %d MiB", w.bytes/mebibyte, w.shipped/mebibyte)
	r.weights = append(r.weights, w)
	return nil
}

// roomFor returns size, or less if not three times of it are free.
func (b *bench) roomFor(size int64) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(b.dir, &fs); err != nil {
		return 0, fmt.Errorf("ask for free space: %w", err)
	}
	room := int64(fs.Bavail) * fs.Bsize / 3
	if room < size {
		b.say("%d MiB are not free three times: %d MiB", size/mebibyte, room/mebibyte)
	}
	return min(size, room), nil
}

// counted is what was asked of the store with one ship-interval.
type counted struct {
	interval time.Duration
	took     time.Duration
	requests map[string]int64 // by kind
}

// countAll counts requests with some intervals, by a sidecar each, all at the same time.
func (b *bench) countAll(ctx context.Context, v *vault, r *archiveReport) (err error) {
	ctx, cancel := context.WithTimeout(ctx, archivePatience)
	defer cancel()
	defer func() { err = errors.Join(err, v.empty()) }()
	intervals := []time.Duration{time.Second, 5 * time.Second, time.Minute}
	got := make([]counted, len(intervals))
	group, ctx := errgroup.WithContext(ctx)
	for i, interval := range intervals {
		group.Go(func() (err error) {
			got[i], err = b.count(ctx, v, interval)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	r.counted = got
	return nil
}

func (b *bench) count(ctx context.Context, v *vault, interval time.Duration) (c counted, err error) {
	settings := v.settings("count"+interval.String(), "archive.ship-interval="+interval.String())
	alive, s, err := b.open(ctx, sidecar(b.sidecar, settings...), policyEverySec, 0)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if _, err := s.link.nudge(alive, func(p progress) bool { return p.fack >= streamOrigin }); err != nil {
		return c, err
	}
	p := pacer{session: s, recorder: newRecorder(12, countRate), rate: countRate}
	ready, settled := context.WithTimeout(alive, b.lasting(countAfter, countAfter))
	defer settled()
	if _, err := p.until(alive, ready.Done()); err != nil {
		return c, err
	}
	before, err := b.requests(alive, s.dir)
	if err != nil {
		return c, err
	}
	over, stop := context.WithTimeout(alive, b.lasting(countFor, countLeast))
	defer stop()
	measured, err := p.until(alive, over.Done())
	if err != nil {
		return c, err
	}
	after, err := b.requests(alive, s.dir)
	if err != nil {
		return c, err
	}
	for kind, n := range before {
		after[kind] -= n
	}
	b.say("ship-interval %s: %v in %.0f s", interval, after, measured.took.Seconds())
	return counted{interval: interval, took: measured.took, requests: after}, nil
}

// requests asks the sidecar that runs in dir what it has asked of the store so far.
func (b *bench) requests(ctx context.Context, dir string) (map[string]int64, error) {
	answer, err := exec.CommandContext(ctx, b.sidecar, "status", "--json", "--set", "control.socket="+filepath.Join(dir, "s")).Output()
	if err != nil {
		return nil, fmt.Errorf("ask for the status: %w", err)
	}
	var status struct {
		Archive *struct {
			Requests map[string]int64 `json:"requests"`
		} `json:"archive"`
	}
	if err := json.Unmarshal(answer, &status); err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	if status.Archive == nil || status.Archive.Requests == nil {
		return nil, errors.New("the status tells of no requests")
	}
	return status.Archive.Requests, nil
}
