package keyspace

// BITOP AND|OR|XOR|NOT destination source [source ...]

type bitOp uint8

const (
	bitUnknown bitOp = iota
	bitAnd
	bitOr
	bitXor
	bitNot
)

func parseBitOp(word []byte) bitOp {
	switch {
	case isWord(word, "AND"):
		return bitAnd
	case isWord(word, "OR"):
		return bitOr
	case isWord(word, "XOR"):
		return bitXor
	case isWord(word, "NOT"):
		return bitNot
	default:
		return bitUnknown
	}
}

// planBitOp carries operations that no server has yet that we know. That the destination is overwritten hangs on the sources: the server
// refuses the command if one is no string.
func planBitOp(args [][]byte, p *Plan) {
	if parseBitOp(args[1]) == bitUnknown {
		p.Effect = Carry
	}
	p.add(args[2], Writes)
	for _, source := range args[3:] {
		p.add(source, Reads)
	}
}

func runBitOp(c *call) error {
	op := parseBitOp(c.args[1])
	if op == bitUnknown {
		return &UnknownCommandError{Name: string(c.args[0])}
	}
	destination, sources := c.args[2], c.args[3:]
	if op == bitNot && len(sources) != 1 {
		return errFailed
	}
	longest := 0
	for _, source := range sources {
		_, v, err := c.stringAt(source)
		if err != nil {
			return err
		}
		if v != nil {
			longest = max(longest, v.length())
		}
	}
	if longest == 0 {
		c.remove(destination)
		return nil
	}
	if err := c.grow(int64(longest)); err != nil {
		return err
	}
	result := make([]byte, longest)
	for i, source := range sources {
		if err := c.combine(op, result, source, i == 0); err != nil {
			return err
		}
	}
	c.replace(destination, &stringValue{data: result})
	return nil
}

// combine puts a source into the result. A key that is not there, and what is behind a source's end, is zeros.
func (c *call) combine(op bitOp, result, source []byte, first bool) error {
	_, v, err := c.stringAt(source)
	if err != nil {
		return err
	}
	var text []byte
	var scratch [maxIntText]byte
	if v != nil {
		text = v.text(scratch[:])
	}
	switch {
	case first:
		copy(result, text)
		if op == bitNot {
			for i := range result {
				result[i] = ^result[i]
			}
		}
	case op == bitAnd:
		for i, b := range text {
			result[i] &= b
		}
		clear(result[len(text):])
	case op == bitOr:
		for i, b := range text {
			result[i] |= b
		}
	default:
		for i, b := range text {
			result[i] ^= b
		}
	}
	return nil
}
