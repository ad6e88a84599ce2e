package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"github.com/redis/go-redis/v9"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// What a log grows by and a data set does not. Together it is less than auto-aof-rewrite-min-size: only the command that is shown rewrites.
const (
	increments, counters = 200_000, 10
	overwrites, blobs    = 60, 3
	blobBytes            = 256 << 10
	atATime              = 5000 // commands that are sent before an answer is waited for
)

// rewrite has the sidecar that runs fold its log, under the traffic.
func (d *demo) rewrite(ctx context.Context) error {
	if err := d.repeat(ctx); err != nil {
		return err
	}
	before, err := sizeOf(d.dir)
	if err != nil {
		return err
	}
	if err := d.say("growth", "%s INCR of %d counters, and %d values of %s overwritten %d times: its directory has %s",
		humanize.Comma(increments), counters, blobs, humanize.IBytes(blobBytes), overwrites/blobs, humanize.IBytes(before)); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, d.binary, "rewrite", "--wait", "--set", "control.socket="+d.sidecar.Socket(), "--set", "aof.dir="+d.dir)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // as for the sidecar: no setting comes from the environment
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	result, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("rewrite: %w: %s", err, stderr.Bytes())
	}
	if err := d.say("rewrite", "aofsidecar rewrite --wait: %s", bytes.TrimSpace(result)); err != nil {
		return err
	}
	// What was folded stays until the archive has it.
	after, err := testenv.Poll(ctx, "the directory to shrink to a quarter", func(context.Context) (uint64, bool) {
		size, err := sizeOf(d.dir)
		return size, err == nil && size < before/4
	})
	if err != nil {
		return err
	}
	counted, err := d.resyncs(ctx, kills)
	if err != nil {
		return err
	}
	return d.say("", "its directory had %s and has %s; the upstream noticed nothing: %s", humanize.IBytes(before), humanize.IBytes(after), counted)
}

// repeat writes the same keys again and again, until the sidecar has all of it.
func (d *demo) repeat(ctx context.Context) error {
	client := d.upstream.Client()
	for done := 0; done < increments; done += atATime {
		_, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i := range atATime {
				pipe.Incr(ctx, fmt.Sprintf("counter:%d", i%counters))
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("count: %w", err)
		}
		d.traffic.commands.Add(atATime)
	}
	blob := make([]byte, blobBytes)
	for i := range overwrites {
		_, _ = rand.Read(blob) // it cannot fail
		if err := client.Set(ctx, fmt.Sprintf("blob:%d", i%blobs), blob, 0).Err(); err != nil {
			return fmt.Errorf("overwrite: %w", err)
		}
	}
	d.traffic.commands.Add(overwrites)
	return d.catchUp(ctx)
}

// sizeOf returns how many bytes the files below a directory have.
func sizeOf(dir string) (uint64, error) {
	var sum uint64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		sum += uint64(info.Size())
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", dir, err)
	}
	return sum, nil
}
