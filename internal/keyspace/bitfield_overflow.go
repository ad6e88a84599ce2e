package keyspace

import "bytes"

// bitOverflow is what becomes of a number that does not fit into a bit field.
type bitOverflow uint8

const (
	bitWrap bitOverflow = iota // its low bits are taken
	bitSat                     // the nearest number that fits
	bitFail                    // nothing is written
)

func parseOverflow(word []byte) (bitOverflow, parsed) {
	switch {
	case isWord(word, "WRAP"):
		return bitWrap, parsedWell
	case isWord(word, "SAT"):
		return bitSat, parsedWell
	case isWord(word, "FAIL"):
		return bitFail, parsedWell
	default:
		return bitWrap, parsedUnknown
	}
}

// addSigned adds for a signed field of that width, and takes for overflow what servers do (bitops.c:checkSignedBitfieldOverflow): their
// room wraps around for a number far below a narrow field, which so is too large. The low bits of the sum are the field. ok is false if
// nothing is to be written.
func (o bitOverflow) addSigned(value, by int64, width int) (sum int64, ok bool) {
	largest := int64(1)<<(width-1) - 1
	least := -largest - 1
	narrow := width < 64
	over := value > largest || ((narrow || (value >= 0 && by > 0)) && by > largest-value)
	under := value < least || ((narrow || (value < 0 && by < 0)) && by < least-value)
	switch {
	case !over && !under, o == bitWrap:
		return value + by, true
	case over:
		return largest, o == bitSat
	default:
		return least, o == bitSat
	}
}

// addUnsigned is addSigned for unsigned fields, of up to 63 bits.
func (o bitOverflow) addUnsigned(value uint64, by int64, width int) (sum uint64, ok bool) {
	largest := uint64(1)<<width - 1
	over := value > largest || (by > 0 && uint64(by) > largest-value)
	under := !over && by < 0 && uint64(-by) > value
	switch {
	case !over && !under, o == bitWrap:
		return value + uint64(by), true
	case over:
		return largest, o == bitSat
	default:
		return 0, o == bitSat
	}
}

// readBits returns the field that begins at bit at, counted from the highest bit of the first byte.
func readBits(data []byte, at int64, width int) (field uint64) {
	for i := at; i < at+int64(width); i++ {
		field = field<<1 | uint64(data[i/8]>>(7-i%8)&1)
	}
	return field
}

// writeBits writes the low bits of field.
func writeBits(data []byte, at int64, width int, field uint64) {
	for i := at + int64(width) - 1; i >= at; i-- {
		mask := byte(0x80) >> (i % 8)
		data[i/8] &^= mask
		if field&1 == 1 {
			data[i/8] |= mask
		}
		field >>= 1
	}
}

// untilZero returns what C takes an argument for that it reads as a string.
func untilZero(arg []byte) []byte {
	text, _, _ := bytes.Cut(arg, []byte{0})
	return text
}
