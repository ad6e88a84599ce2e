package stream

import (
	"bytes"
	"strconv"
)

// Mark is the command in a log or a segment that states a position:
//
//	PING "#pos <replid> <offset> <unix-ms> <durable>"
//
// All stream bytes up to Position are in the base and in the commands above it, and had been received at UnixMilli. Up to Durable
// everything was on stable storage when the mark was written.
type Mark struct {
	Position  Position
	UnixMilli int64
	Durable   Offset
}

const markPrefix = "#pos "

// AppendText writes the mark's argument.
func (m Mark) AppendText(dst []byte) []byte {
	dst = append(dst, markPrefix...)
	dst = append(dst, m.Position.ReplID[:]...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(m.Position.Offset), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, m.UnixMilli, 10)
	dst = append(dst, ' ')
	return strconv.AppendInt(dst, int64(m.Durable), 10)
}

// AppendCommand writes the mark as a RESP command without allocating.
func (m Mark) AppendCommand(dst []byte) []byte {
	var text [128]byte
	arg := m.AppendText(text[:0])
	dst = append(dst, "*2\r\n$4\r\nPING\r\n$"...)
	dst = strconv.AppendInt(dst, int64(len(arg)), 10)
	dst = append(dst, "\r\n"...)
	dst = append(dst, arg...)
	return append(dst, "\r\n"...)
}

// ParseMark reads the argument of a PING; ok is false for any text that AppendText would not have written.
func ParseMark(arg []byte) (m Mark, ok bool) {
	rest, ok := bytes.CutPrefix(arg, []byte(markPrefix))
	if !ok {
		return Mark{}, false
	}
	var fields [4][]byte
	for i := range fields {
		field, after, more := bytes.Cut(rest, []byte{' '})
		if more == (i == len(fields)-1) {
			return Mark{}, false
		}
		fields[i], rest = field, after
	}
	id, err := ParseReplID(string(fields[0]))
	if err != nil {
		return Mark{}, false
	}
	var nums [3]int64
	for i := range nums {
		n, err := strconv.ParseInt(string(fields[i+1]), 10, 64)
		if err != nil || n < 0 {
			return Mark{}, false
		}
		nums[i] = n
	}
	m = Mark{Position: Position{ReplID: id, Offset: Offset(nums[0])}, UnixMilli: nums[1], Durable: Offset(nums[2])}
	var text [128]byte
	if !bytes.Equal(m.AppendText(text[:0]), arg) {
		return Mark{}, false
	}
	return m, true
}

// LastMark returns the mark that buf ends with, or the zero value: a position of the zero replid is none.
func LastMark(buf []byte) Mark {
	i := bytes.LastIndex(buf, []byte(markPrefix))
	if i < 0 {
		return Mark{}
	}
	text, ok := bytes.CutSuffix(buf[i:], []byte("\r\n"))
	if !ok {
		return Mark{}
	}
	m, ok := ParseMark(text)
	if !ok || !bytes.HasSuffix(buf, m.AppendCommand(nil)) {
		return Mark{}
	}
	return m
}
