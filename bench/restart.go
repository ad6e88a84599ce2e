package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	incrementBytes  = 1 << 30
	restartCommands = 1_000_000 // of the recording, which is sent as often as it takes
	restarts        = 5
	// restartBytes is what is sent between restarts, so that each one finds an end that no clean stop has left.
	restartBytes = 16 << 20
	// unfinished is more than the longest transaction of a recording: what an ACK may stay behind the end of what was sent.
	unfinished = 64 << 10
)

// restart is what it took to go on after a kill.
type restart struct {
	increment int64         // bytes of the increment that was read
	asked     time.Duration // from the start of the process to PSYNC
	streaming time.Duration // to the first ACK behind +CONTINUE
	resent    int64         // bytes that were asked for although they had been sent
}

// restarted kills the sidecar in the middle of a stream, some times, and measures how long it takes to come back. The increment is one of
// size bytes. With forget, the lock file's note of the boot is removed, as after a reboot: then only what marks prove is trusted.
func (b *bench) restarted(ctx context.Context, rec *recording, size int64, forget bool) (runs []restart, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := settle(b.dir); err != nil {
		return nil, err
	}
	c := sidecar(b.sidecar, "aof.increment-size=64gb")
	alive, s, err := b.open(ctx, c, policyEverySec, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	history := history{rec: rec}
	if err := history.send(alive, s.link, size); err != nil {
		return nil, err
	}
	for range restarts {
		if err := s.child.kill(); err != nil {
			return nil, err
		}
		if forget {
			if err := os.Truncate(filepath.Join(s.dir, "aofsidecar.lock"), 0); err != nil {
				return nil, fmt.Errorf("forget the boot: %w", err)
			}
		}
		run, err := s.comeBack(ctx, c, &history)
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// comeBack starts the sidecar again and gives it what it asks for, and more.
func (s *session) comeBack(ctx context.Context, c consumer, h *history) (restart, error) {
	size, err := incrementSize(s.dir)
	if err != nil {
		return restart{}, err
	}
	begin := time.Now()
	alive, err := s.start(ctx, c.argv(s.dir, s.upstream.addr(), policyEverySec))
	if err != nil {
		return restart{}, err
	}
	run := restart{increment: size, asked: s.link.asked.Sub(begin), streaming: time.Since(begin), resent: h.end - (s.link.next - streamOrigin)}
	if !s.link.resumed {
		return run, errors.New("restart: the sidecar asked for a full resync")
	}
	return run, h.send(alive, s.link, restartBytes)
}

// incrementSize returns the size of the only increment.
func incrementSize(dir string) (int64, error) {
	found, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(found) != 1 {
		return 0, fmt.Errorf("find the increment: %d of them: %w", len(found), err)
	}
	info, err := os.Stat(found[0])
	if err != nil {
		return 0, fmt.Errorf("find the increment: %w", err)
	}
	return info.Size(), nil
}

// history is a stream that is a recording again and again.
type history struct {
	rec *recording
	end int64 // bytes that were sent, counted once
}

// send sends what follows the link's position and more bytes behind the history's end, and waits for their ACK.
func (h *history) send(ctx context.Context, l *link, more int64) error {
	period := int64(len(h.rec.data))
	h.end += more
	for at := l.next - streamOrigin; at < h.end; at = l.next - streamOrigin {
		rest := h.rec.data[at%period:]
		if err := l.stream(rest[:min(int64(len(rest)), h.end-at)]); err != nil {
			return l.because(ctx, err)
		}
	}
	end := l.next - unfinished
	_, err := l.wait(ctx, func(p progress) bool { return p.ack >= end })
	return err
}
