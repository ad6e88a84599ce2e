package aof

import (
	"bytes"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// mark is the command in the log that states a position. See the package comment for what it proves.
type mark struct {
	pos       stream.Position
	unixMilli int64
	durable   stream.Offset
}

const markPrefix = "#pos "

// appendText writes the mark's argument: "#pos <replid> <offset> <ms> <durable>".
func (m mark) appendText(dst []byte) []byte {
	dst = append(dst, markPrefix...)
	dst = append(dst, m.pos.ReplID[:]...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(m.pos.Offset), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, m.unixMilli, 10)
	dst = append(dst, ' ')
	return strconv.AppendInt(dst, int64(m.durable), 10)
}

// appendCommand writes the mark as a RESP command without allocating.
func (m mark) appendCommand(dst []byte) []byte {
	var text [128]byte
	arg := m.appendText(text[:0])
	dst = append(dst, "*2\r\n$4\r\nPING\r\n$"...)
	dst = strconv.AppendInt(dst, int64(len(arg)), 10)
	dst = append(dst, "\r\n"...)
	dst = append(dst, arg...)
	return append(dst, "\r\n"...)
}

// parseMark reads the argument of a PING; ok is false for any text that appendText would not have written.
func parseMark(arg []byte) (m mark, ok bool) {
	rest, ok := bytes.CutPrefix(arg, []byte(markPrefix))
	if !ok {
		return mark{}, false
	}
	var fields [4][]byte
	for i := range fields {
		field, after, more := bytes.Cut(rest, []byte{' '})
		if more == (i == len(fields)-1) {
			return mark{}, false
		}
		fields[i], rest = field, after
	}
	id, err := stream.ParseReplID(string(fields[0]))
	if err != nil {
		return mark{}, false
	}
	var nums [3]int64
	for i := range nums {
		n, err := strconv.ParseInt(string(fields[i+1]), 10, 64)
		if err != nil || n < 0 {
			return mark{}, false
		}
		nums[i] = n
	}
	m = mark{
		pos:       stream.Position{ReplID: id, Offset: stream.Offset(nums[0])},
		unixMilli: nums[1],
		durable:   stream.Offset(nums[2]),
	}
	var text [128]byte
	return m, bytes.Equal(m.appendText(text[:0]), arg)
}

// appendSelect writes the synthetic SELECT that begins an increment.
func appendSelect(dst []byte, db int) []byte {
	var num [20]byte
	n := strconv.AppendInt(num[:0], int64(db), 10)
	dst = append(dst, "*2\r\n$6\r\nSELECT\r\n$"...)
	dst = strconv.AppendInt(dst, int64(len(n)), 10)
	dst = append(dst, "\r\n"...)
	dst = append(dst, n...)
	return append(dst, "\r\n"...)
}
