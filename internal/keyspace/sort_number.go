package keyspace

import (
	"bytes"
	"math"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// parseSortScore parses a weight of SORT, which ends at a zero byte. Servers differ in what they take for a number: until Redis 7.4 and
// Valkey 8.1 it is what the C library's strtod takes; later ones use fast_float, with rules of their own beside it.
func (s *Space) parseSortScore(text []byte) (float64, bool) {
	text, _, _ = bytes.Cut(text, []byte{0})
	switch f := s.opt.Format; {
	case f.Dialect == rdb.Valkey:
		return parseScoreOfValkey(text)
	case f.Version >= 12 && !strings.HasPrefix(s.opt.Server, "7."):
		return parseScoreOfRedis8(text)
	default:
		return parseScoreByStrtod(text)
	}
}

// parseScoreByStrtod takes spaces before the number, no text at all for 0, and refuses what is too large or too near to 0.
func parseScoreByStrtod(text []byte) (float64, bool) {
	if len(text) == 0 {
		return 0, true
	}
	text = bytes.TrimLeft(text, " \t\n\v\f\r")
	if n := floatPrefix(text); n == 0 || n < len(text) {
		return 0, false
	}
	score, ok := convertFloat(text)
	const smallest = 0x1p-1022 // of the numbers with all their digits; the C library says of lesser ones that they are out of range
	return score, ok && (math.Abs(score) >= smallest || isHexPrefix(text) && score != 0 || !hasDigit(text))
}

// parseScoreOfRedis8 takes no text at all for 0, and numbers however large or near to 0; no hexadecimals.
func parseScoreOfRedis8(text []byte) (float64, bool) {
	if len(text) == 0 {
		return 0, true
	}
	if n := floatPrefix(text); n == 0 || n < len(text) || isHexPrefix(text) {
		return 0, false
	}
	score, _ := convertFloat(text)
	return score, true
}

// parseScoreOfValkey refuses no text at all, hexadecimals, and what overflows or underflows to 0.
func parseScoreOfValkey(text []byte) (float64, bool) {
	if isHexPrefix(text) {
		return 0, false
	}
	return parseDouble(text)
}
