package rdb_test

import (
	"encoding/binary"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// The builders below write the encodings that servers no longer write.

// aZiplist has strings and int64s as entries, stored as ziplist.c does.
func aZiplist(entries ...any) string {
	var b strings.Builder
	before, last := 0, 10
	for _, e := range entries {
		var entry string
		switch v := e.(type) {
		case string:
			entry = ziplistString(v)
		case int:
			entry = ziplistInt(int64(v))
		}
		last = 10 + b.Len()
		if before < 254 {
			entry = string([]byte{byte(before)}) + entry
		} else {
			entry = "\xfe" + le32(uint32(before)) + entry
		}
		b.WriteString(entry)
		before = len(entry)
	}
	return cat(le32(uint32(11+b.Len())), le32(uint32(last)), le16(len(entries)), b.String(), "\xff")
}

func ziplistString(v string) string {
	switch n := len(v); {
	case n < 1<<6:
		return string([]byte{byte(n)}) + v
	case n < 1<<14:
		return string([]byte{0x40 | byte(n>>8), byte(n)}) + v
	default:
		return "\x80" + string(binary.BigEndian.AppendUint32(nil, uint32(n))) + v
	}
}

func ziplistInt(v int64) string {
	le := le64(uint64(v))
	switch {
	case v >= 0 && v <= 12:
		return string([]byte{0xF1 + byte(v)})
	case v == int64(int8(v)):
		return "\xfe" + le[:1]
	case v == int64(int16(v)):
		return "\xc0" + le[:2]
	case v >= -1<<23 && v < 1<<23:
		return "\xf0" + le[:3]
	case v == int64(int32(v)):
		return "\xd0" + le[:4]
	default:
		return "\xe0" + le
	}
}

func le16(n int) string { return string(binary.LittleEndian.AppendUint16(nil, uint16(n))) }

// aZipmap has pairs of strings, each value with a byte to spare.
func aZipmap(pairs ...string) string {
	size := func(s string) string {
		if len(s) < 254 {
			return string([]byte{byte(len(s))})
		}
		return "\xfe" + le32(uint32(len(s)))
	}
	out := string([]byte{byte(min(len(pairs)/2, 254))})
	for i, s := range pairs {
		if out += size(s); i%2 == 1 {
			out += "\x01" + s + "?"
		} else {
			out += s
		}
	}
	return out + "\xff"
}

// aListpack has strings as entries.
func aListpack(entries ...string) string {
	l := rdb.NewListpack()
	for _, e := range entries {
		l = l.AppendString([]byte(e))
	}
	return string(l)
}

// long is a string that takes the longer heads of packed values.
var long = strings.Repeat("long", 100)

// old are values in encodings that only old servers write, and what is in them: as describe says it.
var old = []struct {
	code     rdb.Type
	body     string
	contents []string
}{
	{rdb.TypeList, num(3) + str("a") + "\xc0\x85" + str(""), []string{"a", "-123", ""}},
	{rdb.TypeListZiplist, str(aZiplist("a", "", long, 0, 12, 13, -1, 200, -200, 1<<20, -1<<30, 1<<40, -1<<63, strings.Repeat("x", 20_000), "z")), []string{
		"a", "", long, "0", "12", "13", "-1", "200", "-200", "1048576", "-1073741824", "1099511627776", "-9223372036854775808",
		strings.Repeat("x", 20_000), "z",
	}},
	{rdb.TypeListQuicklist, num(2) + str(aZiplist("a", 1)) + str(aZiplist(long)), []string{"a", "1", long}},
	{rdb.TypeZSet, num(4) + str("a") + "\x031.5" + str("b") + "\xfe" + str("c") + "\xff" + str("d") + "\x0417e3", []string{"a=1.5", "b=+Inf", "c=-Inf", "d=17000"}},
	{rdb.TypeZSetZiplist, str(aZiplist("a", 1, 77, "1.5", "c", "inf", "d", "-1e-300")), []string{"77=1.5", "a=1", "c=+Inf", "d=-1e-300"}},
	{rdb.TypeHashZipmap, str(aZipmap("a", "1", "b", long, long, "")), []string{"a=1", "b=" + long, long + "="}},
	{rdb.TypeHashZiplist, str(aZiplist("a", 1, 2, "b", long, "")), []string{"2=b", "a=1", long + "="}},
}
