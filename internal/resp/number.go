package resp

import (
	"fmt"
	"math"
)

const (
	// maxArgs bounds the announced number of arguments (networking.c:processMultibulkBuffer: INT_MAX).
	maxArgs = math.MaxInt32

	// maxBulk bounds the announced length of an argument, in bytes. Servers know no bound on a link from their
	// upstream; 1 TiB is more than any of them holds, and small enough that sums of it fit into an int64.
	maxBulk = 1 << 40
)

// SyntaxError says that the input is not what servers send. The bytes from there on cannot be trusted.
type SyntaxError struct {
	// Offset is where the offending byte lies: bytes since the zero Scanner, its Reset, or a Reader's start.
	Offset int64
	// What says what was expected or found, without values of the input.
	What string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("syntax error at byte %d: %s", e.Offset, e.What)
}

// appendDigit returns n with one more decimal digit c, where digits come before it. what is not empty if that is no
// number between 0 and limit, written as servers write it (util.c:ll2string).
func appendDigit(n int64, digits int, c byte, limit int64) (next int64, what string) {
	switch d := int64(c) - '0'; {
	case d < 0 || d > 9:
		return 0, "want a decimal digit"
	case digits > 0 && n == 0:
		return 0, "number with a leading zero"
	case n > (limit-d)/10:
		return 0, "number too large"
	default:
		return n*10 + d, ""
	}
}

// parseNumber reads the whole of b as a number between 0 and limit.
func parseNumber(b []byte, limit int64) (n int64, what string) {
	if len(b) == 0 {
		return 0, "want a decimal digit"
	}
	for i, c := range b {
		if n, what = appendDigit(n, i, c, limit); what != "" {
			return 0, what
		}
	}
	return n, ""
}
