package rdb

import (
	"encoding/binary"
	"hash/crc64"
)

// dumpFooter is how long the version and the CRC64 at the end of a DUMP payload are.
const dumpFooter = 2 + trailerBytes

// ParseDump takes the payload of a DUMP or RESTORE apart: the type and the body of a value in format f, which is a part of payload. It
// refuses what a server of that format refuses before it looks into the body: a later version, a wrong CRC64 (cluster.c:verifyDumpPayload),
// a type that it does not have. Unlike in a file, a CRC64 of zero is not taken for none. Versions of other servers in between, which Valkey
// takes with rdb-version-check relaxed only, are taken. The error is a *CorruptError, or an *UnknownError for the version or the type.
func ParseDump(f Format, payload []byte) (Type, []byte, error) {
	d := dumpBody(f, payload)
	t := Type(d.byte())
	if d.err == nil && !t.knownIn(f.Dialect) {
		d.fail(&UnknownError{What: "type", Code: uint64(t)})
	}
	if d.err != nil {
		return 0, nil, d.err
	}
	return t, d.p[d.pos:], nil
}

// ParseFunctionDump returns the sources of the libraries that the payload of a FUNCTION DUMP or FUNCTION RESTORE in format f has. They
// are in fresh memory. Errors are as for ParseDump.
func ParseFunctionDump(f Format, payload []byte) ([][]byte, error) {
	d := dumpBody(f, payload)
	var sources [][]byte
	for d.left() > 0 {
		switch code := d.byte(); code {
		case opFunction2:
			var fresh []byte
			source := d.string(&fresh)
			if fresh == nil {
				source = append([]byte{}, source...)
			}
			sources = append(sources, source)
		case opFunctionPreGA:
			d.corrupt("function of a pre-release format")
		default:
			d.fail(&UnknownError{Offset: int64(d.pos - 1), What: "type or opcode", Code: uint64(code)})
		}
	}
	if d.err != nil {
		return nil, d.err
	}
	return sources, nil
}

// dumpBody returns what the payload has in front of its footer.
func dumpBody(f Format, payload []byte) body {
	d := body{p: payload, in: "dump"}
	if len(payload) < dumpFooter {
		d.next(dumpFooter)
		return d
	}
	end := len(payload) - dumpFooter
	version, sum := binary.LittleEndian.Uint16(payload[end:]), binary.LittleEndian.Uint64(payload[end+2:])
	switch {
	case int(version) > f.Version:
		d.fail(&UnknownError{Offset: int64(end), What: "version", Code: uint64(version)})
	case dumpSum(payload[:end+2]) != sum:
		d.pos = end + 2
		d.corrupt("wrong checksum")
	}
	d.p = payload[:end]
	return d
}

// AppendDump appends a DUMP payload of a value: type, body, version and CRC64.
func AppendDump(dst []byte, f Format, t Type, body []byte) []byte {
	start := len(dst)
	dst = append(append(dst, byte(t)), body...)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(f.Version))
	return binary.LittleEndian.AppendUint64(dst, dumpSum(dst[start:]))
}

// dumpSum returns the CRC64 of p. For a few bytes this is cheaper than the tables of crc; hash/crc64 inverts before and after.
func dumpSum(p []byte) uint64 { return ^crc64.Update(^uint64(0), crc64.MakeTable(jones), p) }
