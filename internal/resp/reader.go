package resp

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// defaultMaxArgBytes is what MaxArgBytes 0 means.
	defaultMaxArgBytes = 64 << 10

	// minArgBytes is more than any name or sub-command that makes a kind.
	minArgBytes = 16

	// readerBuffer is the size of a Reader's buffer, and bounds its single reads.
	readerBuffer = 64 << 10

	// keptStorage is the storage for arguments that a Reader takes over from one command to the next; more is left to the
	// garbage collector, so that one huge command does not hold its memory for ever.
	keptStorage = 1 << 20
)

// Command is one command, newline or annotation of a Reader's input. Its slices are valid until the next call of Next.
type Command struct {
	// Start and End are the offsets of its first byte and of the byte behind its last one, from the Reader's start.
	Start, End int64
	// Kind classifies it as a Scanner does.
	Kind Kind
	// Args are the arguments, the name first, each cut to Reader.MaxArgBytes; empty for Newline and Annotation.
	Args [][]byte
	// Lens are the arguments' whole lengths in bytes.
	Lens []int64
	// Line is an Annotation from its # on, without the line end.
	Line []byte
}

// Reader reads commands, with arguments, from an AOF file or a stream; annotations are always allowed. It keeps one
// command in memory, of each argument no more than MaxArgBytes, and grows as bytes arrive, never by an announced length.
// It is for one goroutine.
type Reader struct {
	// MaxArgBytes is how many bytes of each argument are kept; the rest is read and counted. 0 means 64 KiB, less than 0 all;
	// 1 to 15 mean 16, which the kinds are told by.
	MaxArgBytes int

	br  *bufio.Reader
	off int64
	err error

	// storage holds the kept bytes one after another; ends[i] is where argument i ends in it.
	storage []byte
	ends    []int
	lens    []int64
	args    [][]byte
}

// NewReader returns a Reader that reads r from its present place, which is offset 0.
func NewReader(r io.Reader) *Reader { return &Reader{br: bufio.NewReaderSize(r, readerBuffer)} }

// Reset makes the Reader read src from its present place, as a new one would, and keeps its storage and MaxArgBytes.
func (r *Reader) Reset(src io.Reader) {
	r.br.Reset(src)
	r.off, r.err = 0, nil
}

// Next returns the next command. At the end of the input it returns io.EOF if the last command is whole, else
// io.ErrUnexpectedEOF: the torn command begins at the last End. What is not syntax is a *SyntaxError; r's own errors are wrapped.
// Errors are final. A Reader accepts exactly what a Scanner with AllowAnnotations accepts.
func (r *Reader) Next() (Command, error) {
	if r.err != nil {
		return Command{}, r.err
	}
	start := r.off
	if args := r.common(); args != nil {
		return Command{Start: start, End: r.off, Kind: r.kind(), Args: args, Lens: r.lens}, nil
	}
	cmd, err := r.next()
	if err != nil {
		r.err = r.finalError(err, start)
		return Command{}, r.err
	}
	cmd.Start, cmd.End = start, r.off
	return cmd, nil
}

// common takes a command of a common shape that is whole in the buffer, and leaves its arguments where they are. It returns nil, and has taken
// nothing, if it is something else.
func (r *Reader) common() [][]byte {
	p, err := r.br.Peek(r.br.Buffered())
	if err != nil {
		return nil
	}
	args, name := commonHead(p)
	if args == 0 {
		return nil
	}
	limit := cmp.Or(r.MaxArgBytes, defaultMaxArgBytes)
	at := headBytes + int(name)
	r.args, r.lens = append(r.args[:0], p[headBytes:at:at]), append(r.lens[:0], int64(name))
	for ; args > 1; args-- {
		n, size := nextArg(p, at)
		if size == 0 || n > len(p)-at-size || (limit > 0 && n > limit) {
			return nil
		}
		begin := at + size
		at = begin + n
		r.args, r.lens = append(r.args, p[begin:at:at]), append(r.lens, int64(n))
	}
	if len(p)-at < 2 || binary.LittleEndian.Uint16(p[at:]) != crlf {
		return nil
	}
	n, err := r.br.Discard(at + 2)
	r.off += int64(n)
	if err != nil { // it is in the buffer
		return nil
	}
	return r.args
}

// finalError is what Next reports for err in a command that began at start.
func (r *Reader) finalError(err error, start int64) error {
	var syntax *SyntaxError
	switch {
	case errors.As(err, &syntax):
		return err
	case errors.Is(err, io.EOF) && r.off == start:
		return io.EOF
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	default:
		return fmt.Errorf("read command: %w", err)
	}
}

func (r *Reader) next() (Command, error) {
	if cap(r.storage) > keptStorage {
		r.storage = nil
	}
	r.storage, r.ends, r.lens, r.args = r.storage[:0], r.ends[:0], r.lens[:0], r.args[:0]
	c, err := r.readByte()
	if err != nil {
		return Command{}, err
	}
	switch c {
	case '*':
		return r.command()
	case '\n':
		return Command{Kind: Newline}, nil
	case '\r':
		return Command{Kind: Newline}, r.expect('\n', "inline command")
	case '#':
		return r.annotation()
	default:
		return Command{}, r.syntaxError("want * before a command")
	}
}

// command reads a command behind its *.
func (r *Reader) command() (Command, error) {
	n, err := r.number(1, maxArgs)
	if err != nil {
		return Command{}, err
	}
	for range n {
		if err := r.argument(); err != nil {
			return Command{}, err
		}
	}
	begin := 0
	for _, end := range r.ends {
		r.args = append(r.args, r.storage[begin:end:end])
		begin = end
	}
	return Command{Kind: r.kind(), Args: r.args, Lens: r.lens}, nil
}

// kind classifies the command that was read.
func (r *Reader) kind() Kind {
	k := kindOf(r.args[0])
	if len(r.args) < 2 {
		return k
	}
	return kindWithArg(k, r.args[1])
}

// annotation reads a line behind its #.
func (r *Reader) annotation() (Command, error) {
	r.storage = append(r.storage, '#')
	for {
		c, err := r.readByte()
		switch {
		case err != nil:
			return Command{}, err
		case len(r.storage) == maxAnnotation:
			return Command{}, r.syntaxError("annotation too long")
		case c == '\n':
			line := r.storage
			if line[len(line)-1] == '\r' {
				line = line[:len(line)-1]
			}
			return Command{Kind: Annotation, Line: line}, nil
		}
		r.storage = append(r.storage, c)
	}
}

// argument reads one argument.
func (r *Reader) argument() error {
	if err := r.expect('$', "want $ before an argument"); err != nil {
		return err
	}
	n, err := r.number(0, maxBulk)
	if err != nil {
		return err
	}
	if err := r.bulk(n); err != nil {
		return err
	}
	if err := r.expect('\r', "want CRLF after an argument"); err != nil {
		return err
	}
	if err := r.expect('\n', "want CRLF after an argument"); err != nil {
		return err
	}
	r.ends, r.lens = append(r.ends, len(r.storage)), append(r.lens, n)
	return nil
}

// bulk reads n bytes and keeps the first of them.
func (r *Reader) bulk(n int64) error {
	keep := n
	if limit := cmp.Or(int64(r.MaxArgBytes), defaultMaxArgBytes); limit > 0 {
		keep = min(n, max(limit, minArgBytes))
	}
	for n > 0 {
		if _, err := r.br.Peek(1); err != nil {
			return err
		}
		p, err := r.br.Peek(int(min(n, int64(r.br.Buffered()))))
		if err != nil {
			return err
		}
		kept := min(keep, int64(len(p)))
		r.storage = append(r.storage, p[:kept]...)
		keep -= kept
		n -= int64(len(p))
		r.off += int64(len(p))
		if _, err := r.br.Discard(len(p)); err != nil {
			return err
		}
	}
	return nil
}

// number reads decimal digits and CRLF.
func (r *Reader) number(low, limit int64) (n int64, err error) {
	for digits := 0; ; digits++ {
		c, err := r.readByte()
		if err != nil {
			return 0, err
		}
		if c == '\r' && digits > 0 {
			break
		}
		next, what := appendDigit(n, digits, c, limit)
		if what != "" {
			return 0, r.syntaxError(what)
		}
		n = next
	}
	if err := r.expect('\n', "want CRLF after a number"); err != nil {
		return 0, err
	}
	if n < low {
		return 0, r.syntaxError("command without arguments")
	}
	return n, nil
}

// expect reads one byte, which must be b.
func (r *Reader) expect(b byte, what string) error {
	c, err := r.readByte()
	if err == nil && c != b {
		err = r.syntaxError(what)
	}
	return err
}

func (r *Reader) readByte() (byte, error) {
	c, err := r.br.ReadByte()
	if err == nil {
		r.off++
	}
	return c, err
}

// syntaxError reports the byte that was read last.
func (r *Reader) syntaxError(what string) error { return &SyntaxError{Offset: r.off - 1, What: what} }
