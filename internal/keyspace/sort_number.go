package keyspace

import (
	"bytes"
	"math"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// parseSortScore parses a weight of SORT. Valkey, and Redis until 7.4, take what strtod takes, Redis from 8.0 on what fast_float takes:
// no spaces, no +, no hexadecimals, but numbers that are too large or too near to 0 for a double. No text at all is 0, and text ends at a zero
// byte.
func (s *Space) parseSortScore(text []byte) (float64, bool) {
	text, _, _ = bytes.Cut(text, []byte{0})
	if len(text) == 0 {
		return 0, true
	}
	strtod := s.opt.Format.Dialect != rdb.Redis || s.opt.Format.Version < 12 || strings.HasPrefix(s.opt.Server, "7.")
	if strtod {
		text = bytes.TrimLeft(text, " \t\n\v\f\r")
	} else if text[0] == '+' || isHexPrefix(text) {
		return 0, false
	}
	if n := floatPrefix(text); n == 0 || n < len(text) {
		return 0, false
	}
	score, ok := convertFloat(text)
	if strtod {
		const smallest = 0x1p-1022 // of the numbers with all their digits; the C library says of lesser ones that they are out of range
		ok = ok && (math.Abs(score) >= smallest || !hasDigit(text))
		return score, ok
	}
	return score, true
}
