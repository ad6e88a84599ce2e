package resp

import "encoding/binary"

// A command's beginning "*N\r\n$N\r\n" as a little-endian number, and what of it is no digit.
const (
	headShape = '*' | crlf<<16 | '$'<<32 | crlf<<48
	headMask  = 0xffff_00ff_ffff_00ff
)

// Others takes the commands at the start of p that lie in p whole and are of the kind Other, for as long as their shape is a common one,
// and returns how many bytes that is. It may stop anywhere between commands: at 0 call Next, which takes everything. In the middle of a command,
// after an error and at the start of anything else it returns 0. Kind and Arg describe nothing afterwards.
//
// It is Next for a whole buffer: most of a stream needs neither state nor the names of its commands.
func (s *Scanner) Others(p []byte) int {
	if s.state != atStart {
		return 0
	}
	at := 0
	for {
		n := other(p[at:])
		if n == 0 {
			break
		}
		at += n
	}
	s.off += int64(at)
	return at
}

// other returns the length of the command that p begins with, if it is of the kind Other, in p as a whole, of no more than 9 arguments and
// with a name of no more than 9 bytes; else 0.
func other(p []byte) int {
	if len(p) < 24 {
		return 0
	}
	w := binary.LittleEndian.Uint64(p)
	if w&headMask^headShape&headMask != 0 {
		return 0
	}
	args, name := uint(w>>8)&0xff-'0', uint(w>>40)&0xff-'0'
	if args-1 > 8 || name-1 > 8 || special(name, p[8]) {
		return 0
	}
	at := 8 + int(name)
	for ; args > 1; args-- {
		n, size := nextArg(p, at)
		if size == 0 || n > len(p)-at-size {
			return 0
		}
		at += size + n
	}
	if len(p)-at < 2 || binary.LittleEndian.Uint16(p[at:]) != crlf {
		return 0
	}
	return at + 2
}

// nextArg reads the end of the argument before at and the header "\r\n$<n>\r\n" of the next one, with one to three digits: its size, 0 if there is
// something else or less.
func nextArg(p []byte, at int) (n, size int) {
	if len(p)-at < 8 {
		return 0, 0
	}
	w := binary.LittleEndian.Uint64(p[at:])
	if uint32(w)&0xffffff != crlf|'$'<<16 {
		return 0, 0
	}
	a, b, c := uint(w>>24)&0xff-'0', uint(w>>32)&0xff-'0', uint(w>>40)&0xff-'0'
	switch {
	case uint16(w>>40) == crlf && a-1 < 9 && b < 10:
		return int(a*10 + b), 7
	case uint16(w>>32) == crlf && a < 10:
		return int(a), 6
	case uint16(w>>48) == crlf && a-1 < 9 && b < 10 && c < 10:
		return int(a*100 + b*10 + c), 8
	default:
		return 0, 0
	}
}

// special reports whether a name of that length and first letter may be of another kind than Other: see kindOf.
func special(size uint, first byte) bool {
	first |= 0x20
	switch size {
	case 4:
		return first == 'p' || first == 'e'
	case 5:
		return first == 'm'
	case 6:
		return first == 's'
	case 7:
		return first == 'p' || first == 'c'
	case 8:
		return first == 'r' || first == 's'
	default:
		return false
	}
}
