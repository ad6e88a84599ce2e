package aof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// EntryKind says where a command of an increment came from.
type EntryKind string

// The kinds of entries.
const (
	EntryCommand EntryKind = "command" // stream bytes
	EntrySelect  EntryKind = "select"  // the SELECT that begins an increment
	EntryMark    EntryKind = "mark"
	EntryNote    EntryKind = "annotation" // a # line
)

// Entry is one command of an increment.
type Entry struct {
	File       string // name in the AOF directory
	Start, End int64  // bytes in the file
	Kind       EntryKind
	Position   stream.Position // after the command
	Time       time.Time       // of the last mark above it, or of itself: it was received then or later
	DB         int             // selected after it
	Multi      bool            // it ends inside MULTI..EXEC
	Args       [][]byte        // the command with its name; each argument may be cut to Filter.MaxArg
	Lens       []int64         // their true lengths
	Durable    stream.Offset   // of a mark
}

// Filter selects entries. The zero value selects all.
type Filter struct {
	Commands []string      // names in any case; empty: all. Other kinds than EntryCommand never match a name
	Key      []byte        // nil: any; else commands that have it among their arguments
	From, To stream.Offset // entries with From <= offset <= To; To 0: to the end
	Since    time.Time     // zero: no limit
	Until    time.Time
	MaxArg   int // bytes of an argument to keep, 0: 64 KiB, less than 0: all
}

// ReadManifest returns the text of a directory's manifest; fs.ErrNotExist where there is none.
func ReadManifest(opt Options) (string, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return "", fmt.Errorf("read manifest: %w", err)
	}
	_, text, err := readManifest(opt.FS, opt.layout())
	return text, err
}

// errPast ends a walk early.
var errPast = errors.New("past the filter")

// Walk calls fn with the entries of all increments that match, in order, and stops at the first error of fn. It takes no lock; on
// a live directory it ends where the file ended when it was opened. A torn tail is no error; garbage is a *CorruptError.
func Walk(ctx context.Context, opt Options, filter Filter, fn func(Entry) error) (err error) {
	opt, err = opt.withDefaults()
	if err != nil {
		return fmt.Errorf("walk: %w", err)
	}
	man, files, err := openIncrements(opt, filter.reaches)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll(files)) }()
	for _, f := range files {
		w := walker{filter: filter, fn: fn, name: filepath.Base(f.path)}
		s, err := f.scan(ctx, w.attach)
		if errors.Is(err, errPast) {
			return nil
		}
		if err != nil {
			return noHead(opt.Dir, f.path, man.timeline(), err)
		}
		if s.syntax != nil {
			return &CorruptError{Path: s.path, Offset: s.syntax.Offset, What: s.syntax.What}
		}
	}
	return nil
}

// reaches reports whether increment i may have entries that match.
func (f Filter) reaches(man *manifest, i int) bool {
	return i+1 == len(man.incrs) || !man.incrs[i+1].hasStart || man.incrs[i+1].startOffset >= f.From
}

// walker hands the commands of one increment on.
type walker struct {
	filter Filter
	fn     func(Entry) error
	name   string
	f      fsx.File
	s      *scan
	args   *resp.Reader
}

func (w *walker) attach(s *scan, f fsx.File) {
	w.s, w.f = s, f
	s.visit = w.visit
}

func (w *walker) visit() error {
	at := w.s.at
	t := time.UnixMilli(at.unixMilli).UTC()
	switch {
	case w.filter.To > 0 && at.offset > w.filter.To, !w.filter.Until.IsZero() && t.After(w.filter.Until):
		return errPast
	case at.offset < w.filter.From, t.Before(w.filter.Since):
		return nil
	}
	e := Entry{
		File: w.name, Start: w.s.begin, End: at.file, Kind: w.kind(),
		Position: stream.Position{ReplID: at.id, Offset: at.offset}, Time: t, DB: at.db, Multi: w.s.tr.Multi,
	}
	if !w.nameMatches(e.Kind) {
		return nil
	}
	if err := w.readArgs(&e); err != nil {
		return err
	}
	if !w.keyMatches(e) {
		return nil
	}
	return w.fn(e)
}

func (w *walker) kind() EntryKind {
	if w.s.sc.Kind() == resp.Annotation {
		return EntryNote
	}
	if w.s.commands == 1 {
		return EntrySelect
	}
	if _, ok := w.s.markOf(); ok {
		return EntryMark
	}
	return EntryCommand
}

func (w *walker) nameMatches(kind EntryKind) bool {
	if len(w.filter.Commands) == 0 {
		return true
	}
	if kind != EntryCommand {
		return false
	}
	for _, name := range w.filter.Commands {
		if bytes.EqualFold(w.s.sc.Arg(0), []byte(name)) {
			return true
		}
	}
	return false
}

func (w *walker) keyMatches(e Entry) bool {
	if w.filter.Key == nil {
		return true
	}
	if e.Kind != EntryCommand || len(e.Args) == 0 {
		return false
	}
	for i, arg := range e.Args[1:] {
		if int64(len(arg)) == e.Lens[i+1] && bytes.Equal(arg, w.filter.Key) {
			return true
		}
	}
	return false
}

// readArgs reads the command again, with its arguments.
func (w *walker) readArgs(e *Entry) error {
	section := io.NewSectionReader(w.f, e.Start, e.End-e.Start)
	if w.args == nil {
		w.args = resp.NewReader(section)
		w.args.MaxArgBytes = w.filter.MaxArg
	} else {
		w.args.Reset(section)
	}
	cmd, err := w.args.Next()
	if _, changed := errors.AsType[*resp.SyntaxError](err); changed || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errPast // it was cut since it was read
	}
	if err != nil {
		return fmt.Errorf("read %s at byte %d: %w", w.s.path, e.Start, err)
	}
	e.Args, e.Lens = cmd.Args, cmd.Lens
	if e.Kind == EntryNote {
		e.Args, e.Lens = [][]byte{cmd.Line}, []int64{int64(len(cmd.Line))}
	}
	if m, ok := w.s.markOf(); e.Kind == EntryMark && ok {
		e.Durable = m.Durable
	}
	return nil
}
