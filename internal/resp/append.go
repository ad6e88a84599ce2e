package resp

import "strconv"

// AppendCommand appends one command to dst as a RESP array of bulk strings and returns the extended slice. Without args
// it returns dst as it is: there is no empty command.
func AppendCommand(dst []byte, args ...[]byte) []byte { return appendCommand(dst, args) }

// AppendCommandStrings is AppendCommand for strings.
func AppendCommandStrings(dst []byte, args ...string) []byte { return appendCommand(dst, args) }

func appendCommand[T string | []byte](dst []byte, args []T) []byte {
	if len(args) == 0 {
		return dst
	}
	dst = appendHeader(dst, '*', len(args))
	for _, arg := range args {
		dst = appendHeader(dst, '$', len(arg))
		dst = append(dst, arg...)
		dst = append(dst, '\r', '\n')
	}
	return dst
}

func appendHeader(dst []byte, mark byte, n int) []byte {
	dst = append(dst, mark)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, '\r', '\n')
}

// AppendSelect appends SELECT db without allocating.
func AppendSelect(dst []byte, db int) []byte {
	var num [20]byte
	n := strconv.AppendInt(num[:0], int64(db), 10)
	dst = append(dst, "*2\r\n$6\r\nSELECT\r\n$"...)
	dst = strconv.AppendInt(dst, int64(len(n)), 10)
	dst = append(dst, "\r\n"...)
	dst = append(dst, n...)
	return append(dst, "\r\n"...)
}
