package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

const (
	// fackFor is how long writes wait for WAITAOF in a full run; a quick look not less than fackLeast.
	fackFor, fackLeast = 20 * time.Second, 3 * time.Second
	// fackPause is the most that a client pauses between two writes, so that they fall at any time between two syncs.
	fackPause = time.Second
	// waitAOF is for one replica, and for less than a minute.
	waitAOFMillis = "60000"
)

// fackTimes is how long writes took to be where WAITAOF wants them, in one setting.
type fackTimes struct {
	policy, until string
	who           string
	took          []time.Duration
}

// fackAll measures both policies that sync, with a real replica and with the sidecar, and the sidecar with an archive.
func (b *bench) fackAll(ctx context.Context, r *report) error {
	const onDisk = "on its disk"
	for _, policy := range []string{policyEverySec, policyAlways} {
		for _, c := range b.companions() {
			if c.consumer == nil {
				continue
			}
			m := fackTimes{policy: policy, until: onDisk, who: c.name}
			if err := b.facks(ctx, r, c, m); err != nil {
				return err
			}
		}
	}
	return b.withVault(func(ctx context.Context, v *vault, _ *archiveReport) error {
		shipping := sidecar(b.sidecar, v.settings("facks")...)
		return b.facks(ctx, r, companion{name: nameSidecar, consumer: &shipping}, fackTimes{policy: policyEverySec, until: "in the archive", who: nameSidecar})
	})(ctx, r)
}

// facks measures one setting and adds it to the report.
func (b *bench) facks(ctx context.Context, r *report, c companion, m fackTimes) (err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := settle(b.dir); err != nil {
		return err
	}
	alive, h, err := b.host(ctx, c, m.policy)
	if err != nil {
		return fmt.Errorf("with %s: %w", c.name, err)
	}
	defer func() { err = errors.Join(err, h.close()) }()
	length := b.lasting(fackFor, fackLeast)
	seen, err := eachClient(alive, h.addr, func(ctx context.Context, n uint64, conn net.Conn) (loaded, error) {
		return waitForFacks(ctx, conn, n, length)
	})
	if err != nil {
		return fmt.Errorf("with %s: %w", c.name, err)
	}
	m.took = seen.latency
	b.say("%-9s %-15s %-13s %d writes, p50 %.1f ms, p99 %.1f ms",
		m.policy, m.until, m.who, len(m.took), quantile(m.took, 0.5).Seconds()*1e3, quantile(m.took, 0.99).Seconds()*1e3)
	r.facks = append(r.facks, m)
	return nil
}

// waitForFacks writes and waits for WAITAOF, again and again, the last time when length has passed.
func waitForFacks(ctx context.Context, conn net.Conn, n uint64, length time.Duration) (seen loaded, err error) {
	r := newRecorder(200+n, 0)
	in := bufio.NewReader(conn)
	for begin := time.Now(); ; {
		r.out = r.out[:0]
		r.add("SET", r.key("str:", loadScalars), r.value())
		r.out = resp.AppendCommandStrings(r.out, "WAITAOF", "0", "1", waitAOFMillis)
		at := time.Now()
		if _, err := conn.Write(r.out); err != nil {
			return seen, fmt.Errorf("write commands: %w", err)
		}
		for _, want := range []string{"+OK", "*2", ":", ":1"} {
			line, err := readReply(in)
			if err != nil {
				return seen, err
			}
			if got := string(line); got != want && (want != ":" || got[0] != ':') {
				return seen, fmt.Errorf("SET and WAITAOF: %q came where %q was expected", got, want)
			}
		}
		seen.latency, seen.commands = append(seen.latency, time.Since(at)), seen.commands+1
		if time.Since(begin) > length {
			return seen, nil
		}
		pause := time.NewTimer(rand.N(fackPause))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return seen, context.Cause(ctx)
		}
	}
}
