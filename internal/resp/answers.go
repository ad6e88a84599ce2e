package resp

import (
	"errors"
	"math"
)

// ErrAnswerTooLarge says that a peer announces or sends more than it is allowed to answer.
var ErrAnswerTooLarge = errors.New("the answer is larger than any that was asked for")

// maxAnswerLine bounds a line of an answer: an error, a status, a number.
const maxAnswerLine = 64 << 10

// AnswerLimit bounds the answers of a peer that is not trusted. It watches their bytes on the way to a parser which makes room for what is announced, and
// stops the byte that would complete an announcement past the bounds. The zero value allows nothing; it is for one goroutine.
//
// It knows RESP2 and RESP3 as far as lengths go: $, ! and = are followed by bytes, *, ~, >, % and | by values, all else is a line. What is
// no such thing is left to the parser, which refuses it.
type AnswerLimit struct {
	// Bytes bounds lines and announced bytes, Values the announced values, each over all that came since Reset.
	Bytes, Values int64

	bytes, values int64 // so far
	begun         bool  // a line has begun: kind is its first byte
	kind          byte
	num           int64 // the number in the line; negative: it is none
	line          int   // bytes of the line
	skip          int64 // bytes that belong to the value that was announced last
	err           error
}

// Reset begins the answers to another question; one that is under way goes on. An error stays.
func (l *AnswerLimit) Reset() { l.bytes, l.values = 0, 0 }

// Take returns how many bytes of p may be passed on: all of them, or those before the one that is too much, and then ErrAnswerTooLarge for good.
func (l *AnswerLimit) Take(p []byte) (n int, err error) {
	for n < len(p) && l.err == nil {
		if l.skip > 0 {
			skipped := min(l.skip, int64(len(p)-n))
			l.skip -= skipped
			n += int(skipped)
			continue
		}
		if l.err = l.step(p[n]); l.err == nil {
			n++
		}
	}
	return n, l.err
}

// step takes one byte of a line.
func (l *AnswerLimit) step(c byte) error {
	l.bytes++
	l.line++
	if l.bytes > l.Bytes || l.line > maxAnswerLine {
		return ErrAnswerTooLarge
	}
	switch {
	case c == '\n':
		err := l.announced()
		l.begun, l.line = false, 0
		return err
	case !l.begun:
		l.begun, l.kind, l.num = true, c, 0
	case c == '\r' || c == '+' && l.line == 2: // parsers of numbers take a sign
	case c < '0' || c > '9' || l.num < 0:
		l.num = -1
	case l.num > (math.MaxInt64-9)/10:
		l.num = math.MaxInt64
	default:
		l.num = l.num*10 + int64(c-'0')
	}
	return nil
}

// announced takes the end of a line.
func (l *AnswerLimit) announced() error {
	if !l.begun || l.num < 0 {
		return nil
	}
	switch l.kind {
	case '$', '!', '=':
		if l.num > l.Bytes-l.bytes {
			return ErrAnswerTooLarge
		}
		l.bytes += l.num
		l.skip = l.num + int64(len("\r\n"))
	case '*', '~', '>', '%', '|': // those of % and | come in pairs
		if l.num > (l.Values-l.values)/2 {
			return ErrAnswerTooLarge
		}
		l.values += 2 * l.num
	}
	return nil
}
