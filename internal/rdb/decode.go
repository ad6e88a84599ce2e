package rdb

import (
	"encoding/binary"
	"math"
	"strconv"
)

// decoder decodes the body of a value. What it hands out is a part of the body, or of scratch memory that is used again for the next
// element, so that nothing is allocated per element.
type decoder struct {
	body
	f Format
	// blob is scratch for compressed strings that hold values, a and b for the elements.
	blob, a, b []byte
}

func newDecoder(f Format, raw []byte) decoder { return decoder{body: newBody(raw), f: f} }

// wrongType makes the error of a value that is asked to be what it is not.
func (d *decoder) wrongType(t Type) { d.corrupt("value of another type: " + t.String()) }

// packed walks the listpack, or ziplist, that a string holds.
func (d *decoder) packed(zip bool, visit func(w *packed)) {
	p := d.string(&d.blob)
	if d.err != nil {
		return
	}
	w := walkListpack(p)
	if zip {
		w = walkZiplist(p)
	}
	for w.more() {
		visit(&w)
	}
	if what := w.end(); what != "" {
		d.corrupt(what)
	}
}

// score reads an entry of a packed sorted set (t_zset.c:zzlGetScore).
func (d *decoder) score(e ListpackEntry) float64 {
	if e.Bytes == nil {
		return float64(e.Int)
	}
	return d.scoreText(e.Bytes)
}

// scoreText reads the text of a score. What a double cannot hold is infinite, as for strtod.
func (d *decoder) scoreText(p []byte) float64 {
	const longest = 400 // "%.17g" takes 24, and what Redis 2 wrote is no longer than "%f"
	if len(p) > longest {
		d.corrupt("score is no number")
		return 0
	}
	v, err := strconv.ParseFloat(string(p), 64)
	if err != nil && !math.IsInf(v, 0) || math.IsNaN(v) {
		d.corrupt("score is no number")
		return 0
	}
	return v
}

// intset walks the integers of the intset that a string holds (intset.c), smallest first.
func (d *decoder) intset(visit func(v int64)) {
	p := d.string(&d.blob)
	if d.err != nil {
		return
	}
	if len(p) < minIntset || !intset.begins(p, uint64(len(p))) {
		d.corrupt("header of an intset is wrong")
		return
	}
	width := int(binary.LittleEndian.Uint32(p))
	before := int64(math.MinInt64)
	for at := minIntset; at < len(p); at += width {
		v := smallEndian(p[at : at+width])
		if v <= before && at > minIntset {
			d.corrupt("intset out of order")
			return
		}
		visit(v)
		before = v
	}
}

// zipmap walks the pairs of the zipmap that a string holds (zipmap.c), as hashes were before Redis 2.6:
//
//	pairs u8 (254 and more: not counted) | key size | key | value size | free u8 | value | free bytes ... | 0xFF
//
// with sizes of one byte, or 254 and u32.
func (d *decoder) zipmap(visit func(field, value []byte)) {
	p := d.string(&d.blob)
	if d.err != nil {
		return
	}
	z := body{p: p, in: d.in}
	count, n := z.byte(), 0
	for z.left() > 1 {
		field := z.next(z.zipmapSize())
		size := z.zipmapSize()
		free := z.byte()
		value := z.next(size)
		z.next(uint64(free))
		if z.err != nil {
			break
		}
		visit(field, value)
		n++
	}
	if end := z.byte(); z.err != nil || end != blobEnd || count < 254 && int(count) != n {
		d.corrupt("unsound zipmap")
	}
}

// zipmapSize reads a size of a zipmap.
func (b *body) zipmapSize() uint64 {
	n := b.byte()
	if n < 254 {
		return uint64(n)
	}
	if p := b.next(4); n == 254 && p != nil {
		return uint64(binary.LittleEndian.Uint32(p))
	}
	b.corrupt("unknown size in a zipmap")
	return 0
}
