package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// cutBuffer is how much of a log's file is read at once, in bytes.
const cutBuffer = 256 << 10

// Segment is a range of the log that becomes one object. Its plain bytes are by themselves an increment that servers load: SELECT, the mark From,
// the log's bytes as they are, and the mark To unless they end with it.
type Segment struct {
	// From and To are boundaries. What is stated to be durable is all up to them.
	From, To stream.Mark
	// DB is selected at From.
	DB int
	// Commands is how many commands of the stream it has, not counting marks; -1: they were not counted. 0: only the position or the time moved.
	Commands int64

	head, tail []byte
	r          io.ReaderAt
	at, n      int64
}

// Size is how many plain bytes there are.
func (s *Segment) Size() int64 { return int64(len(s.head)) + s.n + int64(len(s.tail)) }

// Plain reads the plain bytes, straight from the log's file, which must still be open. It may be called several times.
func (s *Segment) Plain() io.Reader {
	if s.n == 0 {
		return io.MultiReader(bytes.NewReader(s.head), bytes.NewReader(s.tail))
	}
	return io.MultiReader(bytes.NewReader(s.head), io.NewSectionReader(s.r, s.at, s.n), bytes.NewReader(s.tail))
}

// Key names the segment; sum is that of Plain.
func (s *Segment) Key(timeline string, epoch int64, sum string, sealer *Sealer) SegmentKey {
	return SegmentKey{
		Timeline: timeline, From: s.From.Position.Offset, To: s.To.Position.Offset, FromMilli: s.From.UnixMilli, ToMilli: s.To.UnixMilli,
		Epoch: epoch, Sum: sum, Zstd: sealer.Zstd(), Age: sealer.Age(),
	}
}

// LogError says that a file of the log is not as the log writes it, or does not have a place that was asked for.
type LogError struct {
	Name string // of the file
	At   int64  // bytes
	What string
}

// Error says where.
func (e *LogError) Error() string { return fmt.Sprintf("%s at byte %d: %s", e.Name, e.At, e.What) }

// Cutter cuts an increment of the log into segments, at boundaries outside MULTI. It reads each byte once to find them, and keeps no more in
// memory than its buffer, however large a segment is. For one goroutine.
type Cutter struct {
	name string
	r    io.ReaderAt
	buf  []byte

	f        follower
	from     place // where the next segment begins
	commands int64 // of the stream, since from
}

// NewCutter returns a Cutter at the start of an increment. r stays open as long as the Cutter and its segments are used.
func NewCutter(r io.ReaderAt, file stream.LogFile) *Cutter { return &Cutter{name: file.Name, r: r} }

// Seek goes from the start to a place that an archive has reached: the first boundary at that offset, or where the log dropped the bytes around
// it. At least unixMilli is the time that the next segment begins with, so that times in the archive do not go back. limit and end are as
// of Next. *LogError: the file has no such place.
func (c *Cutter) Seek(ctx context.Context, limit int64, end stream.Mark, offset stream.Offset, unixMilli int64) error {
	c.f, c.commands = follower{}, 0
	before := place{file: -1}
	_, err := c.scan(ctx, limit, func() bool {
		if c.f.at.pos.Offset > offset {
			return true
		}
		if c.f.boundary() {
			before = c.f.at
		}
		return before.file >= 0 && before.pos.Offset == offset
	})
	if err != nil {
		return err
	}
	switch at := c.f.at; {
	case before.file < 0:
		return c.wrong(fmt.Sprintf("offset %d is before it", offset))
	case at.pos.Offset > offset && (c.f.last != stepMark || before.file != c.f.begins(at)),
		at.pos.Offset < offset && (before.file != limit || offset > end.Position.Offset):
		return c.wrong(fmt.Sprintf("offset %d is no boundary of it", offset))
	}
	before.pos.Offset = offset
	before.unixMilli = max(before.unixMilli, unixMilli)
	c.f.resumeAt(before)
	c.from = before
	return nil
}

// Next cuts the next segment. limit is how many bytes of the file are durable, which ends at a boundary, and end what holds there. The segment ends at the first
// mark that makes it maxBytes or more, else at limit; the log writes a mark at least each 256 KiB, so that only a command or a transaction
// makes it much larger. ok is false if there is nothing behind the last segment but what moves the position or the time; with idle, only if there is
// nothing at all. A mark of From and To alone, made of end, is what follows a quiet upstream: see Idle.
func (c *Cutter) Next(ctx context.Context, limit int64, end stream.Mark, maxBytes int64, idle bool) (seg Segment, ok bool, err error) {
	if c.f.seen < headCommands {
		if _, err := c.scan(ctx, limit, c.f.boundary); err != nil {
			return Segment{}, false, err
		}
		if !c.f.boundary() {
			return Segment{}, false, c.wrong("it does not begin with SELECT and a mark")
		}
		c.from, c.commands = c.f.at, 0
	}
	full := func() bool { return c.f.last == stepMark && c.f.boundary() && c.f.at.file-c.from.file >= maxBytes }
	cut := c.f.at.file > c.from.file && full()
	if !cut {
		if cut, err = c.scan(ctx, limit, full); err != nil {
			return Segment{}, false, err
		}
	}
	to := c.f.at
	if !cut || to.file == limit {
		if to, err = c.end(to, end); err != nil {
			return Segment{}, false, err
		}
	}
	if c.commands == 0 && (!idle || to == c.from) {
		return Segment{}, false, nil
	}
	seg = c.segment(to)
	c.from, c.commands = to, 0
	c.f.at = to
	return seg, true, nil
}

// end is the place at limit, which the scan has reached, as the log knows it.
func (c *Cutter) end(to place, end stream.Mark) (place, error) {
	if !c.f.whole() {
		return place{}, c.wrong("what is durable does not end at a boundary")
	}
	if end.Position.Offset < to.pos.Offset {
		return place{}, c.wrong(fmt.Sprintf("the log ends at offset %d, and its commands reach %d", end.Position.Offset, to.pos.Offset))
	}
	to.pos, to.unixMilli = end.Position, max(to.unixMilli, end.UnixMilli)
	return to, nil
}

func (c *Cutter) segment(to place) Segment {
	s := Segment{From: c.from.mark(), To: to.mark(), DB: c.from.db, Commands: c.commands, r: c.r, at: c.from.file, n: to.file - c.from.file}
	s.head = s.From.AppendCommand(resp.AppendSelect(s.head, s.DB))
	if last := c.f.mark; s.n == 0 || c.f.last != stepMark || last.Position != s.To.Position || last.UnixMilli != s.To.UnixMilli {
		s.tail = s.To.AppendCommand(nil)
	}
	return s
}

// Idle is a segment of a mark alone: at the place where the last segment ended nothing has happened up to unixMilli. It does not move the Cutter
// but in time. ok is false where no segment was cut yet and the increment not begun.
func (c *Cutter) Idle(unixMilli int64) (seg Segment, ok bool) {
	if c.f.seen < headCommands {
		return Segment{}, false
	}
	to := c.from
	to.unixMilli = max(to.unixMilli, unixMilli)
	s := Segment{From: c.from.mark(), To: to.mark(), DB: to.db}
	s.head = s.From.AppendCommand(resp.AppendSelect(s.head, s.DB))
	s.tail = s.To.AppendCommand(nil)
	c.from.unixMilli = to.unixMilli
	c.f.at.unixMilli = max(c.f.at.unixMilli, to.unixMilli)
	return s, true
}

// At is where the next segment begins; the zero value before the first.
func (c *Cutter) At() stream.Mark {
	if c.f.seen < headCommands {
		return stream.Mark{}
	}
	return c.from.mark()
}

// begins is where the command that ended at the place began; only a mark is asked for, which is as long as it is written.
func (f *follower) begins(at place) int64 {
	return at.file - int64(len(f.mark.AppendCommand(nil)))
}

// scan reads on up to limit, and stops behind the first command for which stop is true.
func (c *Cutter) scan(ctx context.Context, limit int64, stop func() bool) (stopped bool, err error) {
	if c.buf == nil {
		c.buf = make([]byte, cutBuffer)
	}
	for c.f.off < limit {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		n, err := c.r.ReadAt(c.buf[:min(int64(len(c.buf)), limit-c.f.off)], c.f.off)
		if n == 0 && err != nil {
			if errors.Is(err, io.EOF) {
				return false, c.wrong("it is shorter than what is durable of it")
			}
			return false, fmt.Errorf("read %s: %w", c.name, err)
		}
		stopped, err := c.take(c.buf[:n], stop)
		if stopped || err != nil {
			return stopped, err
		}
	}
	return false, nil
}

// take follows the commands of p up to where stop is true.
func (c *Cutter) take(p []byte, stop func() bool) (bool, error) {
	for len(p) > 0 {
		n, done, err := c.f.next(p)
		if syntax, ok := errors.AsType[*resp.SyntaxError](err); ok {
			return false, &LogError{Name: c.name, At: c.f.begin, What: syntax.What}
		}
		if err != nil {
			return false, err
		}
		p = p[n:]
		if !done {
			return false, nil
		}
		if c.f.last == stepCommand {
			c.commands++
		}
		if stop() {
			return true, nil
		}
	}
	return false, nil
}

func (c *Cutter) wrong(what string) error { return &LogError{Name: c.name, At: c.f.off, What: what} }

// markBytes is enough for the head of an increment, and for the mark at its end.
const markBytes = 512

// WholeSegment is a closed increment as one segment, as it is. It reads the two ends. end is what holds at the end of the timeline: the increment that ends there may
// lack the mark that says so, and gets it. r stays open as long as the segment is used.
func WholeSegment(r io.ReaderAt, file stream.LogFile, end stream.Mark) (Segment, error) {
	buf := make([]byte, min(file.Bytes, markBytes))
	c := NewCutter(r, file)
	if _, err := r.ReadAt(buf, 0); err != nil && !errors.Is(err, io.EOF) {
		return Segment{}, fmt.Errorf("read %s: %w", file.Name, err)
	}
	if _, err := c.take(buf, c.f.boundary); err != nil {
		return Segment{}, err
	}
	if !c.f.boundary() {
		return Segment{}, c.wrong("it does not begin with SELECT and a mark")
	}
	from := c.f.mark
	if _, err := r.ReadAt(buf, file.Bytes-int64(len(buf))); err != nil && !errors.Is(err, io.EOF) {
		return Segment{}, fmt.Errorf("read %s: %w", file.Name, err)
	}
	to := stream.LastMark(buf)
	var tail []byte
	if to.Position.Offset < file.To && end.Position.Offset == file.To && !end.Position.IsZero() {
		end.Durable = file.To
		to, tail = end, end.AppendCommand(nil)
	}
	if to.Position.IsZero() || to.Position.Offset != file.To || from.Position.Offset != file.From {
		return Segment{}, c.wrong(fmt.Sprintf("it does not begin and end with marks of %d and %d", file.From, file.To))
	}
	to.UnixMilli = max(from.UnixMilli, to.UnixMilli)
	return Segment{From: from, To: to, DB: c.f.at.db, Commands: -1, tail: tail, r: r, n: file.Bytes}, nil
}
