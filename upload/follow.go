package upload

import (
	"fmt"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// place is where a command ends, in the bytes that hold it and in the stream.
type place struct {
	file      int64 // bytes
	pos       stream.Position
	unixMilli int64 // the greatest time of the marks above: what is above had been received by then
	db        int   // selected there
}

// mark states the place: whoever has the bytes above has all up to it.
func (p place) mark() stream.Mark {
	return stream.Mark{Position: p.pos, UnixMilli: p.unixMilli, Durable: p.pos.Offset}
}

// step is what a command of an increment is.
type step uint8

const (
	stepHead    step = iota // the SELECT that an increment begins with
	stepMark                // a mark
	stepNote                // an annotation
	stepCommand             // stream bytes
)

// follower reads an increment or a segment command by command and knows where in the stream each one ends. The zero value is ready for the
// first byte. It allocates for errors and for marks only. Unlike the log, which reads its own files, it takes a mark whose time
// is before an earlier one's: clocks of several holders may have made them. The earlier time then stands.
type follower struct {
	sc resp.Scanner
	tr resp.Tracker

	off   int64 // bytes taken
	begin int64 // where the command that is being read begins
	seen  int   // whole commands, as far as the head needs to know
	head  int64 // where the head ends, once it has
	at    place // after the last whole command
	last  step  // what that was
	mark  stream.Mark
}

// next takes bytes of p up to the end of the command and returns how many; done says that it ended. Errors are *resp.SyntaxError, also for
// what is RESP and no increment.
func (f *follower) next(p []byte) (n int, done bool, err error) {
	f.sc.AllowAnnotations = true
	n, done, err = f.sc.Next(p)
	f.off += int64(n)
	if err != nil || !done {
		return n, false, err
	}
	if err := f.command(); err != nil {
		return n, false, err
	}
	f.begin = f.off
	return n, true, nil
}

// boundary reports whether the last whole command ends at one.
func (f *follower) boundary() bool { return !f.tr.Multi && f.seen == headCommands }

// whole reports whether nothing has begun that did not end.
func (f *follower) whole() bool { return f.boundary() && !f.sc.Pending() }

// pendingBytes is how much of a command has been taken that has not ended.
func (f *follower) pendingBytes() int64 { return f.off - f.begin }

// resumeAt goes on from a place that was passed before.
func (f *follower) resumeAt(at place) {
	*f = follower{off: at.file, begin: at.file, seen: headCommands, at: at}
	f.tr.DB = at.db
}

// headCommands are the SELECT and the mark that an increment begins with.
const headCommands = 2

// command takes the whole command that ends at f.off.
func (f *follower) command() error {
	if err := f.tr.Done(&f.sc); err != nil {
		return err
	}
	m, isMark := f.markOf()
	switch {
	case f.seen == 0 && f.sc.Kind() == resp.Select:
		f.seen, f.last = 1, stepHead
	case f.seen == 0, f.seen == 1 && !isMark:
		return f.wrong("it does not begin with SELECT and a mark")
	case isMark:
		if err := f.takeMark(m); err != nil {
			return err
		}
		if f.seen == 1 {
			f.seen, f.head = headCommands, f.off
		}
		f.last = stepMark
	case f.sc.Kind() == resp.Annotation:
		f.last = stepNote
	case f.sc.Kind() == resp.Newline:
		return f.wrong("a bare newline, of which loaders die")
	default:
		f.at.pos.Offset += stream.Offset(f.off - f.begin)
		f.last = stepCommand
	}
	f.at.file, f.at.db = f.off, f.tr.DB
	return nil
}

func (f *follower) markOf() (stream.Mark, bool) {
	if f.sc.Kind() != resp.Ping || f.sc.Args() != 2 {
		return stream.Mark{}, false
	}
	return stream.ParseMark(f.sc.Arg(1))
}

// takeMark goes on from what a mark states.
func (f *follower) takeMark(m stream.Mark) error {
	switch {
	case m.Position.Offset < f.at.pos.Offset:
		return f.wrong(fmt.Sprintf("a mark states offset %d where the commands above it reach %d", m.Position.Offset, f.at.pos.Offset))
	case m.Position.Offset > maxKeyOffset:
		return f.wrong(fmt.Sprintf("a mark states offset %d, which nobody reaches", m.Position.Offset))
	case m.Durable > m.Position.Offset:
		return f.wrong(fmt.Sprintf("a mark states that %d is durable, past its own offset %d", m.Durable, m.Position.Offset))
	}
	f.mark = m
	f.at.pos, f.at.unixMilli = m.Position, max(f.at.unixMilli, m.UnixMilli)
	return nil
}

func (f *follower) wrong(what string) error { return &resp.SyntaxError{Offset: f.begin, What: what} }
