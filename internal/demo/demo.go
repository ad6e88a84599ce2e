package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/redis/go-redis/v9"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// limit bounds the whole, once there is a server; it takes some seconds.
const limit = 3 * time.Minute

const (
	keysAtFirst = 10_000
	kills       = 3

	// duringOutage and betweenKills are how many commands are written while the sidecar is dead, and while it lives.
	duringOutage, betweenKills = 1000, 2000
)

// demo is what is running.
type demo struct {
	out      io.Writer
	binary   string
	home     string // everything is below it
	dir      string // the sidecar's
	family   testenv.Family
	upstream *testenv.Server
	sidecar  *testenv.Sidecar
	traffic  *traffic
	booted   *testenv.Server
	s3       bool
	archive  archive

	want content
}

// content is what two servers are compared by.
type content struct {
	keys   int64
	digest string
}

// show runs everything and leaves nothing.
func show(ctx context.Context, out, progress io.Writer, binary string, s3 bool) (err error) {
	d := &demo{out: out, binary: binary, s3: s3}
	defer func() { err = errors.Join(err, d.close()) }()
	if d.family, err = findServer(ctx, progress); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if d.home, err = os.MkdirTemp("", "aofsidecar-demo"); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	d.dir = filepath.Join(d.home, "mirror")
	_, _ = fmt.Fprint(out, "\n  aofsidecar: a mirror of a live server that a stock server boots from\n\n") // the next line finds out
	for _, step := range []func(context.Context) error{
		d.startUpstream,
		d.openArchive,
		d.attach,
		d.killAgainAndAgain,
		d.rewrite,
		d.stopAll,
		d.boot,
		d.restore,
	} {
		if err := step(ctx); err != nil {
			return d.explain(err)
		}
	}
	return nil
}

// say prints one line.
func (d *demo) say(what, format string, args ...any) error {
	if _, err := fmt.Fprintf(d.out, "  %-9s "+format+"\n", append([]any{what}, args...)...); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// explain adds what the sidecar said last.
func (d *demo) explain(err error) error {
	if d.sidecar == nil {
		return err
	}
	const enough = 2000
	log := d.sidecar.Log()
	return fmt.Errorf("%w\nthe sidecar's log ends with\n%s", err, log[max(0, len(log)-enough):])
}

func (d *demo) startUpstream(ctx context.Context) error {
	var err error
	if d.upstream, err = testenv.Start(ctx, d.family); err != nil {
		return err
	}
	_, err = d.upstream.Client().Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i := range keysAtFirst {
			pipe.Set(ctx, fmt.Sprintf("user:%d", i), fmt.Sprintf("name %d", i), 0)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("fill the upstream: %w", err)
	}
	if err := d.say("upstream", "%s %s on %s, %s keys, no append-only file of its own",
		d.family.Dialect, d.family.Version, d.upstream.Addr(), humanize.Comma(keysAtFirst)); err != nil {
		return err
	}
	d.traffic = startTraffic(ctx, d.upstream.Client())
	return d.traffic.more(ctx, betweenKills)
}

func (d *demo) attach(ctx context.Context) error {
	var err error
	set := append([]string{"logging.level=info"}, d.archive.set...)
	if d.sidecar, err = testenv.NewSidecar(d.binary, d.dir, d.upstream.Addr(), set...); err != nil {
		return err
	}
	d.sidecar.Env(d.archive.env...)
	begun := time.Now()
	if err := d.sidecar.Start(ctx); err != nil {
		return err
	}
	if _, err := d.sidecar.Await(ctx, "streaming", testenv.SidecarStatus.Streaming); err != nil {
		return err
	}
	took := since(begun)
	counted, err := d.resyncs(ctx, 0)
	if err != nil {
		return err
	}
	return d.say("sidecar", "process %d has the snapshot, follows the traffic and ships to %s, after %s: %s", d.sidecar.PID(), d.archive.url, took, counted)
}

// killAgainAndAgain is what most of this is about.
func (d *demo) killAgainAndAgain(ctx context.Context) error {
	for killed := range kills {
		if err := d.traffic.more(ctx, betweenKills); err != nil {
			return err
		}
		if err := d.killAndRestart(ctx, killed+1); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) killAndRestart(ctx context.Context, kills int) error {
	pid, before := d.sidecar.PID(), d.traffic.commands.Load()
	if err := d.sidecar.Kill(); err != nil {
		return err
	}
	if err := d.traffic.more(ctx, duringOutage); err != nil {
		return err
	}
	if err := d.say("kill -9", "process %d is dead, in the middle of it; the upstream takes %s commands more",
		pid, humanize.Comma(d.traffic.commands.Load()-before)); err != nil {
		return err
	}
	begun := time.Now()
	if err := d.sidecar.Start(ctx); err != nil {
		return err
	}
	if _, err := d.sidecar.Await(ctx, "streaming", testenv.SidecarStatus.Streaming); err != nil {
		return err
	}
	took := since(begun)
	counted, err := d.resyncs(ctx, kills)
	if err != nil {
		return err
	}
	return d.say("restart", "process %d goes on where it was, after %s: %s", d.sidecar.PID(), took, counted)
}

// resyncs returns what the upstream counts, which must be one snapshot and so many resumptions.
func (d *demo) resyncs(ctx context.Context, partial int) (string, error) {
	stats, err := d.upstream.Info(ctx, "stats")
	if err != nil {
		return "", err
	}
	counted := fmt.Sprintf("sync_full %s, sync_partial_ok %s", stats["sync_full"], stats["sync_partial_ok"])
	if want := fmt.Sprintf("sync_full 1, sync_partial_ok %d", partial); counted != want {
		return "", fmt.Errorf("the upstream counts %s instead of %s", counted, want)
	}
	return counted, nil
}

func since(begun time.Time) string { return time.Since(begun).Round(time.Millisecond).String() }

// stopAll ends the traffic, lets the sidecar have everything, and stops first the upstream, then the sidecar.
func (d *demo) stopAll(ctx context.Context) error {
	written := d.traffic
	d.traffic = nil
	if err := written.stop(); err != nil {
		return err
	}
	if err := d.catchUp(ctx); err != nil {
		return err
	}
	var err error
	if d.want, err = contentOf(ctx, d.upstream); err != nil {
		return err
	}
	if err := d.upstream.Stop(ctx); err != nil {
		return err
	}
	if err := d.say("stop", "after %s commands the upstream ends with %s", humanize.Comma(written.commands.Load()), d.want); err != nil {
		return err
	}
	code, err := d.sidecar.Stop(ctx)
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("the sidecar ended with exit code %d", code)
	}
	return d.say("", "the sidecar ends on SIGTERM with exit code 0")
}

// catchUp waits until the sidecar has on its disk what the upstream has now.
func (d *demo) catchUp(ctx context.Context) error {
	replication, err := d.upstream.Info(ctx, "replication")
	if err != nil {
		return err
	}
	end, err := strconv.ParseInt(replication["master_repl_offset"], 10, 64)
	if err != nil {
		return fmt.Errorf("read the upstream's offset: %w", err)
	}
	// It may have more: an upstream that nobody writes to still sends PING.
	_, err = d.sidecar.Await(ctx, "in step, durably, and shipping", func(s testenv.SidecarStatus) bool {
		return s.Streaming() && s.Log.Durable >= end && s.Archive.LeaseHeld
	})
	return err
}

// boot starts a stock server where the sidecar was, and compares.
func (d *demo) boot(ctx context.Context) error {
	if err := d.say("boot", "%s --appendonly yes --dir %s", filepath.Base(d.family.Server()), d.dir); err != nil {
		return err
	}
	var err error
	d.booted, err = testenv.Start(ctx, d.family, testenv.WithDataDir(d.dir), testenv.WithConfig("appendonly yes"))
	if err != nil {
		return err
	}
	return d.compare(ctx, "a stock server without upstream and sidecar")
}

// compare wants the server that was booted to have what the upstream had.
func (d *demo) compare(ctx context.Context, who string) error {
	got, err := contentOf(ctx, d.booted)
	if err != nil {
		return err
	}
	if got != d.want {
		return fmt.Errorf("the server that was booted has %s, and the upstream had %s", got, d.want)
	}
	return d.say("equal", "%s has %s\n", who, got)
}

// String returns both in words.
func (c content) String() string {
	return fmt.Sprintf("%s keys, DEBUG DIGEST %.12s", humanize.Comma(c.keys), c.digest)
}

func contentOf(ctx context.Context, server *testenv.Server) (content, error) {
	keys, err := server.Client().DBSize(ctx).Result()
	if err != nil {
		return content{}, fmt.Errorf("count keys: %w", err)
	}
	digest, err := server.Client().Do(ctx, "DEBUG", "DIGEST").Text()
	if err != nil {
		return content{}, fmt.Errorf("ask for the digest: %w", err)
	}
	return content{keys: keys, digest: digest}, nil
}

// close ends what runs and removes the folder.
func (d *demo) close() error {
	var errs []error
	if d.traffic != nil {
		errs = append(errs, d.traffic.stop())
	}
	if d.sidecar != nil {
		errs = append(errs, d.sidecar.Close())
	}
	for _, server := range []*testenv.Server{d.upstream, d.booted} {
		if server != nil {
			errs = append(errs, server.Close())
		}
	}
	if d.archive.gateway != nil {
		errs = append(errs, d.archive.gateway.Close())
	}
	if d.home != "" {
		errs = append(errs, os.RemoveAll(d.home))
	}
	return errors.Join(errs...)
}
