package keyspace

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// parseSortScore parses a weight of SORT. Redis parses it by strtod until 7.4 and with fast_float from 8.0 on, Valkey by strtod; all that is
// asked is that nothing but the number is there, up to a zero byte. So no text at all is 0.
func (s *Space) parseSortScore(text []byte) (float64, bool) {
	text, _, _ = bytes.Cut(text, []byte{0})
	if len(text) == 0 {
		return 0, true
	}
	number := parseDouble(text)
	if number.length < len(text) || math.IsNaN(number.value) {
		return 0, false
	}
	if s.opt.Format.Dialect == rdb.Redis && s.opt.Format.Version >= 12 && !strings.HasPrefix(s.opt.Server, "7.") {
		return number.value, number.spaces == 0 && !number.plus && !number.hex
	}
	return number.value, !number.outOfRange
}

// double is what strtod makes of the beginning of a text.
type double struct {
	value      float64
	length     int // bytes that were read; 0: there is no number
	spaces     int // before it
	plus       bool
	hex        bool
	outOfRange bool // too large, or too near to 0
}

// parseDouble parses a number as the C library's strtod does: spaces, a sign, digits with an exponent, 0x, inf, infinity, nan.
func parseDouble(text []byte) double {
	var d double
	at := skip(text, 0, isSpace)
	d.spaces = at
	from := at
	if at < len(text) && (text[at] == '+' || text[at] == '-') {
		d.plus = text[at] == '+'
		at++
	}
	if n, value := named(text[at:]); n > 0 {
		d.value, d.length = value, at+n
		if text[from] == '-' {
			d.value = -value
		}
		return d
	}
	const prefix = len("0x")
	end, nonzero := 0, false
	if at+prefix < len(text) && text[at] == '0' && text[at+1]|0x20 == 'x' {
		end, nonzero = number(text, at+prefix, isHexDigit, 'p')
	}
	if d.hex = end > 0; !d.hex {
		end, nonzero = number(text, at, isDigit, 'e')
	}
	if end == 0 {
		return double{}
	}
	d.length = end
	d.parse(string(text[from:end]), nonzero)
	return d
}

// parse fills in the value of a text that is a number.
func (d *double) parse(text string, nonzero bool) {
	if d.hex && !strings.ContainsAny(text, "pP") {
		text += "p0"
	}
	value, err := strconv.ParseFloat(text, 64)
	d.value = value
	const smallest = 0x1p-1022 // of the numbers with all their digits
	tiny := nonzero && math.Abs(value) < smallest && (value == 0 || !d.hex)
	d.outOfRange = err != nil || tiny
}

// number returns where a number ends that begins at from; 0 if there is none. nonzero says that one of its digits is not 0.
func number(text []byte, from int, digit func(byte) bool, exponent byte) (end int, nonzero bool) {
	at := skip(text, from, digit)
	digits := at - from
	if at < len(text) && text[at] == '.' {
		fraction := skip(text, at+1, digit)
		digits += fraction - at - 1
		if digits > 0 {
			at = fraction
		}
	}
	if digits == 0 {
		return 0, false
	}
	for _, c := range text[from:at] {
		nonzero = nonzero || c != '0' && c != '.'
	}
	if at < len(text) && text[at]|0x20 == exponent {
		power := at + 1
		if power < len(text) && (text[power] == '+' || text[power] == '-') {
			power++
		}
		if end := skip(text, power, isDigit); end > power {
			at = end
		}
	}
	return at, nonzero
}

// named returns how long the name of no ordinary number is that text begins with, in any case, and its value; 0 if there is none.
func named(text []byte) (length int, value float64) {
	const infinity, inf, nan = "infinity", "inf", "nan"
	lower := strings.ToLower(string(text[:min(len(text), len(infinity))]))
	switch {
	case lower == infinity:
		return len(infinity), math.Inf(1)
	case strings.HasPrefix(lower, inf):
		return len(inf), math.Inf(1)
	case !strings.HasPrefix(lower, nan):
		return 0, 0
	}
	if len(text) > len(nan) && text[len(nan)] == '(' {
		end := skip(text, len(nan)+1, func(c byte) bool { return c == '_' || isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' })
		if end < len(text) && text[end] == ')' {
			return end + 1, math.NaN()
		}
	}
	return len(nan), math.NaN()
}

// skip returns where the bytes end, from at on, that is reports true for.
func skip(text []byte, at int, is func(byte) bool) int {
	for at < len(text) && is(text[at]) {
		at++
	}
	return at
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isHexDigit(c byte) bool   { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
