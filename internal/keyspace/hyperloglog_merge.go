package keyspace

// PFMERGE destination [source ...]

func planPFMerge(args [][]byte, p *Plan) {
	p.add(args[1], Writes)
	for _, source := range args[2:] {
		p.add(source, Reads)
	}
}

// runPFMerge takes the highest of each register, those of the destination included. The result is dense if one of them is.
func runPFMerge(c *call) error {
	var ranks [hllRegisters]byte
	dense := false
	for _, key := range c.args[1:] {
		_, v, err := c.hllAt(key)
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		dense = dense || v.data[hllEncoding] == hllDense
		if err := hll(v.data).ranks(func(register, n int, rank byte) {
			for i := register; i < register+n; i++ {
				ranks[i] = max(ranks[i], rank)
			}
		}); err != nil {
			return err
		}
	}
	key := c.args[1]
	e, v, err := c.hllAt(key)
	if err != nil {
		return err
	}
	if e == nil {
		v = &stringValue{data: newHLL()}
	}
	h, err := hll(v.data).raise(&ranks, dense)
	if err != nil {
		return err
	}
	v.data = h
	if e == nil {
		c.put(key, v)
	} else {
		c.space.account(e, len(key))
	}
	return nil
}

// raise raises the registers one after the other, after making them dense if wanted, and returns what takes the place of h.
func (h hll) raise(ranks *[hllRegisters]byte, dense bool) (hll, error) {
	var err error
	if dense && h[hllEncoding] == hllSparse {
		if h, err = h.toDense(); err != nil {
			return nil, err
		}
	}
	for register, rank := range ranks {
		if rank == 0 {
			continue
		}
		if h, _, err = h.set(register, rank); err != nil {
			return nil, err
		}
	}
	h.invalidate()
	return h, nil
}
