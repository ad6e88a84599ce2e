package keyspace

// bitmapCommands is the commands on strings as bits (bitops.c).
func bitmapCommands() []command {
	return []command{
		{name: "SETBIT", arity: 4, plan: writes1, run: runSetBit},
		{name: "BITOP", arity: -4, plan: planBitOp, run: runBitOp},
		{name: "BITFIELD", arity: -2, plan: planBitField, run: runBitField},
	}
}

// maxBitOffset is the last bit of the longest string.
const maxBitOffset = maxStringBytes*8 - 1

func runSetBit(c *call) error {
	key := c.args[1]
	at, ok := parseInt(c.args[2])
	bit, bitOK := parseInt(c.args[3])
	if !ok || at < 0 || !bitOK || bit&^1 != 0 {
		return errFailed
	}
	e, v, err := c.stringAt(key)
	if err != nil {
		return err
	}
	if at > maxBitOffset {
		return ErrTooBig
	}
	if v, err = c.stretch(key, e, v, at/8+1); err != nil {
		return err
	}
	mask := byte(0x80) >> (at % 8)
	v.data[at/8] &^= mask
	if bit == 1 {
		v.data[at/8] |= mask
	}
	return nil
}
