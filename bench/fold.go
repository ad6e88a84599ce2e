package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"

	"golang.org/x/sys/unix"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
)

// foldMode is the first argument that makes this program fold a directory.
const foldMode = "fold"

// foldDirectory replaces the base and the increment below dir by a new base, durable before the manifest names it: what a rewrite does while no
// sidecar runs.
func foldDirectory(ctx context.Context, dir string) (err error) {
	var (
		in   fold.Input
		info unix.Sysinfo_t
	)
	for _, f := range []struct {
		name string
		into func(fold.Source)
	}{
		{oldBaseName, func(s fold.Source) { in.Base = s }},
		{incrName, func(s fold.Source) { in.Increments = []fold.Source{s} }},
	} {
		file, size, err := openSized(inAppendDir(dir, f.name))
		if err != nil {
			return fmt.Errorf("open log: %w", err)
		}
		defer func() { _ = file.Close() }() // it was only read
		f.into(fold.Source{Name: f.name, R: file, Size: size})
	}
	if err := unix.Sysinfo(&info); err != nil {
		return fmt.Errorf("look at the machine: %w", err)
	}
	opt := fold.Options{
		Table: keyspace.NewTable(), Aux: [][2]string{{"aof-base", "1"}},
		MaxMemory: int64(info.Totalram) * int64(info.Unit) / foldMemoryShare,
	}
	err = durableFile(inAppendDir(dir, newBaseName), func(w io.Writer) error {
		_, err := fold.Fold(ctx, in, w, opt)
		return err
	})
	if err != nil {
		return fmt.Errorf("fold: %w", err)
	}
	return swapManifest(dir)
}

// foldMemoryShare is the part of the machine's memory that rewrite.max-memory is by default.
const foldMemoryShare = 4

// profiled calls do and writes a processor profile of it to path, unless that is empty.
func profiled(path string, do func() error) error {
	if path == "" {
		return do()
	}
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create profile: %w", err)
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return errors.Join(fmt.Errorf("begin profile: %w", err), out.Close())
	}
	err = do()
	pprof.StopCPUProfile()
	return errors.Join(err, out.Close())
}

func openSized(path string) (*os.File, int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// durableFile creates a file of what write writes, and syncs it.
func durableFile(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		return errors.Join(err, file.Close())
	}
	return errors.Join(file.Sync(), file.Close())
}

// swapManifest makes the new base all of the log.
func swapManifest(dir string) error {
	temp := inAppendDir(dir, "temp-"+manifestName)
	err := durableFile(temp, func(w io.Writer) error {
		_, err := io.WriteString(w, newManifest)
		return err
	})
	if err == nil {
		err = os.Rename(temp, inAppendDir(dir, manifestName))
	}
	if err != nil {
		return fmt.Errorf("swap manifest: %w", err)
	}
	folder, err := os.Open(filepath.Join(dir, appendDir))
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return errors.Join(folder.Sync(), folder.Close())
}
