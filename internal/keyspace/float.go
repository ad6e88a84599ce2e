package keyspace

import (
	"bytes"
	"math"
	"strconv"
)

// parseDouble parses a score, a weight, a coordinate or a distance as servers do (util.c:string2d): all of the text, in decimal or
// hexadecimal or one of inf and infinity in any case, no space before it, no NaN, nothing that overflows, or underflows to zero.
// Servers that were built with fast_float refuse hexadecimals; a stream that has one comes from a server that took it.
func parseDouble(b []byte) (float64, bool) {
	n := floatPrefix(b)
	if n == 0 || n != len(b) {
		return 0, false
	}
	f, ok := convertFloat(b)
	if !ok || (f == 0 && hasDigit(b)) {
		return 0, false
	}
	return f, true
}

// parseLimit parses one side of a range of scores (t_zset.c:zslParseRange), which is less strict than parseDouble: text ends at a zero byte,
// spaces before it count for nothing, no text at all is 0, too much is infinity and too little 0.
func parseLimit(b []byte) (float64, bool) {
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	if len(b) == 0 {
		return 0, true
	}
	b = bytes.TrimLeft(b, " \t\n\v\f\r")
	n := floatPrefix(b)
	if n == 0 || n != len(b) {
		return 0, false
	}
	f, _ := convertFloat(b)
	return f, true
}

// convertFloat converts a text that floatPrefix accepts. If it overflows, the value is an infinity and ok is false.
func convertFloat(b []byte) (f float64, ok bool) {
	var buf [64]byte
	if len(b) > 2 && isHexPrefix(b) && !bytes.ContainsAny(b, "pP") {
		b = append(append(buf[:0], b...), 'p', '0') // strtod does without, Go does not
	}
	f, err := strconv.ParseFloat(string(b), 64)
	return f, err == nil
}

// isHexPrefix reports whether b is, after a sign, a hexadecimal.
func isHexPrefix(b []byte) bool {
	b = b[signLen(b):]
	return len(b) > 1 && b[0] == '0' && b[1]|0x20 == 'x'
}

// hasDigit reports whether the number that b is has a digit other than 0 before its exponent.
func hasDigit(b []byte) bool {
	hex := isHexPrefix(b)
	for _, c := range b {
		switch {
		case !hex && c|0x20 == 'e', hex && c|0x20 == 'p':
			return false
		case '1' <= c && c <= '9', hex && 'a' <= c|0x20 && c|0x20 <= 'f':
			return true
		}
	}
	return false
}

// floatPrefix returns how many bytes of b the C function strtod would take for a number other than NaN.
func floatPrefix(b []byte) int {
	sign := signLen(b)
	rest := b[sign:]
	for _, word := range [...]string{"INFINITY", "INF"} {
		if len(rest) >= len(word) && isWord(rest[:len(word)], word) {
			return sign + len(word)
		}
	}
	if isHexPrefix(rest) {
		if n := digitsPrefix(rest[2:], isHexDigit); n > 0 {
			n += 2
			return sign + n + exponentPrefix(rest[n:], 'p')
		}
		return sign + 1 // the 0
	}
	n := digitsPrefix(rest, isDigit)
	if n == 0 {
		return 0
	}
	return sign + n + exponentPrefix(rest[n:], 'e')
}

func signLen(b []byte) int {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		return 1
	}
	return 0
}

// digitsPrefix is the length of digits with at most one point, 0 if there is no digit.
func digitsPrefix(b []byte, isDigit func(c byte) bool) int {
	n, digits, point := 0, 0, false
	for ; n < len(b); n++ {
		switch {
		case isDigit(b[n]):
			digits++
		case b[n] == '.' && !point:
			point = true
		default:
			if digits == 0 {
				return 0
			}
			return n
		}
	}
	if digits == 0 {
		return 0
	}
	return n
}

// exponentPrefix is the length of an exponent behind that letter, 0 if it has no digit.
func exponentPrefix(b []byte, letter byte) int {
	if len(b) == 0 || b[0]|0x20 != letter {
		return 0
	}
	n := 1 + signLen(b[1:])
	start := n
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	if n == start {
		return 0
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHexDigit(c byte) bool { return isDigit(c) || ('a' <= c|0x20 && c|0x20 <= 'f') }

// appendDouble appends the shortest text that reads back as f on every server.
func appendDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	default:
		return strconv.AppendFloat(dst, f, 'g', -1, 64)
	}
}
