package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
)

// profile folds the log below dir once more, in this process, and writes a processor profile of that into b.profiles. What is folded goes
// to a file that nobody reads.
func (b *bench) profile(ctx context.Context, name, dir string) (err error) {
	base, err := openSource(inAppendDir(dir, oldBaseName))
	if err != nil {
		return err
	}
	defer base.close()
	commands, err := openSource(inAppendDir(dir, closedName))
	if err != nil {
		return err
	}
	defer commands.close()
	folded, err := os.CreateTemp(b.dir, "folded")
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	defer func() { err = errors.Join(err, folded.Close(), os.Remove(folded.Name())) }()
	profile, err := os.Create(filepath.Join(b.profiles, name+".prof"))
	if err != nil {
		return fmt.Errorf("create profile: %w", err)
	}
	defer func() { err = errors.Join(err, profile.Close()) }()
	if err := pprof.StartCPUProfile(profile); err != nil {
		return fmt.Errorf("begin profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	out := bufio.NewWriterSize(folded, rdbChunk)
	in := fold.Input{Base: base.Source, Increments: []fold.Source{commands.Source}}
	if _, err := fold.Fold(ctx, in, out, fold.Options{Table: keyspace.NewTable()}); err != nil {
		return fmt.Errorf("fold: %w", err)
	}
	return out.Flush()
}

// source is a file to fold.
type source struct {
	fold.Source

	file *os.File
}

func openSource(path string) (*source, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open log: %w", err), file.Close())
	}
	return &source{Source: fold.Source{Name: filepath.Base(path), R: file, Size: info.Size()}, file: file}, nil
}

func (s *source) close() { _ = s.file.Close() } // it was only read
