package rdb

import (
	"encoding/binary"
	"hash"
	"hash/crc64"
)

// jones is the reflected polynomial of Redis' CRC64 (crc64.c) in the form that hash/crc64 takes.
const jones = 0x95ac9329ac4bc9b5

// crcStep is how many bytes a step of the CRC64 takes.
const crcStep = 16

// crc is the CRC64 of RDB files: polynomial Jones, initial value 0, no final xor. It takes 16 bytes at a time with
// as many tables. hash/crc64 takes 8 and builds the tables at every call, which is half as fast in blocks of
// 128 KiB, and many times slower in small ones.
type crc struct {
	tables *[crcStep]crc64.Table
	sum    uint64
}

var _ hash.Hash64 = (*crc)(nil)

// NewCRC64 returns a hash that computes the CRC64 of RDB files and of DUMP payloads; "123456789" gives e9c6d914c4b8d9ca. Sum
// appends it in little endian, as the trailer has it. It takes 32 KiB.
func NewCRC64() hash.Hash64 {
	c := newCRC()
	return &c
}

// newCRC builds the tables: tables[i][b] is what the byte b adds when i bytes follow it.
func newCRC() crc {
	tables := new([crcStep]crc64.Table)
	tables[0] = *crc64.MakeTable(jones)
	for b, sum := range tables[0] {
		for i := range crcStep - 1 {
			sum = tables[0][byte(sum)] ^ sum>>8
			tables[i+1][b] = sum
		}
	}
	return crc{tables: tables}
}

// Write adds p to the sum. It never fails.
func (c *crc) Write(p []byte) (int, error) {
	n, sum, t := len(p), c.sum, c.tables
	for ; len(p) >= crcStep; p = p[crcStep:] {
		a, b := sum^binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])
		// What waits for the step before is only a: its eight are summed as a tree, beside those of b.
		behind := ((t[7][byte(b)] ^ t[6][byte(b>>8)]) ^ (t[5][byte(b>>16)] ^ t[4][byte(b>>24)])) ^
			((t[3][byte(b>>32)] ^ t[2][byte(b>>40)]) ^ (t[1][byte(b>>48)] ^ t[0][byte(b>>56)]))
		low := (t[15][byte(a)] ^ t[14][byte(a>>8)]) ^ (t[13][byte(a>>16)] ^ t[12][byte(a>>24)])
		high := (t[11][byte(a>>32)] ^ t[10][byte(a>>40)]) ^ (t[9][byte(a>>48)] ^ t[8][byte(a>>56)])
		sum = behind ^ (low ^ high)
	}
	for _, b := range p {
		sum = t[0][byte(sum)^b] ^ sum>>8
	}
	c.sum = sum
	return n, nil
}

func (c *crc) Sum64() uint64       { return c.sum }
func (c *crc) Sum(b []byte) []byte { return binary.LittleEndian.AppendUint64(b, c.sum) }
func (c *crc) Reset()              { c.sum = 0 }
func (c *crc) Size() int           { return crc64.Size }
func (c *crc) BlockSize() int      { return 1 }
