package keyspace

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
)

// packedZSet holds a small sorted set in one piece of memory, in order. An entry is
//
//	score       8 bytes, little-endian IEEE 754
//	length      1 byte
//	member
type packedZSet struct {
	buf []byte
	n   int
}

// packedHead is what an entry has before its member.
const packedHead = 9

// takes reports whether one more member, that one, may be packed.
func (p *packedZSet) takes(member []byte) bool {
	return p.n < maxPackedMembers && len(member) <= maxPackedMember
}

func (p *packedZSet) score(at int) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(p.buf[at:]))
}

func (p *packedZSet) member(at int) []byte {
	return p.buf[at+packedHead : p.next(at) : p.next(at)]
}

func (p *packedZSet) next(at int) int { return at + packedHead + int(p.buf[at+packedHead-1]) }

// find returns where the member's entry is, -1 if there is none.
func (p *packedZSet) find(member []byte) int {
	for at := 0; at < len(p.buf); at = p.next(at) {
		if int(p.buf[at+packedHead-1]) == len(member) && bytes.Equal(p.member(at), member) {
			return at
		}
	}
	return -1
}

// insert adds a member that is not there yet.
func (p *packedZSet) insert(member []byte, score float64) {
	at := 0
	for at < len(p.buf) && zsetLess(p.score(at), p.member(at), score, member) {
		at = p.next(at)
	}
	size := packedHead + len(member)
	p.reserve(size)
	end := len(p.buf)
	p.buf = p.buf[:end+size]
	copy(p.buf[at+size:], p.buf[at:end])
	binary.LittleEndian.PutUint64(p.buf[at:], math.Float64bits(score))
	p.buf[at+packedHead-1] = byte(len(member))
	copy(p.buf[at+packedHead:], member)
	p.n++
}

// reserve makes room for so many bytes more, and for some that may follow: an eighth, not as much again as append would.
func (p *packedZSet) reserve(size int) {
	if need := len(p.buf) + size; need > cap(p.buf) {
		p.buf = append(make([]byte, 0, need+need/8), p.buf...)
	}
}

func (p *packedZSet) removeAt(at int) {
	p.buf = slices.Delete(p.buf, at, p.next(at))
	p.n--
}

// removeRanks removes the ranks from lo up to hi, which is left.
func (p *packedZSet) removeRanks(lo, hi int) {
	from := p.at(0, lo)
	p.buf = slices.Delete(p.buf, from, p.at(from, hi-lo))
	p.n -= hi - lo
}

// at returns where the entry is that is so many behind another.
func (p *packedZSet) at(entry, behind int) int {
	for range behind {
		entry = p.next(entry)
	}
	return entry
}

func (p *packedZSet) each(lo int, visit func(member []byte, score float64) bool) {
	for at := p.at(0, min(lo, p.n)); at < len(p.buf); at = p.next(at) {
		if !visit(p.member(at), p.score(at)) {
			return
		}
	}
}

// entries returns where each entry is; it appends to offsets.
func (p *packedZSet) entries(offsets []int) []int {
	for at := 0; at < len(p.buf); at = p.next(at) {
		offsets = append(offsets, at)
	}
	return offsets
}

// dropSigns makes 0 of each -0.
func (p *packedZSet) dropSigns() {
	for at := 0; at < len(p.buf); at = p.next(at) {
		if p.score(at) == 0 {
			binary.LittleEndian.PutUint64(p.buf[at:], 0)
		}
	}
}

func (p *packedZSet) clone() packedZSet { return packedZSet{buf: slices.Clone(p.buf), n: p.n} }

// zsetLess reports whether a score and member come before others.
func zsetLess(score float64, member []byte, thanScore float64, thanMember []byte) bool {
	if score != thanScore {
		return score < thanScore
	}
	return bytes.Compare(member, thanMember) < 0
}
