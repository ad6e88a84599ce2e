package rdb

import (
	"encoding/binary"
	"strconv"
)

const (
	// maxLength bounds announced lengths in bytes and counts of elements: 1 TiB is more than any server holds, and sums of it
	// fit into 64 bits.
	maxLength = 1 << 40

	// maxKey bounds the length of a key in bytes. Servers bound it by proto-max-bulk-len, 512 MiB unless
	// raised.
	maxKey = 512 << 20
)

// length reads a length (rdb.c:rdbLoadLenByRef). encoded says that it is none but names an encoding of a string.
func (s *source) length() (n uint64, encoded bool) {
	b := s.byte()
	switch {
	case b < 0x40:
		return uint64(b), false
	case b < 0x80:
		return uint64(b&0x3f)<<8 | uint64(s.byte()), false
	case b == 0x80:
		return uint64(binary.BigEndian.Uint32(s.next(4))), false
	case b == 0x81:
		return binary.BigEndian.Uint64(s.next(8)), false
	case b >= 0xc0:
		return uint64(b & 0x3f), true
	default:
		s.corrupt("unknown length encoding")
		return 0, false
	}
}

// number reads a length that is a number of any size, such as an id. Unlike a loader, which takes the six bits
// of a string's encoding for a number, it refuses one: no server writes that.
func (s *source) number() uint64 {
	n, encoded := s.length()
	if encoded {
		s.corrupt("string encoding where a number must be")
	}
	return n
}

// count reads how many elements, or bytes, follow.
func (s *source) count() uint64 {
	n := s.number()
	if n > maxLength {
		s.corrupt("count too large")
		return 0
	}
	return n
}

// stringKind is how the bytes of a string are stored.
type stringKind uint8

const (
	plainString stringKind = iota
	intString
	lzfString
)

// stringHead is what comes before the bytes of a string.
type stringHead struct {
	kind stringKind
	// size is how many bytes follow in the input.
	size uint64
	// length is how long the string is; for an intString an upper bound.
	length uint64
}

// maxIntText is the length of the longest text of an int32.
const maxIntText = uint64(len("-2147483648"))

// stringHead reads the head of a string. After an error it is that of an empty one.
func (s *source) stringHead() stringHead {
	n, encoded := s.length()
	var h stringHead
	switch {
	case !encoded:
		h = stringHead{plainString, n, n}
	case n <= 2:
		h = stringHead{intString, 1 << n, maxIntText}
	case n == 3:
		h = stringHead{lzfString, s.number(), s.number()}
		// Three bytes give at most 264 (lzf_c.c), and a loader refuses what does not come out exactly.
		if h.size == 0 || h.length == 0 || h.size <= maxLength && h.length > h.size*88 {
			s.corrupt("impossible compression")
		}
	default:
		s.corrupt("unknown string encoding")
	}
	if h.size > maxLength || h.length > maxLength {
		s.corrupt("string too long")
	}
	if s.err != nil {
		return stringHead{}
	}
	if h.kind == lzfString {
		s.saved += int64(h.length) - int64(h.size)
	}
	return h
}

// skipString consumes a string.
func (s *source) skipString() {
	// The short plain string is nearly all of them.
	if s.pos < s.end {
		if n := int(s.buf[s.pos]); n < 0x40 && n < s.end-s.pos {
			s.pos += 1 + n
			return
		}
	}
	s.skip(s.stringHead().size)
}

// appendString consumes the string behind h and appends it to dst. Storage grows as bytes arrive, and by what the
// compressed ones that did arrive can give.
func (s *source) appendString(dst []byte, h stringHead) []byte {
	switch h.kind {
	case intString:
		p := s.next(int(h.size))
		var v int64
		switch h.size {
		case 1:
			v = int64(int8(p[0]))
		case 2:
			v = int64(int16(binary.LittleEndian.Uint16(p)))
		default:
			v = int64(int32(binary.LittleEndian.Uint32(p)))
		}
		return strconv.AppendInt(dst, v, 10)
	case lzfString:
		if cap(s.scratch) > bufferSize {
			s.scratch = nil
		}
		s.scratch = s.appendTo(s.scratch[:0], h.size)
		if s.err != nil {
			return dst
		}
		dst, ok := appendLZF(dst, s.scratch, int(h.length))
		if !ok {
			s.corrupt("string does not decompress")
		}
		return dst
	case plainString:
	}
	return s.appendTo(dst, h.size)
}
