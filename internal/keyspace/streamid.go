package keyspace

import (
	"bytes"
	"math"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// maxStreamIDText is the longest text that a server looks at for an id.
const maxStreamIDText = 127

// appendStreamID appends the id's text.
func appendStreamID(dst []byte, id rdb.StreamID) []byte {
	dst = strconv.AppendUint(dst, id.Ms, 10)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, id.Seq, 10)
}

// streamIDForm is what an argument where an id may be is.
type streamIDForm uint8

const (
	noStreamID streamIDForm = iota
	// fullStreamID is "5-3", and "5", which lacks a sequence and means 5-0.
	fullStreamID
	// autoSequence is "5-*".
	autoSequence
)

// parseStreamID parses an id that may not be "-" or "+" (t_stream.c:streamParseStrictIDOrReply).
func parseStreamID(arg []byte) (rdb.StreamID, bool) {
	id, form := parseNewStreamID(arg)
	return id, form == fullStreamID
}

// parseAnyStreamID parses an id that may be "-", the least, or "+", the greatest.
func parseAnyStreamID(arg []byte) (rdb.StreamID, bool) {
	if text, ok := streamIDText(arg); ok {
		switch string(text) {
		case "-":
			return rdb.StreamID{}, true
		case "+":
			return rdb.StreamID{Ms: math.MaxUint64, Seq: math.MaxUint64}, true
		}
	}
	return parseStreamID(arg)
}

// parseNewStreamID parses the id of an entry that is to be added.
func parseNewStreamID(arg []byte) (id rdb.StreamID, form streamIDForm) {
	text, ok := streamIDText(arg)
	if !ok {
		return id, noStreamID
	}
	ms, seq, both := bytes.Cut(text, []byte{'-'})
	if id.Ms, ok = parseUint(ms); !ok {
		return id, noStreamID
	}
	if !both {
		return id, fullStreamID
	}
	if string(seq) == "*" {
		return id, autoSequence
	}
	if id.Seq, ok = parseUint(seq); !ok {
		return id, noStreamID
	}
	return id, fullStreamID
}

// streamIDText cuts arg at a zero byte, as servers do, which copy it to where C strings live.
func streamIDText(arg []byte) ([]byte, bool) {
	if len(arg) > maxStreamIDText {
		return nil, false
	}
	return cString(arg), true
}

// cString is what of arg is before the first zero byte.
func cString(arg []byte) []byte {
	text, _, _ := bytes.Cut(arg, []byte{0})
	return text
}

// parseUint parses a number as servers do (util.c:string2ull): what is no plain integer is for strtoull, which takes spaces and a plus ahead,
// zeros, and a minus, which it subtracts from 2^64.
func parseUint(b []byte) (uint64, bool) {
	if n, ok := parseInt(b); ok {
		return uint64(n), n >= 0
	}
	digits := bytes.TrimLeft(b, " \t\n\v\f\r")
	negative := false
	if len(digits) > 0 && (digits[0] == '-' || digits[0] == '+') {
		negative = digits[0] == '-'
		digits = digits[1:]
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(string(digits), 10, 64) // does not escape: no allocation
	if negative {
		n = -n
	}
	return n, err == nil
}
