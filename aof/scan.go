package aof

import (
	"errors"
	"fmt"
	"io"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// scanBuffer is how much of a file is read at once, in bytes.
const scanBuffer = 1 << 20

// maxOffset leaves room to count the bytes of a file behind any mark.
const maxOffset stream.Offset = 1 << 62

// place is a cursor with the history that it belongs to.
type place struct {
	cursor
	id        stream.ReplID
	unixMilli int64 // of the last mark above
}

// scan is what one pass over an increment finds.
type scan struct {
	path    string
	size    int64 // of the file, or of what is to be read of it
	limited bool  // no boundary past limit is taken
	first   bool  // and of those at one offset the first: marks behind it are not proven
	limit   stream.Offset
	visit   func() error // nil, or called after each whole command: begin, at, sc and tr describe it

	sc resp.Scanner
	tr resp.Tracker

	commands int64 // whole ones, ours included
	off      int64 // bytes taken
	begin    int64 // where the command that is being read begins
	at       place // after the last whole command
	head     stream.Mark
	headLen  int64
	last     stream.Mark   // the last mark outside MULTI
	lastAt   place         // and where it ends
	boundary place         // the last boundary outside MULTI that was taken
	proven   stream.Offset // the highest offset that a mark says was durable

	// anchor is a mark outside MULTI whose offset is below proven, or the first mark; ahead are some of the marks behind it.
	anchor place
	ahead  []place

	// What ended the scan before the end of the file: a command or transaction that is cut short, or bytes that
	// are no RESP (syntax).
	torn   bool
	syntax *resp.SyntaxError
}

// errNoHead says that a file does not begin as our increments do.
var errNoHead = errors.New("it does not begin with SELECT and a mark")

// run reads r, which is the whole file, to its end or to the first byte that is no RESP. Damage that no crash explains is
// a *CorruptError; errNoHead means that the file is not one of ours.
func (s *scan) run(r io.Reader) error {
	s.sc.AllowAnnotations = true
	buf := make([]byte, min(max(s.size, 1), scanBuffer))
	for {
		n, err := r.Read(buf)
		if perr := s.pieces(buf[:n]); perr != nil {
			return s.stopped(perr)
		}
		if errors.Is(err, io.EOF) {
			return s.finish()
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", s.path, err)
		}
	}
}

// stopped finishes a scan that bytes which are no RESP ended; other errors it returns.
func (s *scan) stopped(err error) error {
	if errors.As(err, &s.syntax) {
		return s.finish()
	}
	return err
}

// finish says how the file ended.
func (s *scan) finish() error {
	if s.headLen == 0 {
		return errNoHead
	}
	s.torn = s.syntax != nil || s.sc.Pending() || s.tr.Multi
	return nil //nolint:nilerr // bytes that are no RESP are a finding, which s.syntax holds
}

// pieces takes the next bytes of the file.
func (s *scan) pieces(p []byte) error {
	for len(p) > 0 {
		n, done, err := s.sc.Next(p)
		if err != nil {
			return err
		}
		if !done {
			s.off += int64(n)
			return nil
		}
		s.off += int64(n)
		if err := s.command(s.off); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// command takes the whole command that ends at end.
func (s *scan) command(end int64) error {
	if err := s.tr.Done(&s.sc); err != nil {
		return err
	}
	size := end - s.begin
	s.at.file = end
	switch {
	case s.commands < 2:
		if err := s.begins(); err != nil {
			return err
		}
	case s.sc.Kind() == resp.Annotation:
	case s.sc.Kind() == resp.Newline:
		return &resp.SyntaxError{Offset: s.begin, What: "a bare newline, of which loaders die"}
	default:
		m, ok := s.markOf()
		if ok {
			if err := s.takeMark(m); err != nil {
				return err
			}
			break
		}
		s.at.data = end
		s.at.offset += stream.Offset(size)
		s.at.linear = s.at.offset
	}
	s.at.db = s.tr.DB
	s.commands++
	if s.takes() {
		s.boundary = s.at
	}
	if s.visit != nil {
		if err := s.visit(); err != nil {
			return err
		}
	}
	s.begin = end
	return nil
}

// takes reports whether this is a boundary to take.
func (s *scan) takes() bool {
	switch {
	case s.tr.Multi, s.headLen == 0:
		return false
	case !s.limited:
		return true
	case s.first && s.at.offset == s.boundary.offset:
		return false
	default:
		return s.at.offset <= s.limit
	}
}

// begins takes one of the two commands that an increment begins with.
func (s *scan) begins() error {
	if s.commands == 0 {
		if s.sc.Kind() != resp.Select {
			return errNoHead
		}
		return nil
	}
	m, ok := s.markOf()
	if !ok {
		return errNoHead
	}
	s.at.data = s.at.file
	if s.takeMark(m) != nil {
		return errNoHead
	}
	s.head, s.headLen = m, s.at.file
	s.anchor, s.ahead = s.lastAt, s.ahead[:0]
	return nil
}

func (s *scan) markOf() (stream.Mark, bool) {
	if s.sc.Kind() != resp.Ping || s.sc.Args() != 2 {
		return stream.Mark{}, false
	}
	return stream.ParseMark(s.sc.Arg(1))
}

// takeMark goes on from what a mark states; it may only count bytes that were dropped, and time never goes back. Another mark ends the scan
// as bytes do that are no RESP: a power loss may leave old marks behind new ones.
func (s *scan) takeMark(m stream.Mark) error {
	switch {
	case m.Position.Offset < s.at.offset:
		return s.stop(fmt.Sprintf("a mark states offset %d where the commands above it reach %d", m.Position.Offset, s.at.offset))
	case m.Position.Offset > maxOffset:
		return s.stop(fmt.Sprintf("a mark states offset %d, which nobody reaches", m.Position.Offset))
	case m.Durable > m.Position.Offset:
		return s.stop(fmt.Sprintf("a mark states that %d is durable, past its own offset %d", m.Durable, m.Position.Offset))
	case m.UnixMilli < s.at.unixMilli:
		return s.stop(fmt.Sprintf("a mark states time %d after one that stated %d", m.UnixMilli, s.at.unixMilli))
	}
	s.at.offset, s.at.linear, s.at.time = m.Position.Offset, m.Position.Offset, m.UnixMilli
	s.at.id, s.at.unixMilli = m.Position.ReplID, m.UnixMilli
	if !s.tr.Multi {
		s.last, s.lastAt = m, s.at
		s.lastAt.db = s.tr.DB
		s.lookAhead()
	}
	s.prove(m.Durable)
	return nil
}

// lookAhead remembers the last mark as a later anchor, unless one is near. Under "no" a whole increment of marks may prove nothing.
func (s *scan) lookAhead() {
	if n := len(s.ahead); n == 0 || s.lastAt.file-s.ahead[n-1].file >= scanBuffer {
		s.ahead = append(s.ahead, s.lastAt)
	}
}

// prove raises proven, and moves the anchor up to it.
func (s *scan) prove(to stream.Offset) {
	s.proven = max(s.proven, to)
	n := 0
	for n < len(s.ahead) && s.ahead[n].offset < s.proven {
		s.anchor = s.ahead[n]
		n++
	}
	s.ahead = append(s.ahead[:0], s.ahead[n:]...)
}

// provenPlace returns the last boundary that marks prove durable: behind the marks that stand there, or before them if first, for no
// fsync need have covered them. Its time is that of the next mark, where there is one. r is the whole file that s has read. It reads only from
// the anchor on.
func (s *scan) provenPlace(r io.ReaderAt, first bool) (place, error) {
	p := s.from(s.anchor)
	p.limited, p.first, p.limit = true, first, s.proven
	var next place // the first mark that is not above the boundary
	p.visit = func() error {
		if next.file < p.boundary.file && p.lastAt.file >= p.boundary.file {
			next = p.lastAt
		}
		if p.at.offset > p.limit && next.file >= p.boundary.file {
			return errPast
		}
		return nil
	}
	if err := p.run(io.NewSectionReader(r, p.off, s.size-p.off)); err != nil && !errors.Is(err, errPast) {
		return place{}, err
	}
	p.boundary.time = p.at.time
	if next.file >= p.boundary.file {
		p.boundary.time = next.time
	}
	return p.boundary, nil
}

// from returns a scan that goes on from a boundary that s has passed.
func (s *scan) from(at place) *scan {
	p := &scan{
		path: s.path, size: s.size,
		commands: 2, off: at.file, begin: at.file, at: at, head: s.head, headLen: s.headLen,
		lastAt: at, boundary: at,
	}
	p.tr.DB = at.db
	return p
}

// stop ends the scan before the command that is being read.
func (s *scan) stop(what string) error { return &resp.SyntaxError{Offset: s.begin, What: what} }
