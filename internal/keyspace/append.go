package keyspace

import "strconv"

// appendCommand appends a command as RESP. It is for commands of a few arguments; long ones are appended with appendArgCount and appendArg.
func appendCommand[T string | []byte](dst []byte, args ...T) []byte {
	dst = appendArgCount(dst, len(args))
	for _, arg := range args {
		dst = appendArg(dst, arg)
	}
	return dst
}

// appendArgCount begins a command of n arguments, its name included.
func appendArgCount(dst []byte, n int) []byte {
	dst = strconv.AppendInt(append(dst, '*'), int64(n), 10)
	return append(dst, '\r', '\n')
}

// appendArg appends the next argument.
func appendArg[T string | []byte](dst []byte, arg T) []byte {
	dst = strconv.AppendInt(append(dst, '$'), int64(len(arg)), 10)
	dst = append(dst, '\r', '\n')
	dst = append(dst, arg...)
	return append(dst, '\r', '\n')
}
