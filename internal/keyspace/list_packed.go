package keyspace

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// packed is elements one behind the other in one piece of memory, with room to grow at both ends. Lists are chains of them, small sets
// are one. An element looks like this:
//
//	head | body | size, backwards
//
// A head of 0 to 8 is an integer of that many bytes, zigzag, low byte first; what servers write as an integer always is one, so equal
// elements are equal bytes. A head of 9 to 254 is a string of 9 bytes less, 255 one whose length follows as a varint. The size of head and body
// is a varint whose bytes are in reverse, for walking towards the front.
type packed struct {
	buf  []byte // the elements are buf[from:]
	from int
	n    int // elements
}

const (
	headShort = 9    // head of the empty string
	headLong  = 0xFF // head of a string whose length follows
	maxShort  = headLong - headShort - 1

	// packedBytes is how much a packed of several elements may take, about: the server's list-max-listpack-size -2.
	packedBytes = 8 << 10
)

// element is an element as it is to be packed.
type element struct {
	text    []byte // of a string
	integer uint64 // zigzag
	body    int    // bytes of the integer; -1: it is a string
	inner   int    // bytes of head and body
	size    int    // bytes in all
}

// packElement says how elem is packed. The element keeps elem.
func packElement(elem []byte) element {
	e := element{text: elem, body: -1, inner: 1 + len(elem)}
	if n, ok := parseInt(elem); ok {
		e.integer = uint64(n)<<1 ^ uint64(n>>63)
		e.body = (bits.Len64(e.integer) + 7) / 8
		e.inner = 1 + e.body
	} else if len(elem) > maxShort {
		e.inner += varintBytes(len(elem))
	}
	e.size = e.inner + varintBytes(e.inner)
	return e
}

func varintBytes(n int) int {
	if n < 0x80 {
		return 1
	}
	return (bits.Len(uint(n)) + 6) / 7
}

// write writes the element to dst, which has its size.
func (e *element) write(dst []byte) {
	switch {
	case e.body >= 0:
		dst[0] = byte(e.body)
		for i := range e.body {
			dst[1+i] = byte(e.integer >> (8 * i))
		}
	case len(e.text) <= maxShort:
		dst[0] = byte(headShort + len(e.text))
		copy(dst[1:], e.text)
	default:
		dst[0] = headLong
		at := 1 + binary.PutUvarint(dst[1:], uint64(len(e.text)))
		copy(dst[at:], e.text)
	}
	n := e.inner
	for at := len(dst) - 1; at >= e.inner; at-- {
		dst[at] = byte(n)
		if n >>= 7; n > 0 {
			dst[at] |= 0x80
		}
	}
}

// bytes returns the element as it is in a packed.
func (e *element) bytes() []byte {
	b := make([]byte, e.size)
	e.write(b)
	return b
}

// elementBytes is how many bytes the element has that b begins with.
func elementBytes(b []byte) int {
	inner := 1
	switch head := b[0]; {
	case head < headShort:
		inner += int(head)
	case head < headLong:
		inner += int(head) - headShort
	default:
		n, digits := binary.Uvarint(b[1:])
		inner += digits + int(n)
	}
	return inner + varintBytes(inner)
}

// numberBuffer has room for any integer in decimal.
type numberBuffer [20]byte

// elementText returns the text of the element that b begins with: a part of b, or an integer's digits in scratch.
func elementText(b []byte, scratch *numberBuffer) []byte {
	switch head := int(b[0]); {
	case head < headShort:
		var zigzag uint64
		for i := range head {
			zigzag |= uint64(b[1+i]) << (8 * i)
		}
		return strconv.AppendInt(scratch[:0], int64(zigzag>>1)^-int64(zigzag&1), 10)
	case head < headLong:
		return b[1 : 1+head-headShort]
	default:
		n, digits := binary.Uvarint(b[1:])
		return b[1+digits:][:n]
	}
}

// live is how many bytes the elements have.
func (p *packed) live() int { return len(p.buf) - p.from }

// after returns where the element behind the one at at begins.
func (p *packed) after(at int) int { return at + elementBytes(p.buf[at:]) }

// before returns where the element that ends at end begins.
func (p *packed) before(end int) int {
	inner, shift, at := 0, 0, end
	for {
		at--
		inner |= int(p.buf[at]&0x7F) << shift
		if p.buf[at] < 0x80 {
			return at - inner
		}
		shift += 7
	}
}

// at returns where element i begins, from whichever end is nearer. i is at most n, where nothing begins.
func (p *packed) at(i int) int {
	if i > p.n/2 {
		at := len(p.buf)
		for range p.n - i {
			at = p.before(at)
		}
		return at
	}
	at := p.from
	for range i {
		at = p.after(at)
	}
	return at
}

// each calls visit for each element until it returns false, and reports whether none did. The text is valid during the call.
func (p *packed) each(visit func(elem []byte) bool) bool {
	var scratch numberBuffer
	for at := p.from; at < len(p.buf); at = p.after(at) {
		if !visit(elementText(p.buf[at:], &scratch)) {
			return false
		}
	}
	return true
}

// find returns where an element begins that has these bytes, from at on; -1 if there is none.
func (p *packed) find(want []byte, at int) int {
	for at < len(p.buf) {
		size := elementBytes(p.buf[at:])
		if size == len(want) && p.buf[at] == want[0] && string(p.buf[at:at+size]) == string(want) {
			return at
		}
		at += size
	}
	return -1
}

// pushBack puts e behind the last element.
func (p *packed) pushBack(e *element) {
	if len(p.buf)+e.size > cap(p.buf) {
		p.makeRoom(e.size, false)
	}
	end := len(p.buf)
	p.buf = p.buf[:end+e.size]
	e.write(p.buf[end:])
	p.n++
}

// pushFront puts e before the first element.
func (p *packed) pushFront(e *element) {
	if p.from < e.size {
		p.makeRoom(e.size, true)
	}
	p.from -= e.size
	e.write(p.buf[p.from : p.from+e.size])
	p.n++
}

// splice puts e in the place of what is between at and end, and counts nothing.
func (p *packed) splice(at, end int, e *element) {
	more := at + e.size - end
	if len(p.buf)+more > cap(p.buf) {
		at, end = at-p.from, end-p.from
		p.makeRoom(more, false)
		at, end = at+p.from, end+p.from
	}
	was := len(p.buf)
	if more > 0 {
		p.buf = p.buf[:was+more]
	}
	copy(p.buf[at+e.size:], p.buf[end:was])
	p.buf = p.buf[:was+more]
	e.write(p.buf[at : at+e.size])
}

// cut removes the n elements that begin at from and end at to.
func (p *packed) cut(from, to, n int) {
	if from == p.from {
		p.from = to
	} else {
		p.buf = append(p.buf[:from], p.buf[to:]...)
	}
	p.n -= n
}

// count returns how many elements have these bytes.
func (p *packed) count(want []byte) int {
	n := 0
	for at := p.find(want, p.from); at >= 0; at = p.find(want, at+len(want)) {
		n++
	}
	return n
}

// removeAll removes n of the elements that have these bytes, but the first skip of them stay.
func (p *packed) removeAll(want []byte, skip, n int) {
	p.n -= n
	to := p.from
	for at := p.from; at < len(p.buf); {
		elem := p.buf[at:p.after(at)]
		at += len(elem)
		if n > 0 && string(elem) == string(want) {
			if skip == 0 {
				n--
				continue
			}
			skip--
		}
		to += copy(p.buf[to:], elem)
	}
	p.buf = p.buf[:to]
}

// makeRoom makes room for size bytes at one end: it slides the elements where enough is free at the other one, and else takes more memory.
func (p *packed) makeRoom(size int, front bool) {
	live := p.live()
	want := live + size
	to := p.buf[:0]
	if want+live/4 > cap(p.buf) {
		// Memory comes in classes of size: append takes what the class has.
		to = append([]byte(nil), make([]byte, min(want+want/4, max(want, packedBytes)))...)[:0]
	}
	at := 0
	if front {
		at = cap(to) - live
	}
	to = to[:at+live]
	copy(to[at:], p.buf[p.from:])
	p.buf, p.from = to, at
}

// fit gives memory back where little of it is used.
func (p *packed) fit() {
	const worth = 64
	if live := p.live(); cap(p.buf) > worth && live < cap(p.buf)/4 {
		p.buf, p.from = append(make([]byte, 0, live+live/4), p.buf[p.from:]...), 0
	}
}

// clone returns a copy that shares nothing.
func (p *packed) clone() packed {
	return packed{buf: append([]byte(nil), p.buf[p.from:]...), n: p.n}
}
