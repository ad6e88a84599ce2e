package keyspace

import "slices"

// In a sparse HyperLogLog, the registers are runs:
//
//	00nnnnnn            n+1 zeros, up to 64
//	01nnnnnn nnnnnnnn   n+1 zeros, up to 16384
//	1vvvvvnn            n+1 registers of rank v+1, up to 4 of rank 32
const (
	hllMaxZeros       = 64
	hllMaxSparseRank  = 32
	hllMaxRun         = 4
	hllSparseMaxBytes = 3000 // hll-sparse-max-bytes: longer ones become dense. It is what the servers have where nobody set it.
)

// hllRun is one run of a sparse HyperLogLog.
type hllRun struct {
	bytes int  // it takes
	n     int  // registers that it covers
	rank  byte // of them
}

// run reads the run at byte at. A last byte that misses its second is read with a zero, as servers do, whose strings end so.
func (h hll) run(at int) hllRun {
	switch b := h[at]; {
	case b&0x80 != 0:
		return hllRun{bytes: 1, n: int(b&3) + 1, rank: b>>2&0x1f + 1}
	case b&0x40 == 0:
		return hllRun{bytes: 1, n: int(b) + 1}
	case at+1 < len(h):
		return hllRun{bytes: 2, n: int(b&0x3f)<<8 + int(h[at+1]) + 1}
	default:
		return hllRun{bytes: 1, n: int(b&0x3f)<<8 + 1}
	}
}

// appendZeros appends a run of n zeros; nothing if there are none.
func appendZeros(dst []byte, n int) []byte {
	switch {
	case n <= 0:
		return dst
	case n <= hllMaxZeros:
		return append(dst, byte(n-1))
	default:
		return append(dst, 0x40|byte((n-1)>>8), byte(n-1))
	}
}

// appendRun appends a run of n registers of a rank that is not 0; nothing if there are none.
func appendRun(dst []byte, rank byte, n int) []byte {
	if n <= 0 {
		return dst
	}
	return append(dst, runByte(rank, n))
}

func runByte(rank byte, n int) byte { return 0x80 | (rank-1)<<2 | byte(n-1) }

// runs calls visit for each run of registers that are not zero.
func (h hll) runs(visit func(register, n int, rank byte)) error {
	register := 0
	for at := hllHeader; at < len(h); {
		run := h.run(at)
		if register+run.n > hllRegisters {
			return errFailed
		}
		if run.rank > 0 {
			visit(register, run.n, run.rank)
		}
		register += run.n
		at += run.bytes
	}
	if register != hllRegisters {
		return errFailed
	}
	return nil
}

// setSparse raises a register of a sparse HyperLogLog and reports whether it was lower. It makes it dense where the rank is too high for a
// run, or the runs become too many (hyperloglog.c:hllSparseSet).
func (h hll) setSparse(register int, rank byte) (hll, bool, error) {
	if rank > hllMaxSparseRank {
		return h.promote(register, rank)
	}
	before, at, first := hllHeader, hllHeader, 0
	run := hllRun{}
	for at < len(h) {
		run = h.run(at)
		if register < first+run.n {
			break
		}
		before, at = at, at+run.bytes
		first += run.n
	}
	if at >= len(h) {
		return h, false, errFailed
	}
	if run.rank >= rank {
		return h, false, nil
	}
	var buf [5]byte
	runs := splitRun(buf[:0], run, register-first, rank)
	if more := len(runs) - run.bytes; more > 0 && len(h)+more > hllSparseMaxBytes {
		return h.promote(register, rank)
	}
	h = slices.Replace(h, at, at+run.bytes, runs...)
	h = h.join(before)
	h.invalidate()
	return h, true, nil
}

// splitRun appends what becomes of a run when its register at that index gets another rank.
func splitRun(dst []byte, run hllRun, index int, rank byte) []byte {
	rest := run.n - index - 1
	if run.rank == 0 {
		return appendZeros(appendRun(appendZeros(dst, index), rank, 1), rest)
	}
	return appendRun(appendRun(appendRun(dst, run.rank, index), rank, 1), run.rank, rest)
}

// join makes one run of neighbours of equal rank, from byte at on. It looks at 5 runs, as servers do: others stay apart, and the bytes show
// it.
func (h hll) join(at int) hll {
	for range 5 {
		if at >= len(h) {
			break
		}
		run := h.run(at)
		if run.rank > 0 && at+1 < len(h) {
			if next := h.run(at + 1); next.rank == run.rank && run.n+next.n <= hllMaxRun {
				h[at+1] = runByte(run.rank, run.n+next.n)
				h = slices.Delete(h, at, at+1)
				continue
			}
		}
		at += run.bytes
	}
	return h
}

// promote makes a sparse HyperLogLog dense because of a register that is raised.
func (h hll) promote(register int, rank byte) (hll, bool, error) {
	dense, err := h.toDense()
	if err != nil {
		return h, false, err
	}
	return dense, dense.setDense(register, rank), nil
}
