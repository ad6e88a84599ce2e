package rdb

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// Listpack is a list of strings and integers in one block of memory (listpack.c): what small values are in, and the entries of streams.
//
//	size u32 | entries u16 (65535: not counted) | entry ... | 0xFF
//	entry: head, and data of a string or of a wide integer | how long that was, so that the list can be walked backwards
//
// Positions are offsets of entries; they hold until a change before them. The methods that change a Listpack work in place where there is
// room and return the result, as append does. All methods are safe on anything; on what is no sound Listpack, which [Listpack.Check] tells,
// what they return means nothing. A nil Listpack is an empty one.
type Listpack []byte

const (
	// ListpackStart is the position of the first entry.
	ListpackStart = 6
	// listpackUncounted in the header says that the entries are to be counted.
	listpackUncounted = math.MaxUint16
	// maxIntEntryText is the length of the longest text of an int64.
	maxIntEntryText = len("-9223372036854775808")
)

// ListpackEntry is one entry: a string, or an integer.
type ListpackEntry struct {
	// Bytes is the string, a part of the Listpack; nil for an integer.
	Bytes []byte
	// Int is the integer. It stands for the string that is its decimal text.
	Int int64
}

// AppendTo appends the entry's string, or the text of its integer.
func (e ListpackEntry) AppendTo(dst []byte) []byte {
	if e.Bytes != nil {
		return append(dst, e.Bytes...)
	}
	return strconv.AppendInt(dst, e.Int, 10)
}

// text returns the entry's string; that of an integer is made in scratch.
func (e ListpackEntry) text(scratch *[]byte) []byte {
	if e.Bytes != nil {
		return e.Bytes
	}
	*scratch = strconv.AppendInt((*scratch)[:0], e.Int, 10)
	return *scratch
}

// integer returns the entry's integer; false if it is a string.
func (e ListpackEntry) integer() (int64, bool) { return e.Int, e.Bytes == nil }

// NewListpack returns an empty Listpack.
func NewListpack() Listpack { return Listpack{7, 0, 0, 0, 0, 0, blobEnd} }

// Check verifies all of the structure: the header, every entry and its length, the count.
func (l Listpack) Check() error {
	it := walkListpack(l)
	for it.more() {
		it.next()
	}
	if what := it.end(); what != "" {
		return &CorruptError{In: "value", Offset: int64(it.pos), What: what}
	}
	return nil
}

// Len returns how many entries there are. Over 65,534 of them are counted anew at each call.
func (l Listpack) Len() int {
	if len(l) < minListpack {
		return 0
	}
	if n := binary.LittleEndian.Uint16(l[4:]); n != listpackUncounted {
		return int(n)
	}
	n := 0
	for pos := ListpackStart; ; n++ {
		_, next, ok := l.Next(pos)
		if !ok {
			return n
		}
		pos = next
	}
}

// End returns the position behind the last entry.
func (l Listpack) End() int { return max(len(l)-1, 0) }

// Next returns the entry at pos and the position behind it; false at the end, and where there is no sound entry.
func (l Listpack) Next(pos int) (e ListpackEntry, next int, ok bool) {
	end := len(l) - 1
	if pos < ListpackStart || pos >= end {
		return e, pos, false
	}
	p := l[pos:end]
	head, data := listpackHead(p)
	if head == 0 || data > len(p)-head {
		return e, pos, false
	}
	size := head + data
	switch c := p[0]; {
	case c < 0x80:
		e.Int = int64(c)
	case c >= 0xC0 && c < 0xE0:
		e.Int = int64(int16(uint16(c)<<11|uint16(p[1])<<3)) >> 3
	case c > 0xF0:
		e.Int = smallEndian(p[1:size])
	default:
		e.Bytes = p[head:size:size]
	}
	back := backlenSize(size)
	if back > len(p)-size || !isBacklen(p[size:size+back], size) {
		return ListpackEntry{}, pos, false
	}
	return e, pos + size + back, true
}

// Prev returns the position of the entry before pos; false at the first one, and where the length in front of pos is unsound.
func (l Listpack) Prev(pos int) (prev int, ok bool) {
	if pos > l.End() {
		return pos, false
	}
	size, shift := 0, 0
	for i := pos - 1; i >= ListpackStart && shift < 35; i-- {
		size |= int(l[i]&0x7f) << shift
		shift += 7
		if l[i]&0x80 == 0 {
			prev = pos - size - backlenSize(size)
			return prev, prev >= ListpackStart
		}
	}
	return pos, false
}

// listpackHead returns how long the head of the entry at p is, and how much data follows. A head of 0 is no entry.
func listpackHead(p []byte) (head, data int) {
	switch c := p[0]; {
	case c < 0x80:
		return 1, 0
	case c < 0xC0:
		return 1, int(c & 0x3f)
	case c < 0xE0 && len(p) >= 2:
		return 2, 0
	case c >= 0xE0 && c < 0xF0 && len(p) >= 2:
		return 2, int(c&0x0f)<<8 | int(p[1])
	case c == 0xF0 && len(p) >= 5:
		return 5, int(binary.LittleEndian.Uint32(p[1:]))
	case c >= 0xF1 && c <= 0xF3:
		return 1, int(c-0xF1) + 2
	case c == 0xF4:
		return 1, 8
	default:
		return 0, 0
	}
}

// backlenSize returns how many bytes an entry's length takes behind it (listpack.c:lpEncodeBacklen).
func backlenSize(size int) int {
	switch {
	case size <= 127:
		return 1
	case size < 16383:
		return 2
	case size < 2097151:
		return 3
	case size < 268435455:
		return 4
	default:
		return 5
	}
}

// isBacklen reports whether p, which has the right length, states size.
func isBacklen(p []byte, size int) bool {
	if len(p) == 1 {
		return int(p[0]) == size
	}
	for i, c := range p {
		want := byte(size >> (7 * (len(p) - 1 - i)) & 0x7f)
		if i > 0 {
			want |= 0x80
		}
		if c != want {
			return false
		}
	}
	return true
}

func appendBacklen(dst []byte, size int) []byte {
	n := backlenSize(size)
	for i := range n {
		c := byte(size >> (7 * (n - 1 - i)) & 0x7f)
		if i > 0 {
			c |= 0x80
		}
		dst = append(dst, c)
	}
	return dst
}

// AppendString appends an entry that holds s: as an integer if s is the canonical text of an int64, as servers do. The Listpack must stay
// below 4 GiB; servers keep it below 1 GiB.
func (l Listpack) AppendString(s []byte) Listpack {
	if v, ok := int64Text(s); ok {
		return l.AppendInt(v)
	}
	l = slices.Grow(l.orEmpty(), len(s)+11)
	start := l.End()
	l = l[:start]
	switch n := len(s); {
	case n < 1<<6:
		l = append(l, 0x80|byte(n))
	case n < 1<<12:
		l = append(l, 0xE0|byte(n>>8), byte(n))
	default:
		l = binary.LittleEndian.AppendUint32(append(l, 0xF0), uint32(n))
	}
	l = append(l, s...)
	return Listpack(append(appendBacklen(l, len(l)-start), blobEnd)).resized(1)
}

// AppendInt appends an entry that holds v.
func (l Listpack) AppendInt(v int64) Listpack {
	l = l.orEmpty()
	return Listpack(append(appendIntEntry(l[:l.End()], v), blobEnd)).resized(1)
}

// orEmpty returns an empty Listpack instead of what is too short to be any.
func (l Listpack) orEmpty() Listpack {
	if len(l) < minListpack {
		return NewListpack()
	}
	return l
}

// ReplaceInt replaces the entry at pos by one that holds v. It does nothing if there is no entry.
func (l Listpack) ReplaceInt(pos int, v int64) Listpack {
	_, next, ok := l.Next(pos)
	if !ok {
		return l
	}
	var storage [maxIntEntry]byte
	return slices.Replace(l, pos, next, appendIntEntry(storage[:0], v)...).resized(0)
}

// Remove removes the n entries from pos on, or as many as there are.
func (l Listpack) Remove(pos, n int) Listpack {
	end, removed := pos, 0
	for ; removed < n; removed++ {
		_, next, ok := l.Next(end)
		if !ok {
			break
		}
		end = next
	}
	if removed == 0 {
		return l
	}
	return slices.Delete(l, pos, end).resized(-removed)
}

// maxIntEntry is the size of the largest entry that holds an integer.
const maxIntEntry = 10

// appendIntEntry appends a whole entry (listpack.c:lpEncodeIntegerGetType).
func appendIntEntry(dst []byte, v int64) []byte {
	start := len(dst)
	switch {
	case v >= 0 && v < 1<<7:
		dst = append(dst, byte(v))
	case v >= -1<<12 && v < 1<<12:
		dst = append(dst, 0xC0|byte(v>>8&0x1f), byte(v))
	case v >= math.MinInt16 && v <= math.MaxInt16:
		dst = append(dst, 0xF1, byte(v), byte(v>>8))
	case v >= -1<<23 && v < 1<<23:
		dst = append(dst, 0xF2, byte(v), byte(v>>8), byte(v>>16))
	case v >= math.MinInt32 && v <= math.MaxInt32:
		dst = binary.LittleEndian.AppendUint32(append(dst, 0xF3), uint32(v))
	default:
		dst = binary.LittleEndian.AppendUint64(append(dst, 0xF4), uint64(v))
	}
	return append(dst, byte(len(dst)-start))
}

// resized writes the header anew after more entries came, or went if negative.
func (l Listpack) resized(more int) Listpack {
	binary.LittleEndian.PutUint32(l, uint32(len(l)))
	n := int(binary.LittleEndian.Uint16(l[4:]))
	if n != listpackUncounted { // else it stays so, as in servers
		binary.LittleEndian.PutUint16(l[4:], uint16(min(n+more, listpackUncounted)))
	}
	return l
}

// int64Text returns the integer that s is the canonical text of (listpack.c:lpStringToInt64).
func int64Text(s []byte) (int64, bool) {
	if len(s) == 0 || len(s) > maxIntEntryText {
		return 0, false
	}
	negative := s[0] == '-'
	digits := s
	if negative {
		digits = s[1:]
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' && len(s) > 1 {
		return 0, false
	}
	var v uint64 // room for any 19 digits
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		v = v*10 + uint64(d-'0')
	}
	if negative {
		return int64(-v), v <= 1<<63
	}
	return int64(v), v <= math.MaxInt64
}
