package rdb

import (
	"encoding/binary"
	"math"
	"slices"
)

// AppendLength appends n as lengths and counts are written (rdb.c:rdbSaveLen).
func AppendLength(dst []byte, n uint64) []byte {
	switch {
	case n < 1<<6:
		return append(dst, byte(n))
	case n < 1<<14:
		return append(dst, 0x40|byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0x80), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 0x81), n)
	}
}

// encodedString begins a string whose bytes are encoded; the low bits say how.
const encodedString = 0xC0

// minCompressed is the least length of a string that servers try to compress, and minSaved how many bytes that must save.
const minCompressed, minSaved = 21, 4

// AppendString appends s as strings are written (rdb.c:rdbSaveRawString): as an integer where s is the canonical text of an int32,
// LZF compressed if it is longer than 20 bytes and gets 4 bytes shorter so, else plain.
func AppendString(dst, s []byte) []byte {
	if v, ok := int32Text(s); ok {
		return appendInt32String(dst, v)
	}
	if len(s) >= minCompressed && len(s) <= math.MaxInt32 {
		if out, ok := appendCompressed(dst, s); ok {
			return out
		}
	}
	return append(AppendLength(dst, uint64(len(s))), s...)
}

// AppendStringValue appends the body of a string value and returns the type to write before it.
func AppendStringValue(dst, s []byte) (Type, []byte) { return TypeString, AppendString(dst, s) }

// AppendScore appends the score of a member of a sorted set as TypeZSet2 has it.
func AppendScore(dst []byte, score float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(score))
}

// int32Text returns the integer that s is the text of, if it fits and s is how a server would print it.
func int32Text(s []byte) (int32, bool) {
	if len(s) == 0 || len(s) > int(maxIntText) {
		return 0, false
	}
	digits := s
	if s[0] == '-' {
		digits = s[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && len(s) > 1 { // 007, -0
		return 0, false
	}
	var v int64 // room for all the digits that there may be
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		v = v*10 + int64(d-'0')
	}
	if s[0] == '-' {
		v = -v
	}
	return int32(v), v == int64(int32(v))
}

func appendInt32String(dst []byte, v int32) []byte {
	switch {
	case v == int32(int8(v)):
		return append(dst, encodedString, byte(v))
	case v == int32(int16(v)):
		return binary.LittleEndian.AppendUint16(append(dst, encodedString|1), uint16(v))
	default:
		return binary.LittleEndian.AppendUint32(append(dst, encodedString|2), uint32(v))
	}
}

// appendCompressed appends s as a compressed string, if that is worth it.
func appendCompressed(dst, s []byte) ([]byte, bool) {
	start := len(dst)
	out, ok := appendLZFCompressed(slices.Grow(dst, len(s)), s, len(s)-minSaved)
	if !ok {
		return out[:start], false
	}
	var storage [1 + 9 + 9]byte
	head := AppendLength(append(storage[:0], encodedString|3), uint64(len(out)-start))
	head = AppendLength(head, uint64(len(s)))
	return slices.Insert(out, start, head...), true
}
