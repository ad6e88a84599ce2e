package keyspace

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// hllHash returns the register that an element belongs to, and its rank: how many zeros its hash has from there on, and one more.
func hllHash(element []byte) (register int, rank byte) {
	const seed = 0xadc83b19
	hash := murmur64A(element, seed)
	return int(hash & (hllRegisters - 1)), byte(bits.TrailingZeros64(hash>>hllIndexBits|1<<hllRankBits)) + 1
}

// murmur64A is MurmurHash64A, which is by Austin Appleby and in the public domain.
func murmur64A(b []byte, seed uint64) uint64 {
	const m, r = 0xc6a4a7935bd1e995, 47
	h := seed ^ uint64(len(b))*m
	for ; len(b) >= 8; b = b[8:] {
		k := binary.LittleEndian.Uint64(b) * m
		k ^= k >> r
		h = (h ^ k*m) * m
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		h = (h ^ binary.LittleEndian.Uint64(tail[:])) * m
	}
	h = (h ^ h>>r) * m
	return h ^ h>>r
}

// count estimates how many elements were added (hyperloglog.c:hllCount, after Otmar Ertl, arXiv:1702.01284). The steps and their order are the
// server's, and each product is either exact or rounded here too before it is added, so that the estimate is the same to the last bit.
func (h hll) count() (uint64, error) {
	var histogram [64]int
	counted := 0
	err := h.ranks(func(_, n int, rank byte) {
		histogram[rank] += n
		counted += n
	})
	if err != nil {
		return 0, err
	}
	histogram[0] += hllRegisters - counted
	const m = float64(hllRegisters)
	z := m * hllTau((m-float64(histogram[hllRankBits+1]))/m)
	for rank := hllRankBits; rank >= 1; rank-- {
		z += float64(histogram[rank])
		z *= 0.5
	}
	z += float64(m * hllSigma(float64(histogram[0])/m))
	const alpha = 0.721347520444481703680
	// What does not fit is the C function llroundl's answer on amd64.
	estimate := math.Round(float64(alpha*m*m) / z)
	if !(estimate < 1<<63) {
		return 1 << 63, nil
	}
	return uint64(estimate), nil
}

func hllSigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		last := z
		z += float64(x * y)
		y += y
		if z == last {
			return z
		}
	}
}

func hllTau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		last := z
		y *= 0.5
		square := float64((1 - x) * (1 - x))
		z -= float64(square * y)
		if z == last {
			return z / 3
		}
	}
}
