package keyspace

import (
	"strconv"
)

// parseInt parses an integer as servers do (util.c:string2ll): no sign +, no leading zeros, no spaces, all of the text.
func parseInt(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	digits := b
	if b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || (digits[0] == '0' && len(b) > 1) {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(b), 10, 64) // does not escape: no allocation
	return n, err == nil
}
