package resp

import "encoding/binary"

// minCommand is the length of the shortest command: one argument without bytes.
const minCommand = len("*1\r\n$0\r\n\r\n")

// crlf is "\r\n" as a little-endian number.
const crlf = '\r' | '\n'<<8

// whole takes the command at the start of p if all of it lies in p, and returns its length. It returns 0
// for everything else: a command that goes on, a newline, an annotation, an error; resume then starts over and
// says what it is. It is what makes scanning fast: one pass without state, headers of up to three digits read with
// one load.
func (s *Scanner) whole(p []byte) int {
	if len(p) < minCommand {
		return 0
	}
	args, i := shortHeader(binary.LittleEndian.Uint64(p), '*')
	if i == 0 {
		args, i = header(p, 0, '*', maxArgs)
	}
	if args == 0 {
		return 0
	}
	name, size := 0, 0
	for left := args; left > 0; left-- {
		n, at := 0, 0
		if len(p)-i >= 8 {
			n, at = shortHeader(binary.LittleEndian.Uint64(p[i:]), '$')
		}
		if at == 0 {
			if n, at = header(p, i, '$', int64(len(p))); at == 0 {
				return 0
			}
			at -= i
		}
		i += at
		if left == args {
			name, size = i, n
		}
		if n > len(p)-i-2 {
			return 0
		}
		i += n
		if binary.LittleEndian.Uint16(p[i:]) != crlf {
			return 0
		}
		i += 2
	}
	s.args = args
	s.keepName(p, name, size)
	if s.kind != Other {
		s.keepArg1(p, name+size+2)
	}
	return i
}

// shortHeader reads "<mark><n>\r\n" of one to three digits from the 8 bytes of w and returns its length, 0 if it is
// something else.
func shortHeader(w uint64, mark byte) (n, size int) {
	a, b, c := uint(w>>8)&0xff-'0', uint(w>>16)&0xff-'0', uint(w>>24)&0xff-'0'
	switch {
	case byte(w) != mark:
		return 0, 0
	case uint16(w>>24) == crlf && a-1 < 9 && b < 10:
		return int(a*10 + b), 5
	case uint16(w>>16) == crlf && a < 10:
		return int(a), 4
	case uint16(w>>32) == crlf && a-1 < 9 && b < 10 && c < 10:
		return int(a*100 + b*10 + c), 6
	default:
		return 0, 0
	}
}

// header reads "<mark><n>\r\n" at p[i] and returns n and the index behind it. That index is 0 if the header is cut or wrong.
func header(p []byte, i int, mark byte, limit int64) (n, next int) {
	if i >= len(p) || p[i] != mark {
		return 0, 0
	}
	var v int64
	for j := i + 1; j < len(p); j++ {
		if p[j] == '\r' {
			if j == i+1 || j+1 == len(p) || p[j+1] != '\n' {
				return 0, 0
			}
			return int(v), j + 2
		}
		next, what := appendDigit(v, j-i-1, p[j], limit)
		if what != "" {
			return 0, 0
		}
		v = next
	}
	return 0, 0
}

// keepName stores argument 0, p[at:at+size], and the kind that it tells.
func (s *Scanner) keepName(p []byte, at, size int) {
	s.lens[0] = int64(size)
	s.have[0] = min(size, keptBytes)
	if size <= 16 && at+16 <= len(p) {
		// A copy of fixed size is two registers, one of any size is a call.
		*(*[16]byte)(s.kept[0][:]) = [16]byte(p[at:])
	} else {
		copy(s.kept[0][:], p[at:at+size])
	}
	s.kind = Other
	if size <= 8 {
		s.kind = kindOf(s.kept[0][:size])
	}
}

// keepArg1 stores argument 1, whose header is at p[i], if there is one, and refines the kind.
func (s *Scanner) keepArg1(p []byte, i int) {
	s.lens[1], s.have[1] = 0, 0
	if s.args < 2 {
		return
	}
	n, at := header(p, i, '$', int64(len(p)))
	s.lens[1] = int64(n)
	s.have[1] = copy(s.kept[1][:], p[at:at+n])
	s.kind = kindWithArg(s.kind, p[at:at+n])
}
