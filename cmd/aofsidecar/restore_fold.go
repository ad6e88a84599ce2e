package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
)

// foldRestored writes a restored base and increment as one file: an RDB, or commands for redis-cli --pipe. It is an upload.Folder.
func foldRestored(ctx context.Context, base, increment upload.FoldFile, format upload.Format, out io.Writer) error {
	options := foldOptions()
	if format == upload.FormatRESP {
		options.NoPreamble = true
		out = &withoutMagic{w: out}
	}
	result, err := foldFiles(ctx, base, increment, out, options)
	if err != nil {
		return err
	}
	if format == upload.FormatRDB && result.CarriedBytes > 0 {
		return &upload.EngineError{What: fmt.Sprintf("an RDB cannot hold the commands of %d keys that nobody but a server can run (%s)", result.Carried, unknownText(result.Unknown))}
	}
	return nil
}

// foldOptions are those of a fold that no log is behind.
func foldOptions() fold.Options {
	return fold.Options{Table: keyspace.NewTable(), Time: markTime, MaxMemory: memoryShare()}
}

// foldFiles folds, and returns its errors in the words of a restore.
func foldFiles(ctx context.Context, base, increment upload.FoldFile, out io.Writer, options fold.Options) (fold.Result, error) {
	in := fold.Input{Base: fold.Source(base)}
	if increment.Size > 0 {
		in.Increments = []fold.Source{fold.Source(increment)}
	}
	result, err := fold.Fold(ctx, in, out, options)
	if cannot, ok := errors.AsType[*fold.CannotError](err); ok {
		return result, &upload.EngineError{What: cannot.Error()}
	}
	if input, ok := errors.AsType[*fold.InputError](err); ok {
		return result, &upload.DamagedError{Key: input.File, What: input.Error()}
	}
	return result, err
}

// markTime returns the time that a command states, if it is a mark.
func markTime(args [][]byte) (int64, bool) {
	if len(args) != 2 {
		return 0, false
	}
	m, ok := stream.ParseMark(args[1])
	return m.UnixMilli, ok
}

// unknownText names commands that could not be run.
func unknownText(unknown map[string]int64) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		words = append(words, fmt.Sprintf("%s %d times", name, unknown[name]))
	}
	return strings.Join(words, ", ")
}

// withoutMagic drops the first line, which is a comment to those who load a file, and an unknown command to who is sent it.
type withoutMagic struct {
	w    io.Writer
	line []byte
	past bool
}

// Write drops the first line.
func (m *withoutMagic) Write(p []byte) (int, error) {
	if m.past {
		return m.w.Write(p)
	}
	m.line = append(m.line, p...)
	end := bytes.IndexByte(m.line, '\n')
	if end < 0 {
		return len(p), nil
	}
	m.past = true
	rest := m.line[end+1:]
	if !bytes.HasPrefix(m.line, []byte(fold.RESPMagic)) {
		rest = m.line
	}
	if _, err := m.w.Write(rest); err != nil {
		return 0, err
	}
	m.line = nil
	return len(p), nil
}
