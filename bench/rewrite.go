package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// The sizes of a full run, beside those of the streams.
const (
	rewrittenCounters = 100_000
	rewrittenMixed    = 200_000 // keys
	// rewritePatience bounds one round of a case.
	rewritePatience = 30 * time.Minute
	// roomTimes is how much of a case's bytes there is at a time: its own, two new logs, a copy, and what a server writes before it removes.
	roomTimes = 5
)

// The names of those who are compared by a rewrite, beside the sidecar.
const (
	nameCp     = "cp + fsync"
	nameServer = "server"
)

// The short names of the cases.
const (
	shortTouched = "touched"
	shortIncr    = "incr"
	shortMixed   = "mixed"
)

// rewriteCase is a log that is rewritten.
type rewriteCase struct {
	name     string
	short    string // names its part and its profile
	keys     int    // of the base
	commands func() *recording
	copied   bool // the base is worth copying
	wanted   rewriteWanted
}

// rewriteWanted is what is wanted of the sidecar, as ratios; 0: nothing.
type rewriteWanted struct {
	ofCopy, ofServer, memory float64
}

// rewritten is what one of them took.
type rewritten struct {
	took   time.Duration
	loaded time.Duration // the part of it in which a server loaded
	cpu    time.Duration
	peak   int64 // resident bytes
	base   int64 // bytes of what came of it
}

// rewriteCases lists what the issue of the rewrite wants numbers of.
func (b *bench) rewriteCases() []rewriteCase {
	keys, counters, mixed := b.scaled(datasetKeys), b.scaled(rewrittenCounters), b.scaled(rewrittenMixed)
	return []rewriteCase{
		{
			name: fmt.Sprintf("%d keys, 5%% touched", keys), short: shortTouched, keys: keys, copied: true,
			commands: func() *recording { return recordTouches(keys) },
			wanted:   rewriteWanted{ofCopy: 3, ofServer: 0.25, memory: 0.1},
		},
		{
			name: fmt.Sprintf("incr over %d keys", counters), short: shortIncr,
			commands: func() *recording { return recordCounters(b.scaled(incrCommands), counters) },
			wanted:   rewriteWanted{ofServer: 0.33, memory: 1.5},
		},
		{
			name: fmt.Sprintf("mixed over %d keys", mixed), short: shortMixed,
			commands: func() *recording { return recordMixedOver(b.scaled(mixedCommands), mixed) },
			wanted:   rewriteWanted{ofServer: 0.5, memory: 1.5},
		},
	}
}

func (b *bench) rewriteOne(ctx context.Context, r *report, c rewriteCase) error {
	s, err := b.rewriteCase(ctx, c)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	r.rewrites = append(r.rewrites, s)
	return nil
}

// rewriteCase measures all rounds of a case. Its files are made once, and linked for each who replaces them.
func (b *bench) rewriteCase(ctx context.Context, c rewriteCase) (s rewriteSeries, err error) {
	s = rewriteSeries{name: c.name, wanted: c.wanted}
	dir, err := os.MkdirTemp(b.dir, "log")
	if err != nil {
		return s, fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	commands := c.commands().data
	if err := wantRoom(b.dir, roomTimes*(int64(len(commands))+int64(c.keys)*(stringBytes+memberBytes))); err != nil {
		return s, err
	}
	s.increment = int64(len(commands))
	if s.base, err = layOut(dir, func(w io.Writer) error { return writeDataset(w, c.keys) }, commands); err != nil {
		return s, err
	}
	for n := range b.rounds {
		got, err := b.rewriteRound(ctx, c, dir, n == 0)
		if err != nil {
			return s, err
		}
		s.rounds = append(s.rounds, got)
	}
	s.verified = b.replica != ""
	if b.profiles != "" {
		err = b.profile(ctx, c.short, dir)
	}
	return s, err
}

// rewriteRound measures all of them once. With verify, it wants the server to have the same data after both rewrites.
func (b *bench) rewriteRound(ctx context.Context, c rewriteCase, dir string, verify bool) (got map[string]rewritten, err error) {
	ctx, cancel := context.WithTimeout(ctx, rewritePatience)
	defer cancel()
	got = map[string]rewritten{}
	tell := func(name string, m rewritten) {
		b.say("%-26s %-10s %6.2f s, %6.2f CPU s, peak %5.0f MiB", c.name, name, m.took.Seconds(), m.cpu.Seconds(), float64(m.peak)/mebibyte)
		got[name] = m
	}
	if c.copied {
		m, err := b.copyBase(ctx, dir)
		if err != nil {
			return nil, err
		}
		tell(nameCp, m)
	}
	folded, err := b.linked(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folded)) }()
	m, err := b.rewriteBySidecar(ctx, folded)
	if err != nil {
		return nil, err
	}
	tell(nameSidecar, m)
	if b.replica == "" {
		return got, nil
	}
	m, digest, err := b.rewriteByServer(ctx, dir, verify)
	if err != nil {
		return nil, err
	}
	tell(nameServer, m)
	if verify {
		err = b.wantDigest(ctx, folded, digest)
	}
	return got, err
}

// copyBase measures the least that can be done: a copy of the base, durable.
func (b *bench) copyBase(ctx context.Context, dir string) (m rewritten, err error) {
	to, err := os.MkdirTemp(b.dir, "run")
	if err != nil {
		return m, fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(to)) }()
	if err := settle(b.dir); err != nil {
		return m, err
	}
	// Links between extents would be no copy.
	return finish(ctx, to, []string{
		"sh", "-c", `cp --reflink=never "$1" "$2" && sync "$2"`, "cp", inAppendDir(dir, oldBaseName), filepath.Join(to, oldBaseName),
	})
}

// rewriteBySidecar measures ours: no sidecar runs there.
func (b *bench) rewriteBySidecar(ctx context.Context, dir string) (rewritten, error) {
	if err := settle(b.dir); err != nil {
		return rewritten{}, err
	}
	m, err := finish(ctx, dir, []string{b.sidecar, "rewrite", dir})
	if err != nil {
		return m, err
	}
	m.base, err = baseSize(dir)
	return m, err
}

// rewriteByServer measures a server that loads the log and rewrites it, and returns the digest of its data if that is asked for.
func (b *bench) rewriteByServer(ctx context.Context, from string, wantDigest bool) (m rewritten, digest string, err error) {
	dir, err := b.linked(from)
	if err != nil {
		return m, "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := settle(b.dir); err != nil {
		return m, "", err
	}
	begin := time.Now()
	alive, s, err := b.boot(ctx, dir)
	if err != nil {
		return m, "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	m.loaded = s.loaded
	if err := s.rewrite(alive); err != nil {
		return m, "", err
	}
	m.took = time.Since(begin)
	if m.cpu, m.peak, err = s.used(alive); err != nil {
		return m, "", err
	}
	if m.base, err = baseSize(dir); err != nil || !wantDigest {
		return m, "", err
	}
	digest, err = s.digest(alive)
	return m, digest, err
}

// wantDigest wants a server that boots from dir to have the data with that digest.
func (b *bench) wantDigest(ctx context.Context, dir, want string) error {
	alive, s, err := b.boot(ctx, dir)
	if err != nil {
		return fmt.Errorf("boot from what was folded: %w", err)
	}
	got, err := s.digest(alive)
	if err := errors.Join(err, s.close()); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("a server that boots from what was folded has other data: DEBUG DIGEST %s, not %s", got, want)
	}
	return nil
}

// finish measures a process that runs to its end in dir.
func finish(ctx context.Context, dir string, argv []string) (m rewritten, err error) {
	begin := time.Now()
	c, err := start(ctx, dir, argv)
	if err != nil {
		return m, err
	}
	alive := c.alive(ctx)
	m.peak = c.watch()
	m.took = time.Since(begin)
	state := c.cmd.ProcessState
	if err := c.kill(); err != nil { // what it may have left behind
		return m, err
	}
	if !state.Success() {
		<-alive.Done()
		return m, fmt.Errorf("%s: %w", state, context.Cause(alive))
	}
	m.cpu = state.UserTime() + state.SystemTime()
	return m, nil
}
