package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
)

// archive is where the sidecar ships to.
type archive struct {
	url     string
	set     []string // settings that reach it
	env     []string
	gateway *s3gateway.Gateway // nil: it is a directory
}

// openArchive makes an archive below the demo's folder: a directory, or a bucket of an S3 server that this starts.
func (d *demo) openArchive(ctx context.Context) error {
	d.archive.set = []string{"archive.lease.ttl=3s"} // for the kills
	if !d.s3 {
		d.archive.url = "file://" + filepath.Join(d.home, "archive")
		d.archive.set = append(d.archive.set, "archive.url="+d.archive.url)
		return nil
	}
	dir := filepath.Join(d.home, "s3")
	if err := os.Mkdir(dir, 0o750); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	var err error
	if d.archive.gateway, err = s3gateway.Start(ctx, dir); err != nil {
		return err
	}
	if _, err := d.archive.gateway.Bucket("demo"); err != nil {
		return err
	}
	d.archive.url = "s3://demo/backup"
	d.archive.env = []string{"AWS_ACCESS_KEY_ID=" + s3gateway.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3gateway.SecretKey, "AWS_EC2_METADATA_DISABLED=true"}
	d.archive.set = append(d.archive.set, "archive.url="+d.archive.url, "archive.s3.endpoint="+d.archive.gateway.Endpoint(),
		"archive.s3.region="+s3gateway.Region, "archive.s3.force-path-style=true")
	return nil
}

// restore brings everything back from the archive alone, and compares.
func (d *demo) restore(ctx context.Context) error {
	if err := d.booted.Close(); err != nil {
		return err
	}
	dir := filepath.Join(d.home, "restored")
	args := []string{"restore", "--output", dir}
	for _, setting := range d.archive.set {
		args = append(args, "--set", setting)
	}
	cmd := exec.CommandContext(ctx, d.binary, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, d.archive.env...) // as for the sidecar
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	result, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("restore: %w: %s", err, stderr.Bytes())
	}
	lines := bytes.SplitN(result, []byte("\n"), 3)
	if len(lines) < 2 {
		return fmt.Errorf("restore says %q", result)
	}
	if err := d.say("restore", "aofsidecar restore --archive %s --output %s: %s", d.archive.url, dir, lines[1]); err != nil {
		return err
	}
	if d.booted, err = testenv.Start(ctx, d.family, testenv.WithDataDir(dir), testenv.WithConfig("appendonly yes")); err != nil {
		return err
	}
	return d.compare(ctx, "a stock server on what came back from the archive")
}
