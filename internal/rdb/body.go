package rdb

import (
	"encoding/binary"
	"io"
	"math"
	"strconv"
)

// body is a value's body in memory that is being decoded. It is to values in memory what source is to a file.
//
// Errors stick: after the first one every call returns zero values, so that callers check err at the end, and in loops over a count.
type body struct {
	p   []byte
	pos int
	in  string
	err error
}

func newBody(raw []byte) body { return body{p: raw, in: "value"} }

func (b *body) corrupt(what string) {
	b.fail(&CorruptError{In: b.in, Offset: int64(b.pos), What: what})
}

// truncated makes the error of a body that ends too early.
func (b *body) truncated() {
	b.fail(&CorruptError{In: b.in, Offset: int64(len(b.p)), What: "ends too early", Err: io.ErrUnexpectedEOF})
}

func (b *body) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// left is how many bytes are not consumed; none after an error.
func (b *body) left() int {
	if b.err != nil {
		return 0
	}
	return len(b.p) - b.pos
}

// end returns the error; bytes that are left are one.
func (b *body) end() error {
	if b.left() > 0 {
		b.corrupt("bytes after the end")
	}
	return b.err
}

// next consumes n bytes and returns them, nil if there are not as many.
func (b *body) next(n uint64) []byte {
	if n > uint64(b.left()) {
		b.truncated()
		return nil
	}
	b.pos += int(n)
	return b.p[b.pos-int(n) : b.pos]
}

func (b *body) byte() byte {
	if p := b.next(1); p != nil {
		return p[0]
	}
	return 0
}

func (b *body) uint64() uint64 {
	if p := b.next(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// length is source.length.
func (b *body) length() (n uint64, encoded bool) {
	switch c := b.byte(); {
	case c < 0x40:
		return uint64(c), false
	case c < 0x80:
		return uint64(c&0x3f)<<8 | uint64(b.byte()), false
	case c == 0x80:
		if p := b.next(4); p != nil {
			return uint64(binary.BigEndian.Uint32(p)), false
		}
	case c == 0x81:
		if p := b.next(8); p != nil {
			return binary.BigEndian.Uint64(p), false
		}
	case c >= encodedString:
		return uint64(c & 0x3f), true
	default:
		b.corrupt("unknown length encoding")
	}
	return 0, false
}

// number is source.number.
func (b *body) number() uint64 {
	n, encoded := b.length()
	if encoded {
		b.corrupt("string encoding where a number must be")
		return 0
	}
	return n
}

// count reads how many elements of at least size bytes follow. Unlike a file's reader it knows what can follow.
func (b *body) count(size int) uint64 {
	n := b.number()
	if n > uint64(b.left()/size) {
		b.truncated()
		return 0
	}
	return n
}

// maxLZFRatio bounds what compression can do: three bytes make at most 264 (lzf_c.c).
const maxLZFRatio = lzfMaxMatch / 3

// string consumes a string and returns its bytes: a part of the body, or decoded into scratch, which grows as needed. They are valid until
// scratch is used again.
func (b *body) string(scratch *[]byte) []byte {
	n, encoded := b.length()
	switch {
	case !encoded:
		return b.next(n)
	case n <= 2:
		p := b.next(1 << n)
		if p == nil {
			return nil
		}
		*scratch = strconv.AppendInt((*scratch)[:0], smallEndian(p), 10)
	case n == 3:
		size, length := b.number(), b.number()
		p := b.next(size)
		if b.err != nil {
			return nil
		}
		if size == 0 || length == 0 || length > size*maxLZFRatio || length > math.MaxInt {
			b.corrupt("impossible compression")
			return nil
		}
		var ok bool
		if *scratch, ok = appendLZF((*scratch)[:0], p, int(length)); !ok {
			b.corrupt("string does not decompress")
			return nil
		}
	default:
		b.corrupt("unknown string encoding")
		return nil
	}
	return *scratch
}

// smallEndian returns the signed little endian integer of 1, 2, 3, 4 or 8 bytes.
func smallEndian(p []byte) int64 {
	switch len(p) {
	case 1:
		return int64(int8(p[0]))
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(p)))
	case 3:
		return int64(int32(uint32(p[0])<<8|uint32(p[1])<<16|uint32(p[2])<<24) >> 8)
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(p)))
	default:
		return int64(binary.LittleEndian.Uint64(p))
	}
}

// DecodeString decodes the body of a string value into fresh memory.
func DecodeString(raw []byte) ([]byte, error) {
	b := newBody(raw)
	var fresh []byte
	p := b.string(&fresh)
	if err := b.end(); err != nil {
		return nil, err
	}
	if fresh == nil {
		fresh = append(make([]byte, 0, len(p)), p...)
	}
	return fresh, nil
}
