package rdb_test

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// The builders below write RDB bytes independently of the package's own constants.

func cat(parts ...string) string { return strings.Join(parts, "") }

// num writes a length in its shortest form.
func num(n uint64) string {
	switch {
	case n < 1<<6:
		return string([]byte{byte(n)})
	case n < 1<<14:
		return string([]byte{0x40 | byte(n>>8), byte(n)})
	case n <= math.MaxUint32:
		return "\x80" + string(binary.BigEndian.AppendUint32(nil, uint32(n)))
	default:
		return "\x81" + string(binary.BigEndian.AppendUint64(nil, n))
	}
}

func str(s string) string { return num(uint64(len(s))) + s }

func le32(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
func le64(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }

// sealed adds the end and the right CRC64 to header and items.
func sealed(body string) string {
	body += "\xff"
	crc := rdb.NewCRC64()
	_, _ = crc.Write([]byte(body))
	return string(crc.Sum([]byte(body)))
}

// unsealed adds the end and no CRC64, so that only the structure is checked.
func unsealed(body string) string { return body + "\xff" + strings.Repeat("\x00", 8) }

// emptyListpack, emptyZiplist and an intset of one.
var (
	emptyListpack = le32(7) + "\x00\x00\xff"
	emptyZiplist  = le32(11) + le32(10) + "\x00\x00\xff"
	intsetOfOne   = le32(2) + le32(1) + "\x07\x00"
)

// aStream is a stream value with a group and a consumer, in the three encodings.
func aStream(version int) string {
	s := cat(num(1), str(strings.Repeat("i", 16)), str(emptyListpack), num(3), num(1700000000000), num(5))
	if version >= 2 {
		s += cat(num(1), num(0), num(2), num(0), num(3))
	}
	s += cat(num(1), str("group"), num(1), num(2))
	if version >= 2 {
		s += num(math.MaxUint64) // entries read: unknown
	}
	s += cat(num(1), strings.Repeat("p", 16), le64(1700000000000), num(1))
	s += cat(num(1), str("consumer"), le64(1))
	if version >= 3 {
		s += le64(math.MaxUint64)
	}
	return s + cat(num(1), strings.Repeat("p", 16))
}

// values has a value of every type, with the code it has in the dialects where it is known.
var values = []struct {
	name          string
	code          rdb.Type
	body          string
	redis, valkey bool
}{
	{"string", 0, str("v"), true, true},
	{"string int8", 0, "\xc0\x85", true, true},
	{"string int16", 0, "\xc1\x00\x80", true, true},
	{"string int32", 0, "\xc2\x00\x00\x00\x80", true, true},
	{"string lzf", 0, "\xc3" + num(5) + num(40) + "\x00a\xe0\x1e\x00", true, true},
	{"string 14 bit", 0, str(strings.Repeat("x", 300)), true, true},
	{"string 32 bit", 0, str(strings.Repeat("x", 200_000)), true, true},
	{"string 32 bit of 1", 0, "\x80\x00\x00\x00\x01x", true, true},
	{"string 64 bit of 1", 0, "\x81\x00\x00\x00\x00\x00\x00\x00\x01x", true, true},
	{"list", 1, num(2) + str("a") + str("b"), true, true},
	{"set", 2, num(2) + str("a") + "\xc0\x01", true, true},
	{"zset", 3, num(4) + str("a") + "\x031.5" + str("b") + "\xfe" + str("c") + "\xff" + str("d") + "\x01" + "7", true, true},
	{"hash", 4, num(1) + str("f") + str("v"), true, true},
	{"zset-2", 5, num(2) + str("a") + le64(math.Float64bits(1.5)) + str("b") + le64(math.Float64bits(math.Inf(1))), true, true},
	{"module", 7, num(1<<60) + num(1) + num(7) + num(2) + num(8) + num(3) + "ffff" + num(4) + "dddddddd" + num(5) + str("s") + num(0), true, true},
	{"hash-zipmap", 9, str("\x00\xff"), true, true},
	{"list-ziplist", 10, str(emptyZiplist), true, true},
	{"set-intset", 11, str(intsetOfOne), true, true},
	{"zset-ziplist", 12, str(emptyZiplist), true, true},
	{"hash-ziplist", 13, str(emptyZiplist), true, true},
	{"list-quicklist", 14, num(2) + str(emptyZiplist) + str(emptyZiplist), true, true},
	{"stream", 15, aStream(1), true, true},
	{"hash-listpack", 16, str(emptyListpack), true, true},
	{"zset-listpack", 17, str(emptyListpack), true, true},
	{"list-quicklist-2", 18, num(2) + num(1) + str("plain") + num(2) + str(emptyListpack), true, true},
	{"stream-2", 19, aStream(2), true, true},
	{"set-listpack", 20, str(emptyListpack), true, true},
	{"stream-3", 21, aStream(3), true, true},
	{"hash-expiry", 22, num(1) + num(1700000000000) + str("f") + str("v"), true, false},
	{"hash-expiry", 22, num(1) + str("f") + str("v") + le64(math.MaxUint64), false, true},
	{"hash-listpack-expiry-pre", 23, str(emptyListpack), true, false},
	{"hash-metadata", 24, le64(1700000000000) + num(2) + num(0) + str("f") + str("v") + num(9) + str("g") + str("w"), true, false},
	{"hash-listpack-expiry", 25, le64(0) + str(emptyListpack), true, false},
}

// every is a file of the dialect with every type, opcode and attribute that it has.
func every(magic string, redis bool) string {
	var b strings.Builder
	b.WriteString(magic)
	b.WriteString("\xfa" + str("redis-ver") + str("7.4.1"))
	b.WriteString("\xfa" + str("redis-bits") + "\xc0\x40")
	b.WriteString("\xfa" + str("repl-stream-db") + "\xc0\x05")
	b.WriteString("\xfa" + str("repl-id") + str(strings.Repeat("ab", 20)))
	b.WriteString("\xfa" + str("repl-offset") + "\xc2" + le32(123456789))
	b.WriteString("\xfa" + str("lua") + str(strings.Repeat("x", 2000)))
	b.WriteString("\xf7" + num(1<<60) + num(2) + num(1) + num(1) + num(7) + num(0))
	b.WriteString("\xf5" + str("#!lua name=a"))
	b.WriteString("\xf5" + str("#!lua name=b"))
	if !redis {
		b.WriteString("\xf3" + str(strings.Repeat("j", 40)) + num(1) + num(7) + num(9))
	}
	b.WriteString("\xfe\x00\xfb" + num(9) + num(3))
	if redis {
		b.WriteString("\xf4" + num(16383) + num(5) + num(1))
	}
	b.WriteString("\xfd" + le32(1700000000) + "\x00" + str("seconds") + str("v"))
	b.WriteString("\xfc" + le64(1700000000123) + "\xf9\x63\x00" + str("lfu") + str("v"))
	b.WriteString("\xf8" + num(70000) + "\x00" + str("lru") + str("v"))
	b.WriteString("\xfe" + num(300) + "\xfb" + num(1) + num(0))
	for _, v := range values {
		if redis && v.redis || !redis && v.valkey {
			b.WriteString(string([]byte{byte(v.code)}) + str("key of "+v.name) + v.body)
		}
	}
	return b.String()
}
