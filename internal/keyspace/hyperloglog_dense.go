package keyspace

// In a dense HyperLogLog, register n is the bits 6n to 6n+5, counted from the lowest bit of the first byte behind the header.

// dense returns a register of a dense HyperLogLog.
func (h hll) dense(register int) byte {
	at, shift := hllHeader+register*6/8, register*6%8
	rank := h[at] >> shift
	if shift > 2 {
		rank |= h[at+1] << (8 - shift)
	}
	return rank & 0x3f
}

// setDense raises a register of a dense HyperLogLog and reports whether it was lower.
func (h hll) setDense(register int, rank byte) bool {
	if rank <= h.dense(register) {
		return false
	}
	at, shift := hllHeader+register*6/8, register*6%8
	h[at] = h[at]&^(0x3f<<shift) | rank<<shift
	if shift > 2 {
		h[at+1] = h[at+1]&^(0x3f>>(8-shift)) | rank>>(8-shift)
	}
	return true
}

// toDense returns a dense copy of a sparse one, its estimate and its mark included.
func (h hll) toDense() (hll, error) {
	dense := make(hll, hllDenseSize)
	copy(dense, h[:hllHeader])
	dense[hllEncoding] = hllDense
	err := h.ranks(func(register, n int, rank byte) {
		for i := register; i < register+n; i++ {
			dense.setDense(i, rank)
		}
	})
	if err != nil {
		return nil, err
	}
	return dense, nil
}

// ranks calls visit for runs of equal registers, in order, and returns errFailed for a sparse one that has not as many as it should. Some that
// are zero may be left out.
func (h hll) ranks(visit func(register, n int, rank byte)) error {
	if h[hllEncoding] == hllSparse {
		return h.runs(visit)
	}
	for register := range hllRegisters {
		visit(register, 1, h.dense(register))
	}
	return nil
}
