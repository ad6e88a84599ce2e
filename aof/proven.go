package aof

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

const (
	// markLead is what stands before a mark's text in a file, but for the length.
	markLead = "*2\r\n$4\r\nPING\r\n$"

	// maxMarkBytes is more than any mark is long.
	maxMarkBytes = 256

	// maxRereads bounds how often the bytes of a file are read again to follow marks, and minRereads is what a small file may cost in
	// bytes all the same. Only values that were made for it need more.
	maxRereads = 8
	minRereads = 64 << 20
)

// provenBelow returns the highest offset that marks of id between from and size say is durable. It is for the rest of a file behind
// bytes that are no RESP or a command that never ends, where nothing tells a mark from a value that looks like one. So it believes a mark
// only if another one above it agrees with it: the commands between them are as many bytes as the offsets differ. A value cannot
// have that by chance.
func provenBelow(f io.ReaderAt, from, size int64, id stream.ReplID) (stream.Offset, error) {
	p := prover{f: f, size: size, id: id, work: maxRereads*(size-from) + minRereads}
	for p.work > 0 {
		at, err := p.nextMark(from)
		if err != nil || at < 0 {
			return p.proven, err
		}
		if from, err = p.follow(at); err != nil {
			return p.proven, err
		}
	}
	return p.proven, nil
}

// prover looks for marks that agree with one another.
type prover struct {
	f    io.ReaderAt
	size int64
	id   stream.ReplID

	buf    []byte // what of the file is in memory
	at     int64  // where it begins
	rd     *resp.Reader
	work   int64 // bytes that may still be read to follow marks
	proven stream.Offset
}

// nextMark returns where the next whole mark of the history begins, or -1.
func (p *prover) nextMark(from int64) (int64, error) {
	for from < p.size {
		if err := p.load(from); err != nil {
			return 0, err
		}
		w := p.buf[from-p.at:]
		i := bytes.Index(w, []byte(markLead))
		if i < 0 {
			from += int64(max(len(w)-len(markLead), 0) + 1)
			continue
		}
		if i > 0 { // and load what follows it
			from += int64(i)
			continue
		}
		if m, ok := leadingMark(w); ok && m.Position.ReplID == p.id {
			return from, nil
		}
		from += int64(len(markLead))
	}
	return -1, nil
}

// load brings what a mark at from may take into memory.
func (p *prover) load(from int64) error {
	end := p.at + int64(len(p.buf))
	if from >= p.at && (end == p.size || from+maxMarkBytes <= end) {
		return nil
	}
	if p.buf == nil {
		p.buf = make([]byte, min(p.size-from, scanBuffer))
	}
	n, err := p.f.ReadAt(p.buf[:min(int64(cap(p.buf)), p.size-from)], from)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read at %d: %w", from, err)
	}
	p.buf, p.at = p.buf[:n], from
	if n == 0 { // the file is shorter than it was
		p.size = from
	}
	return nil
}

// leadingMark returns the mark that b begins with.
func leadingMark(b []byte) (stream.Mark, bool) {
	_, rest, ok := bytes.Cut(b[len(markLead):], []byte("\r\n"))
	if !ok {
		return stream.Mark{}, false
	}
	text, _, ok := bytes.Cut(rest, []byte("\r\n"))
	if !ok {
		return stream.Mark{}, false
	}
	m, ok := stream.ParseMark(text)
	return m, ok && bytes.HasPrefix(b, m.AppendCommand(nil))
}

// follow reads on from the mark at at, through the commands behind it, as long as each mark agrees with the one before. It returns where
// the search for another one goes on.
func (p *prover) follow(at int64) (next int64, err error) {
	section := io.NewSectionReader(p, at, p.size-at)
	if p.rd == nil {
		p.rd = resp.NewReader(section)
		p.rd.MaxArgBytes = maxMarkBytes
	} else {
		p.rd.Reset(section)
	}
	var (
		last stream.Mark
		kept int64
	)
	next = at + int64(len(markLead))
	for n := 0; ; n++ {
		cmd, err := p.rd.Next()
		if _, syntax := errors.AsType[*resp.SyntaxError](err); syntax || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return next, nil
		}
		if err != nil {
			return 0, err
		}
		m, isMark := p.markOf(cmd)
		switch {
		case isMark && n > 0 && (kept == 0 || int64(m.Position.Offset-last.Position.Offset) != kept):
			return at + cmd.Start, nil
		case isMark:
			if n > 0 {
				p.proven = max(p.proven, m.Durable)
			}
			last, kept, next = m, 0, at+cmd.Start+int64(len(markLead))
		case cmd.Kind != resp.Annotation:
			kept += cmd.End - cmd.Start
		}
	}
}

// ReadAt reads the file for follow, as long as there is work left; then it ends.
func (p *prover) ReadAt(b []byte, off int64) (int, error) {
	if p.work <= 0 {
		return 0, io.EOF
	}
	n, err := p.f.ReadAt(b, off)
	p.work -= int64(n)
	return n, err
}

func (p *prover) markOf(cmd resp.Command) (stream.Mark, bool) {
	if cmd.Kind != resp.Ping || len(cmd.Args) != 2 {
		return stream.Mark{}, false
	}
	m, ok := stream.ParseMark(cmd.Args[1])
	return m, ok && m.Position.ReplID == p.id
}
