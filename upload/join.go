package upload

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

const (
	// joinBuffer is how much is read and written at once, in bytes.
	joinBuffer = 1 << 20
	// heldBytes is the length up to which a command that has not ended is held back: each mark is shorter.
	heldBytes = 1 << 10
)

// Cut says where an increment that is joined ends; the zero value: where the segments end.
type Cut struct {
	// Offset, if set: at the last boundary at or before it.
	Offset *stream.Offset
	// UnixMilli, unless 0: at the last boundary at or above the last mark of that time or an earlier one.
	UnixMilli int64
}

// Joiner writes segments one after another as one increment, and verifies them: framing, and that marks and names say the same. Nothing is written
// twice: of a segment that begins before the end of what is there the first part is skipped. Of the heads only the first is written, SELECTs because in a log
// they count as bytes of the stream; a mark follows where it says something new. A mark whose time is before an earlier one's gets the latter. For
// one goroutine.
type Joiner struct {
	w   io.Writer
	cut Cut
	buf []byte

	begun bool
	from  stream.Mark
	at    place // what is taken; but file is the bytes written
	last  joint // the last boundary
	kept  joint // and the last that the cut takes
	count int64 // commands of the stream
	maxDB int
	ended bool // the cut was reached
}

// joint is a boundary in the output.
type joint struct {
	place
	proven   bool  // a mark that states it stands before it
	commands int64 // of the stream, above
}

// NewJoiner writes to w an increment that begins at offset from, up to which all had been received at unixMilli.
func NewJoiner(w io.Writer, from stream.Offset, unixMilli int64, cut Cut) *Joiner {
	return &Joiner{w: w, cut: cut, at: place{pos: stream.Position{Offset: from}, unixMilli: unixMilli}}
}

// Joined is what became of the segments.
type Joined struct {
	From, To stream.Mark
	// Bytes is how many of the bytes written are the increment: the rest is behind the cut, and is to be truncated.
	Bytes int64
	// Tail must follow them: the mark that ends the increment, unless it has it.
	Tail []byte
	// Commands is how many of the stream's it has.
	Commands int64
	// DB is selected at the end, and MaxDB is the highest that was.
	DB, MaxDB int
}

// Ended reports whether the cut has been reached, so that nothing more is written.
func (j *Joiner) Ended() bool { return j.ended }

// Add takes the plain bytes of the next segment, and reads them to their end. Segments follow one another without a hole, and may overlap.
// Errors are *DamagedError, those of r and of the writer, and ctx's cause.
func (j *Joiner) Add(ctx context.Context, key SegmentKey, r io.Reader) error {
	if j.buf == nil {
		j.buf = make([]byte, joinBuffer)
	}
	if !j.ended && key.From > j.at.pos.Offset {
		return &DamagedError{Key: key.String(), What: fmt.Sprintf("it begins behind offset %d, where it should follow", j.at.pos.Offset)}
	}
	s := joining{j: j, key: key, skipping: true}
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, rerr := r.Read(j.buf[s.held:])
		if err := s.take(s.held + n); err != nil {
			return err
		}
		if rerr == io.EOF {
			return s.finish()
		}
		if rerr != nil {
			return rerr
		}
	}
}

// Finish ends the increment. Unless the cut came before, it says that nothing else had been received by unixMilli.
func (j *Joiner) Finish(unixMilli int64) (Joined, error) {
	if !j.begun {
		return Joined{}, errors.New("join segments: there are none")
	}
	to, proven := j.kept.place, j.kept.proven
	if !j.ended && unixMilli > to.unixMilli {
		to.unixMilli, proven = unixMilli, false
	}
	res := Joined{From: j.from, To: to.mark(), Bytes: to.file, Commands: j.kept.commands, DB: to.db, MaxDB: j.maxDB}
	if !proven {
		res.Tail = res.To.AppendCommand(nil)
	}
	return res, nil
}

// Begin begins an increment that has no segment: at a base behind which there is nothing.
func (j *Joiner) Begin(db int, pos stream.Position) error {
	return j.begin(place{pos: pos, db: db})
}

func (j *Joiner) begin(at place) error {
	at.file, at.unixMilli = 0, max(at.unixMilli, j.at.unixMilli)
	j.begun, j.at, j.from, j.maxDB = true, at, at.mark(), at.db
	if err := j.write(j.from.AppendCommand(resp.AppendSelect(nil, at.db))); err != nil {
		return err
	}
	j.last = joint{place: j.at, proven: true}
	j.kept = j.last
	return nil
}

// goOn says where the next segment goes on, if that is new.
func (j *Joiner) goOn(at place) error {
	if at.unixMilli <= j.at.unixMilli && at.pos == j.at.pos {
		return nil
	}
	if j.past(at) {
		j.ended = true
		return nil
	}
	j.at.pos, j.at.unixMilli = at.pos, max(j.at.unixMilli, at.unixMilli)
	if err := j.write(j.at.mark().AppendCommand(nil)); err != nil {
		return err
	}
	j.last = joint{place: j.at, proven: true, commands: j.count}
	j.kept = j.last
	return nil
}

// past reports whether a mark, or the end of a command, is behind the cut.
func (j *Joiner) past(at place) bool {
	return j.cut.Offset != nil && at.pos.Offset > *j.cut.Offset || j.cut.UnixMilli != 0 && at.unixMilli > j.cut.UnixMilli
}

func (j *Joiner) write(p []byte) error {
	n, err := j.w.Write(p)
	j.at.file += int64(n)
	if err != nil {
		return fmt.Errorf("write increment: %w", err)
	}
	return nil
}

// joining is one segment on its way. The buffer's bytes are followed, and then written in runs of as many as stand together.
type joining struct {
	j   *Joiner
	key SegmentKey
	f   follower

	skipping bool  // what the output has already is passed over
	passed   place // the last place that was
	held     int   // bytes at the begin of the buffer that were followed and neither written nor dropped
	run      int   // where in the buffer begins what is to be written
}

// take follows the bytes of the buffer behind the held ones, up to end, and writes what is to be written.
func (s *joining) take(end int) error {
	begin, at := 0, s.held // of the command that is being read, and of what is not followed yet
	s.run = 0
	if s.held == 0 && s.f.pendingBytes() > 0 {
		begin = -1 // its begin has been written or dropped
	}
	for at < end {
		n, done, err := s.f.next(s.j.buf[at:end])
		if syntax, ok := errors.AsType[*resp.SyntaxError](err); ok {
			return s.damaged(fmt.Sprintf("at byte %d: %s", s.f.begin, syntax.What))
		}
		if err != nil {
			return err
		}
		at += n
		if !done {
			break
		}
		if err := s.command(begin, at); err != nil {
			return err
		}
		begin = at
	}
	return s.flush(begin, end)
}

// flush writes the run, without a short command that has not ended, which stays in the buffer.
func (s *joining) flush(begin, end int) error {
	s.held = 0
	until := end
	if begin >= 0 && end-begin <= heldBytes {
		until, s.held = begin, end-begin
	}
	if err := s.writeRun(until); err != nil {
		return err
	}
	copy(s.j.buf, s.j.buf[until:end])
	return nil
}

// writeRun writes what stands before until.
func (s *joining) writeRun(until int) error {
	from := s.run
	s.run = until
	if s.skipping || s.j.ended || from >= until {
		return nil
	}
	return s.j.write(s.j.buf[from:until])
}

// command takes a command that has ended; begin is -1 if it began before the buffer.
func (s *joining) command(begin, end int) error {
	switch {
	case s.f.off == s.f.head:
		s.run = end
		return s.head()
	case s.j.ended || s.f.off < s.f.head || s.f.head == 0:
		return nil
	case s.skipping:
		return s.skip(begin, end)
	default:
		return s.keep(begin, end)
	}
}

// head takes the head of the segment.
func (s *joining) head() error {
	if got := s.f.mark; got.Position.Offset != s.key.From || got.UnixMilli != s.key.FromMilli {
		return s.damaged(fmt.Sprintf("it begins at offset %d, at %d", got.Position.Offset, got.UnixMilli))
	}
	if s.key.From < s.j.at.pos.Offset || s.j.ended {
		return nil
	}
	return s.start(s.f.at)
}

// start ends the skipping: the output goes on from this place of the segment.
func (s *joining) start(at place) error {
	s.skipping = false
	if !s.j.begun {
		return s.j.begin(at)
	}
	if at.db != s.j.at.db {
		return s.damaged(fmt.Sprintf("at offset %d it has selected database %d, and the segments before it %d", at.pos.Offset, at.db, s.j.at.db))
	}
	return s.j.goOn(at)
}

// skip passes over a command that is written already, or starts behind it.
func (s *joining) skip(begin, end int) error {
	at, want := s.f.at, s.j.at.pos.Offset
	switch {
	case at.pos.Offset < want:
		s.passed = at
		return nil
	case at.pos.Offset == want && s.f.boundary():
		s.run = end
		return s.start(at)
	case s.f.boundary() && s.f.last == stepMark: // bytes that the log dropped stand around the place
		s.run = begin
		before := s.passed
		before.pos.Offset = want
		if before.pos.ReplID.IsZero() {
			before = place{pos: stream.Position{ReplID: at.pos.ReplID, Offset: want}, db: at.db}
		}
		if err := s.start(before); err != nil || s.j.ended {
			return err
		}
		return s.keep(begin, end)
	default:
		return s.damaged(fmt.Sprintf("offset %d is no boundary of it", want))
	}
}

// keep takes a command that is to be written, if it is not behind the cut.
func (s *joining) keep(begin, end int) error {
	j, at := s.j, s.f.at
	at.unixMilli = max(at.unixMilli, j.at.unixMilli)
	if j.past(at) {
		err := s.writeRun(max(begin, s.run))
		j.ended = true
		return err
	}
	isMark := s.f.last == stepMark
	if isMark && s.f.mark.UnixMilli < j.at.unixMilli {
		if err := s.writeRun(begin); err != nil {
			return err
		}
		m := s.f.mark
		m.UnixMilli = j.at.unixMilli
		if err := j.write(m.AppendCommand(nil)); err != nil {
			return err
		}
		s.run = end
	}
	if s.f.last == stepCommand {
		j.count++
	}
	j.maxDB = max(j.maxDB, at.db)
	written := j.at.file
	j.at = at
	j.at.file = written
	if s.f.boundary() {
		j.last = joint{place: at, proven: isMark && s.f.mark.Durable == at.pos.Offset, commands: j.count}
		j.last.file = written + int64(end-s.run)
	}
	if isMark || j.cut.UnixMilli == 0 {
		j.kept = j.last
	}
	return nil
}

// finish compares the end of the segment with its name.
func (s *joining) finish() error {
	at := s.f.at
	switch {
	case !s.f.whole():
		return s.damaged("it does not end at a boundary")
	case s.f.last != stepMark:
		return s.damaged("it does not end with a mark")
	case at.pos.Offset != s.key.To || at.unixMilli != s.key.ToMilli:
		return s.damaged(fmt.Sprintf("it ends at offset %d, at %d", at.pos.Offset, at.unixMilli))
	}
	return nil
}

func (s *joining) damaged(what string) error { return &DamagedError{Key: s.key.String(), What: what} }
