package rdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// bufferSize is the size of a source's buffer: many times what the CRC64 needs to be fast, few enough to stay in a
// core's cache.
const bufferSize = 128 << 10

// maxEmptyReads bounds reads in a row that return neither bytes nor an error.
const maxEmptyReads = 100

// source is a buffered reader that counts, sums and copies what is consumed.
//
// Errors stick: after the first one every call consumes nothing and returns zero values, so that callers check err
// at the end of a unit, and in loops over a count that they have not checked.
type source struct {
	r   io.Reader
	buf []byte
	// buf[pos:end] is read and not consumed; buf[0] is byte base of the input.
	pos, end int
	base     int64
	err      error

	// crc covers the input up to buf[summed].
	crc    crc
	summed int

	// If from >= 0, consumed bytes from buf[from] on are wanted: before they leave the buffer they go to w, or
	// to the end of head without one.
	from int
	w    io.Writer
	head []byte

	// If owed >= 0, buf[owed:owedEnd] are items that go to owedTo before they leave the buffer: a run, which is written at once.
	owed, owedEnd int
	owedTo        io.Writer

	// ahead reads and sums, where it is not this goroutine that does.
	ahead *ahead

	// scratch holds a compressed string.
	scratch []byte

	// saved is how many bytes compression has saved in the strings that were walked.
	saved int64
}

func newSource(r io.Reader) source {
	return source{r: r, buf: make([]byte, bufferSize), crc: newCRC(), from: -1, owed: -1}
}

// offset returns how many bytes are consumed.
func (s *source) offset() int64 { return s.base + int64(s.pos) }

// corrupt makes what the error, unless there is one.
func (s *source) corrupt(what string) {
	s.fail(&CorruptError{Offset: s.offset(), What: what})
}

// fail makes err the error, unless there is one.
func (s *source) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// truncated makes the error of an input that ends too early.
func (s *source) truncated() {
	s.fail(&CorruptError{Offset: s.base + int64(s.end), What: "ends too early", Err: io.ErrUnexpectedEOF})
}

// fill makes at least n bytes available, n being far smaller than the buffer, and reports whether it could.
func (s *source) fill(n int) bool {
	for s.end-s.pos < n && s.err == nil {
		if !s.read() {
			s.truncated()
		}
	}
	return s.err == nil
}

// read reads at least one byte more into the buffer; false is the end of the input or an error. It sums and makes
// room only when the buffer's end is reached, so that a source of many small reads is summed in large blocks all the same.
func (s *source) read() bool {
	if s.ahead == nil && s.end == len(s.buf) {
		s.compact()
	}
	for range maxEmptyReads {
		if s.err != nil {
			return false
		}
		n, err := s.more()
		switch {
		case n > 0:
			return true // an error comes again
		case errors.Is(err, io.EOF):
			return false
		case err != nil:
			s.err = fmt.Errorf("read rdb: %w", err)
		}
	}
	s.err = fmt.Errorf("read rdb: %w", io.ErrNoProgress)
	return false
}

// more reads once.
func (s *source) more() (int, error) {
	if s.ahead != nil {
		return s.swap()
	}
	n, err := s.r.Read(s.buf[s.end:])
	s.end += n
	return n, err
}

// leave hands on what is to be handed on before it leaves the buffer. What is wanted begins at pos then.
func (s *source) leave() {
	s.pay()
	if s.from >= 0 {
		s.flush()
	}
}

// compact moves what is not consumed to the start of the buffer.
func (s *source) compact() {
	s.sumConsumed()
	s.leave()
	if s.from >= 0 {
		s.from = 0
	}
	s.base += int64(s.pos)
	s.end = copy(s.buf, s.buf[s.pos:s.end])
	s.pos, s.summed = 0, 0
}

// sumConsumed brings the sum up to the consumed bytes.
func (s *source) sumConsumed() {
	_, _ = s.crc.Write(s.buf[s.summed:s.pos]) // never fails
	s.summed = s.pos
}

// flush hands on the wanted bytes that are consumed.
func (s *source) flush() {
	p := s.buf[s.from:s.pos]
	s.from = s.pos
	switch {
	case s.w == nil:
		s.head = append(s.head, p...)
	case len(p) > 0 && s.err == nil:
		if _, err := s.w.Write(p); err != nil {
			s.err = fmt.Errorf("write raw entry: %w", err)
		}
	}
}

// want keeps what is consumed from now on in head.
func (s *source) want() {
	if cap(s.head) > bufferSize {
		s.head = nil
	}
	s.head, s.from, s.w = s.head[:0], s.pos, nil
}

// headLen is how many bytes were consumed since want.
func (s *source) headLen() int64 { return int64(len(s.head)) + int64(s.pos-s.from) }

// copyTo writes what was consumed since want to w, and goes on so until unwant. Without want it does nothing.
func (s *source) copyTo(w io.Writer) {
	if s.from < 0 {
		return
	}
	s.w = w
	if len(s.head) == 0 || s.err != nil {
		return
	}
	if _, err := w.Write(s.head); err != nil {
		s.err = fmt.Errorf("write raw entry: %w", err)
	}
}

// unwant ends want and copyTo; what copyTo still owes is written.
func (s *source) unwant() {
	if s.w != nil {
		s.flush()
	}
	s.from, s.w = -1, nil
}

// owe makes the wanted bytes that are consumed a part of the run that is owed to w, and ends want.
func (s *source) owe(w io.Writer) {
	if s.owed < 0 {
		s.owed, s.owedTo = s.from, w
	}
	s.owedEnd = s.pos
	s.from, s.w = -1, nil
}

// pay writes the run that is owed.
func (s *source) pay() {
	if s.owed < 0 {
		return
	}
	p, w := s.buf[s.owed:s.owedEnd], s.owedTo
	s.owed, s.owedTo = -1, nil
	if s.err != nil {
		return
	}
	if _, err := w.Write(p); err != nil {
		s.err = fmt.Errorf("write raw entries: %w", err)
	}
}

// skip consumes n bytes.
func (s *source) skip(n uint64) {
	for n > uint64(s.end-s.pos) {
		n -= uint64(s.end - s.pos)
		s.pos = s.end
		if !s.fill(1) {
			return
		}
	}
	if s.err == nil {
		s.pos += int(n)
	}
}

// appendTo consumes n bytes and appends them to dst as they arrive.
func (s *source) appendTo(dst []byte, n uint64) []byte {
	for n > 0 && s.fill(1) {
		k := int(min(n, uint64(s.end-s.pos)))
		dst = append(dst, s.buf[s.pos:s.pos+k]...)
		s.pos += k
		n -= uint64(k)
	}
	return dst
}

// next consumes n bytes, few of them, and returns them; valid until the next call of anything. It returns zeros after an error.
func (s *source) next(n int) []byte {
	if !s.fill(n) {
		return make([]byte, n)
	}
	s.pos += n
	return s.buf[s.pos-n : s.pos]
}

func (s *source) byte() byte {
	if s.pos == s.end && !s.fill(1) || s.err != nil {
		return 0
	}
	s.pos++
	return s.buf[s.pos-1]
}

func (s *source) uint32() uint32 { return binary.LittleEndian.Uint32(s.next(4)) }
func (s *source) uint64() uint64 { return binary.LittleEndian.Uint64(s.next(8)) }

// atEOF reports whether the input ends here.
func (s *source) atEOF() bool { return s.err == nil && s.pos == s.end && !s.read() && s.err == nil }

// drain consumes the input up to its last n bytes, n being far smaller than the buffer.
func (s *source) drain(n int) {
	for more := true; more; more = s.read() {
		s.pos = max(s.pos, s.end-n)
	}
	if s.end-s.pos < n {
		s.truncated()
	}
}
