package keyspace

// BITFIELD key [GET type offset | [OVERFLOW WRAP|SAT|FAIL] SET|INCRBY type offset value ...]

// planBitField carries subcommands that no server has yet that we know.
func planBitField(args [][]byte, p *Plan) {
	var op bitFieldOp
	if _, result := op.last(args[2:]); result == parsedUnknown {
		p.Effect = Carry
	}
	p.add(args[1], Writes)
}

// runBitField first makes the string as long as the furthest write needs, as the server does also where OVERFLOW FAIL then writes nothing.
func runBitField(c *call) error {
	var op bitFieldOp
	size, result := op.last(c.args[2:])
	switch result {
	case parsedWell:
	case parsedWrong:
		return errFailed
	case parsedUnknown:
		return &UnknownCommandError{Name: string(c.args[0])}
	}
	e, v, err := c.stringAt(c.args[1])
	if size == 0 || err != nil {
		return err
	}
	if v, err = c.stretch(c.args[1], e, v, size); err != nil {
		return err
	}
	op = bitFieldOp{}
	for rest := c.args[2:]; len(rest) > 0; {
		n, _ := op.parse(rest)
		rest = rest[n:]
		op.run(v.data)
	}
	return nil
}

// bitFieldKind is what a subcommand of BITFIELD does.
type bitFieldKind uint8

const (
	bitFieldNone bitFieldKind = iota // OVERFLOW, which is for those behind it
	bitFieldGet
	bitFieldSet
	bitFieldIncrBy
)

// bitFieldOp is one subcommand of BITFIELD.
type bitFieldOp struct {
	kind     bitFieldKind
	overflow bitOverflow
	signed   bool
	width    int   // in bits, 1 to 64
	at       int64 // the first bit
	value    int64 // to set, or to add
}

// last parses all subcommands and returns how long the string must be for those that write; 0 if there are none.
func (op *bitFieldOp) last(args [][]byte) (size int64, result parsed) {
	for len(args) > 0 {
		n, result := op.parse(args)
		if result != parsedWell {
			return 0, result
		}
		args = args[n:]
		if op.kind == bitFieldSet || op.kind == bitFieldIncrBy {
			size = max(size, (op.at+int64(op.width)-1)/8+1)
		}
	}
	return size, parsedWell
}

// parse reads the first subcommand and returns how many arguments it has.
func (op *bitFieldOp) parse(args [][]byte) (n int, result parsed) {
	switch word := args[0]; {
	case isWord(word, "GET"):
		op.kind, n = bitFieldGet, 3
	case isWord(word, "SET"):
		op.kind, n = bitFieldSet, 4
	case isWord(word, "INCRBY"):
		op.kind, n = bitFieldIncrBy, 4
	case isWord(word, "OVERFLOW"):
		op.kind, n = bitFieldNone, 2
	default:
		return 0, parsedUnknown
	}
	if len(args) < n {
		return 0, parsedWrong
	}
	if op.kind == bitFieldNone {
		op.overflow, result = parseOverflow(args[1])
		return n, result
	}
	ok := op.parseType(args[1]) && op.parseOffset(args[2])
	if n == 4 && ok {
		op.value, ok = parseInt(args[3])
	}
	return n, wrongIf(!ok)
}

// parseType reads a type: i1 to i64, u1 to u63.
func (op *bitFieldOp) parseType(arg []byte) bool {
	if len(arg) == 0 || (arg[0] != 'i' && arg[0] != 'u') {
		return false
	}
	op.signed = arg[0] == 'i'
	width, ok := parseInt(untilZero(arg[1:]))
	op.width = int(width)
	return ok && width >= 1 && (width <= 63 || (width == 64 && op.signed))
}

// parseOffset reads an offset in bits, or behind a # in widths. One that is past every string becomes maxBitOffset+1, which is too.
func (op *bitFieldOp) parseOffset(arg []byte) bool {
	unit := int64(1)
	if len(arg) > 0 && arg[0] == '#' {
		arg, unit = arg[1:], int64(op.width)
	}
	n, ok := parseInt(arg)
	op.at = min(n, maxBitOffset+1) * unit
	return ok && n >= 0
}

// run does what the subcommand does to the bits; the string is long enough.
func (op *bitFieldOp) run(data []byte) {
	if op.kind != bitFieldSet && op.kind != bitFieldIncrBy {
		return
	}
	if bits, ok := op.result(readBits(data, op.at, op.width)); ok {
		writeBits(data, op.at, op.width, bits)
	}
}

// result returns what the field is to be after it was old, and whether it is to be written.
func (op *bitFieldOp) result(old uint64) (bits uint64, ok bool) {
	if op.signed {
		shift := 64 - op.width
		from, by := int64(old<<shift)>>shift, op.value
		if op.kind == bitFieldSet {
			from, by = op.value, 0
		}
		sum, ok := op.overflow.addSigned(from, by, op.width)
		return uint64(sum), ok
	}
	if op.kind == bitFieldSet {
		return op.overflow.addUnsigned(uint64(op.value), 0, op.width)
	}
	return op.overflow.addUnsigned(old, op.value, op.width)
}
