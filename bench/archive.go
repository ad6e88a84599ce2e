package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
)

const (
	archiveBucket = "bench"
	// archivePatience bounds one measurement of an archive.
	archivePatience = time.Hour
)

// vault is an S3 server that archives are measured against, in a process of its own.
type vault struct {
	gateway *s3gateway.Gateway
	bucket  string // where its objects are, as files
}

// withVault returns a part that has an S3 server of its own.
func (b *bench) withVault(measure func(context.Context, *vault, *archiveReport) error) func(context.Context, *report) error {
	return func(ctx context.Context, r *report) error {
		return b.inVault(ctx, openVault, func(v *vault) error { return measure(ctx, v, &r.archive) })
	}
}

// inVault has an S3 server for as long as measure takes.
func (b *bench) inVault(ctx context.Context, open func(ctx context.Context, dir string) (*vault, error), measure func(*vault) error) (err error) {
	dir, err := os.MkdirTemp(b.dir, "store")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	v, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.gateway.Close()) }()
	return measure(v)
}

// openVault starts the server below dir, whose credentials all children inherit.
func openVault(ctx context.Context, dir string) (*vault, error) {
	return vaultIn(filepath.Join(dir, "s3"), func(dir string) (*s3gateway.Gateway, error) { return s3gateway.Start(ctx, dir) })
}

// openLargeVault starts one in dir that takes uploads of any number of parts.
func openLargeVault(ctx context.Context, dir string) (*vault, error) {
	meta := filepath.Join(dir, "meta")
	if err := os.Mkdir(meta, dirMode); err != nil {
		return nil, fmt.Errorf("prepare the S3 server: %w", err)
	}
	return vaultIn(filepath.Join(dir, "s3"), func(dir string) (*s3gateway.Gateway, error) { return s3gateway.StartForLarge(ctx, dir, meta) })
}

func vaultIn(dir string, start func(dir string) (*s3gateway.Gateway, error)) (*vault, error) {
	err := os.Mkdir(dir, dirMode)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": s3gateway.AccessKey, "AWS_SECRET_ACCESS_KEY": s3gateway.SecretKey,
		"AWS_REGION": s3gateway.Region, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		err = errors.Join(err, os.Setenv(name, value))
	}
	if err != nil {
		return nil, fmt.Errorf("prepare the S3 server: %w", err)
	}
	v := &vault{}
	if v.gateway, err = start(dir); err != nil {
		return nil, err
	}
	if v.bucket, err = v.gateway.Bucket(archiveBucket); err != nil {
		return nil, errors.Join(err, v.gateway.Close())
	}
	return v, nil
}

// url is where the archive with that prefix is.
func (v *vault) url(prefix string) string { return "s3://" + archiveBucket + "/" + prefix }

// settings make a sidecar ship to the archive with that prefix, and acknowledge as durable what is stored there.
func (v *vault) settings(prefix string, more ...string) []string {
	return append([]string{"upstream.fack=shipped", "archive.url=" + v.url(prefix)}, append(v.access(), more...)...)
}

// access is what finds the server.
func (v *vault) access() []string {
	return []string{
		"archive.s3.endpoint=" + v.gateway.Endpoint(), "archive.s3.region=" + s3gateway.Region, "archive.s3.force-path-style=true",
	}
}

// size returns how many bytes the files with that prefix have.
func (v *vault) size(prefix string) (int64, error) { return treeSize(filepath.Join(v.bucket, prefix)) }

// empty removes all objects, so that the disk has room for the next ones.
func (v *vault) empty() error {
	entries, err := os.ReadDir(v.bucket)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(v.bucket, entry.Name())))
	}
	if err != nil {
		return fmt.Errorf("empty the bucket: %w", err)
	}
	return nil
}

// treeSize returns how many bytes the files below dir have.
func treeSize(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("look at what is in %s: %w", filepath.Base(dir), err)
	}
	return size, nil
}

// settleMoves is settle before bytes are moved: what is written to the page cache of both sides finds memory.
func (b *bench) settleMoves() error {
	return errors.Join(settle(b.dir), touch(2*int64(b.scaled(transferBytes))))
}

// restore measures `aofsidecar restore` of an archive to a new directory, which is then removed.
func (b *bench) restore(ctx context.Context, v *vault, prefix string) (m moved, err error) {
	dir, err := os.MkdirTemp(b.dir, "run")
	if err != nil {
		return m, fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := b.settleMoves(); err != nil {
		return m, err
	}
	target := filepath.Join(dir, "restored")
	argv := []string{b.sidecar, "restore", "--archive", v.url(prefix), "--output", target}
	for _, setting := range v.access() {
		argv = append(argv, "--set", setting)
	}
	done, err := finish(ctx, dir, argv)
	if err != nil {
		return m, err
	}
	m = moved{took: done.took, cpu: done.cpu, peak: done.peak}
	m.bytes, err = treeSize(target)
	return m, err
}
