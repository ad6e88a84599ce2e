package resp

import (
	"encoding/binary"
	"math/bits"
)

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
	args, name := commonHead(p)
	if args == 0 || special(name, p[headBytes]) {
		return 0
	}
	at := headBytes + int(name)
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

// headBytes is the length of a command's beginning, up to its name.
const headBytes = 8

// commonHead reads the beginning of a command of 1 to 9 arguments with a name of 1 to 9 bytes; args is 0 if it is something else, or p is too
// short to tell.
func commonHead(p []byte) (args, name uint) {
	if len(p) < 3*headBytes {
		return 0, 0
	}
	w := binary.LittleEndian.Uint64(p)
	args, name = uint(w>>8)&0xff-'0', uint(w>>40)&0xff-'0'
	if w&headMask^headShape&headMask != 0 || args-1 > 8 || name-1 > 8 {
		return 0, 0
	}
	return args, name
}

// nextArg reads the end of the argument before at and the header "\r\n$<n>\r\n" of the next one, with one to three digits: its size, 0 if there is
// something else or less. Lengths follow no pattern that a processor could learn, so the digits are counted and added up without a branch.
func nextArg(p []byte, at int) (n, size int) {
	if len(p)-at < 8 {
		return 0, 0
	}
	w := binary.LittleEndian.Uint64(p[at:])
	const (
		lead = crlf | '$'<<16
		cr   = 0x0d0d0d0d0d // in five bytes
		ones = 0x0101010101
		ohs  = '0' | '0'<<8 | '0'<<16
	)
	d := w >> 24
	t := d ^ cr
	digits := uint(bits.TrailingZeros64((t-ones)&^t&(ones<<7))) / 8 // before the first CR; 8: there is none
	if uint32(w)&0xffffff != lead || digits-1 > 2 || uint16(d>>(8*digits)) != crlf {
		return 0, 0
	}
	missing := 8 * (3 - digits)
	v := uint32(d<<missing)&0xffffff | ohs&(1<<missing-1)
	v ^= ohs // '0' to '9' become 0 to 9, and nothing else does
	if (v+0x767676)&0x808080|v&0xf0f0f0 != 0 || (byte(d) == '0' && digits > 1) {
		return 0, 0
	}
	return int(v&0xf*100 + v>>8&0xf*10 + v>>16), 5 + int(digits)
}

// specialSizes are, for each letter by its low five bits, the lengths of names that begin with it and may be of another kind than Other: bit
// 0 for four bytes. See kindOf: C(luster), E(xec), M(ulti), P(ing, publish), R(eplconf), S(elect, publish).
const specialSizes = "\x00\x00\x00\x08\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x09\x00\x10\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// special reports whether a name of that length and first byte may be of another kind than Other.
func special(size uint, first byte) bool { return specialSizes[first&31]>>(size-4)&1 != 0 }
