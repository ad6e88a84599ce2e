package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// pollEvery is how often a server is asked how far it is, and a process for its peak memory.
const pollEvery = 10 * time.Millisecond

// server is a stock server that has loaded a directory.
type server struct {
	child  *child
	client *redis.Client
	loaded time.Duration // from its start until it took commands
}

// boot starts a server on dir's log, with further settings. The context is for all that is done with it: it ends with the process.
func (b *bench) boot(ctx context.Context, dir string, settings ...string) (context.Context, *server, error) {
	socket := filepath.Join(dir, "s")
	begin := time.Now()
	process, err := start(ctx, dir, append([]string{
		b.replica, "--dir", dir, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "yes", "--appendfsync", policyEverySec,
		"--auto-aof-rewrite-percentage", "0", "--enable-debug-command", "yes",
	}, settings...))
	if err != nil {
		return nil, nil, err
	}
	// It is asked again by us alone, and DEBUG DIGEST takes its time.
	s := &server{child: process, client: redis.NewClient(&redis.Options{
		Network: "unix", Addr: socket, MaxRetries: -1, DialerRetries: 1, ReadTimeout: -1, ContextTimeoutEnabled: true,
	})}
	alive := process.alive(ctx)
	err = poll(alive, func() (bool, error) {
		if _, err := os.Stat(socket); err != nil {
			return false, nil //nolint:nilerr // it does not listen yet
		}
		return s.client.Ping(alive).Err() == nil, nil // it is loading, or has ended, which alive tells
	})
	if err != nil {
		return nil, nil, errors.Join(err, s.close())
	}
	s.loaded = time.Since(begin)
	return alive, s, nil
}

// close ends the server.
func (s *server) close() error { return errors.Join(s.client.Close(), s.child.kill()) }

// rewrite has it rewrite its log, and returns when that has ended.
func (s *server) rewrite(ctx context.Context) error {
	if err := s.client.BgRewriteAOF(ctx).Err(); err != nil {
		return fmt.Errorf("ask for a rewrite: %w", err)
	}
	return poll(ctx, func() (bool, error) {
		info, err := s.info(ctx, "persistence")
		switch {
		case err != nil:
			return false, err
		case info["aof_rewrite_in_progress"] != "0" || info["aof_rewrite_scheduled"] != "0":
			return false, nil
		case info["aof_last_bgrewrite_status"] != "ok":
			return false, errors.New("rewrite by the server: it did not end well")
		}
		return true, nil
	})
}

// used returns what processor time it and its forked child have taken, and their peak memory: its own VmHWM, and what
// the child had for itself alone at most, as the child has counted it.
func (s *server) used(ctx context.Context) (cpu time.Duration, peak int64, err error) {
	info, err := s.info(ctx, "cpu", "persistence")
	if err != nil {
		return 0, 0, err
	}
	for _, name := range []string{"used_cpu_sys", "used_cpu_user", "used_cpu_sys_children", "used_cpu_user_children"} {
		seconds, err := strconv.ParseFloat(info[name], 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read %s: %w", name, err)
		}
		cpu += time.Duration(seconds * float64(time.Second))
	}
	private, err := strconv.ParseInt(info["aof_last_cow_size"], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("read aof_last_cow_size: %w", err)
	}
	peak, err = s.child.peak()
	return cpu, peak + private, err
}

// digest is a sum over all of its data.
func (s *server) digest(ctx context.Context) (string, error) {
	digest, err := s.client.Do(ctx, "DEBUG", "DIGEST").Text()
	if err != nil {
		return "", fmt.Errorf("ask for the digest: %w", err)
	}
	return digest, nil
}

func (s *server) info(ctx context.Context, sections ...string) (map[string]string, error) {
	text, err := s.client.Info(ctx, sections...).Result()
	if err != nil {
		return nil, fmt.Errorf("ask for INFO: %w", err)
	}
	fields := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if name, value, found := strings.Cut(lines.Text(), ":"); found {
			fields[name] = value
		}
	}
	return fields, nil
}

// poll calls ready, at once and then every pollEvery, until it is true or fails, or ctx ends.
func poll(ctx context.Context, ready func() (bool, error)) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if done, err := ready(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
