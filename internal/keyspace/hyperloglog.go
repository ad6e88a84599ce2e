package keyspace

import (
	"bytes"
	"encoding/binary"
)

// A HyperLogLog is a string (hyperloglog.c): a header, and 16384 registers of 6 bits, dense or as runs.
//
//	+------+---+-----+----------+---------------+
//	| HYLL | E | 000 | estimate | registers     |   E: 0 dense, 1 sparse; estimate: u64 little endian, its
//	+------+---+-----+----------+---------------+   highest bit set if it is out of date
//
// All bytes are what the servers make of them, on all versions: the estimate too, as PFCOUNT leaves it in the value.
const (
	hllHeader    = 16
	hllEncoding  = 4
	hllEstimate  = 8
	hllStale     = 15 // the byte whose highest bit says that the estimate is out of date
	hllRegisters = 1 << hllIndexBits
	hllIndexBits = 14
	hllRankBits  = 64 - hllIndexBits
	hllDenseSize = hllHeader + hllRegisters*6/8
	hllMagic     = "HYLL"
)

const (
	hllDense byte = iota
	hllSparse
)

func hyperloglogCommands() []command {
	return []command{
		{name: "PFADD", arity: -2, plan: writes1, run: runPFAdd},
		{name: "PFCOUNT", arity: -2, plan: planPFCount, run: runPFCount},
		{name: "PFMERGE", arity: -2, plan: planPFMerge, run: runPFMerge},
		{name: "PFDEBUG", arity: 3, plan: planPFDebug, run: runPFDebug},
	}
}

// hll is the bytes of a HyperLogLog.
type hll []byte

// newHLL returns one without elements: sparse, one run of zeros.
func newHLL() hll {
	h := make(hll, hllHeader, hllHeader+16)
	copy(h, hllMagic)
	h[hllEncoding] = hllSparse
	return appendZeros(h, hllRegisters)
}

// hllAt returns the entry under key and the string in it, if that may be a HyperLogLog; nil if there is none
// (hyperloglog.c:isHLLObjectOrReply).
func (c *call) hllAt(key []byte) (*entry, *stringValue, error) {
	e, v, err := c.stringAt(key)
	if v == nil || err != nil {
		return nil, nil, err
	}
	if len(v.data) < hllHeader || !bytes.HasPrefix(v.data, []byte(hllMagic)) || v.data[hllEncoding] > hllSparse ||
		(v.data[hllEncoding] == hllDense && len(v.data) != hllDenseSize) {
		return nil, nil, errFailed
	}
	return e, v, nil
}

// invalidate marks the estimate as out of date.
func (h hll) invalidate() { h[hllStale] |= 0x80 }

// set raises a register to rank and reports whether it was lower. What it returns takes the place of h, also with an error, which says that the
// bytes are not all of a HyperLogLog.
func (h hll) set(register int, rank byte) (hll, bool, error) {
	if h[hllEncoding] == hllSparse {
		return h.setSparse(register, rank)
	}
	return h, h.setDense(register, rank), nil
}

func runPFAdd(c *call) error {
	key := c.args[1]
	e, v, err := c.hllAt(key)
	if err != nil {
		return err
	}
	if e == nil {
		h, _, err := newHLL().add(c.args[2:])
		h.invalidate()
		c.put(key, &stringValue{data: h})
		return err
	}
	h, changed, err := hll(v.data).add(c.args[2:])
	if changed {
		h.invalidate()
	}
	v.data = h
	c.space.account(e, len(key))
	return err
}

// add adds elements and reports whether that changed anything. Those before one that does not work stay added.
func (h hll) add(elements [][]byte) (_ hll, changed bool, err error) {
	for _, element := range elements {
		var raised bool
		if h, raised, err = h.set(hllHash(element)); err != nil {
			return h, changed, err
		}
		changed = changed || raised
	}
	return h, changed, nil
}

// planPFCount lets alone the union of several: its count is nowhere kept.
func planPFCount(args [][]byte, p *Plan) {
	if len(args) > 2 {
		p.Effect = Nothing
		return
	}
	p.add(args[1], Writes)
}

func runPFCount(c *call) error {
	_, v, err := c.hllAt(c.args[1])
	if v == nil || err != nil || len(c.args) > 2 || v.data[hllStale]&0x80 == 0 {
		return err
	}
	count, err := hll(v.data).count()
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint64(v.data[hllEstimate:], count)
	return nil
}

// PFDEBUG GETREG|DECODE|ENCODING|TODENSE key

func planPFDebug(args [][]byte, p *Plan) { p.add(args[2], Writes) }

func runPFDebug(c *call) error {
	e, v, err := c.hllAt(c.args[2])
	if err != nil {
		return err
	}
	if e == nil {
		return errFailed
	}
	sparse := v.data[hllEncoding] == hllSparse
	switch word := c.args[1]; {
	case isWord(word, "GETREG"), isWord(word, "TODENSE"):
		if !sparse {
			return nil
		}
		dense, err := hll(v.data).toDense()
		if err != nil {
			return err
		}
		v.data = dense
		c.space.account(e, len(c.args[2]))
		return nil
	case isWord(word, "ENCODING"):
		return nil
	case isWord(word, "DECODE") && sparse:
		return nil
	default:
		return errFailed
	}
}
