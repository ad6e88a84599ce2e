package rdb

import "encoding/binary"

// What the format can say: see appendLZF.
const (
	lzfMaxLiteral = 1 << 5
	lzfMaxBack    = 1 << 13
	lzfMaxMatch   = 1<<8 + 1<<3
	lzfMinMatch   = 3
)

// lzfHash spreads three bytes over 32 bits.
const lzfHash = 0x9E3779B1

// appendLZFCompressed appends what appendLZF turns back into src, or returns false if that takes more than limit bytes; what was appended
// then is undefined. src must be shorter than 2 GiB.
func appendLZFCompressed(dst, src []byte, limit int) ([]byte, bool) {
	c := lzfCompressor{dst: dst, start: len(dst), src: src, limit: limit}
	// The tables are on the stack. Clearing one must not take longer than the work.
	switch {
	case len(src) <= 1<<8:
		var table [1 << 7]int32
		return c.run(table[:], 32-7)
	case len(src) <= 1<<12:
		var table [1 << 10]int32
		return c.run(table[:], 32-10)
	default:
		var table [1 << 14]int32
		return c.run(table[:], 32-14)
	}
}

// lzfCompressor is a compression that runs.
type lzfCompressor struct {
	dst   []byte
	start int // of the output in dst
	src   []byte
	limit int
	done  int // bytes of src that the output has
}

// run compresses. table[h] is one more than where three bytes that hash to h were last; shift makes a hash of 32 bits an index of it.
func (c *lzfCompressor) run(table []int32, shift uint) ([]byte, bool) {
	src := c.src
	for i := 0; i+4 <= len(src); {
		v := binary.LittleEndian.Uint32(src[i:]) << 8 // the first three
		h := v * lzfHash >> shift
		from := int(table[h]) - 1
		table[h] = int32(i) + 1
		if from < 0 || i-from > lzfMaxBack || binary.LittleEndian.Uint32(src[from:])<<8 != v {
			i += 1 + (i-c.done)>>6 // what has not compressed for long will not compress soon
			continue
		}
		n, most := lzfMinMatch, min(len(src)-i, lzfMaxMatch)
		for n < most && src[from+n] == src[i+n] {
			n++
		}
		c.literals(i)
		c.match(i-from, n)
		if i += n; c.over() {
			return c.dst, false
		}
		if i+2 <= len(src) { // so that what begins at the end of a match is found again
			table[binary.LittleEndian.Uint32(src[i-2:])<<8*lzfHash>>shift] = int32(i) - 1
		}
	}
	c.literals(len(src))
	return c.dst, !c.over()
}

func (c *lzfCompressor) over() bool { return len(c.dst)-c.start > c.limit }

// literals emits src up to end as it is. It stops when the output is over the limit.
func (c *lzfCompressor) literals(end int) {
	for c.done < end && !c.over() {
		n := min(end-c.done, lzfMaxLiteral)
		c.dst = append(c.dst, byte(n-1))
		c.dst = append(c.dst, c.src[c.done:c.done+n]...)
		c.done += n
	}
}

// match emits n bytes as a copy of those that lie back before them.
func (c *lzfCompressor) match(back, n int) {
	back--
	c.done += n
	if n -= 2; n < 7 {
		c.dst = append(c.dst, byte(n<<5|back>>8), byte(back))
		return
	}
	c.dst = append(c.dst, byte(7<<5|back>>8), byte(n-7), byte(back))
}
