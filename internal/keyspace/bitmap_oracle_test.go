package keyspace

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

func TestSetBit(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"sets and clears": {"SETBIT k 0 1", "SETBIT k 7 1", "SETBIT k 8 0", "SETBIT k 0 0", "SETBIT k 100 1", "SETBIT k 100 0", "SETBIT k 101 0"},
		"clear makes":     {"SETBIT k 0 0", "SETBIT l 1000 0"},
		"of an integer":   {"SET k 1", "SETBIT k 7 0", "INCR k", "SETBIT k 100 1", "SET e v PXAT " + later, "SETBIT e 50 1"},
		"refused":         {"SETBIT k -1 1", "SETBIT k 0 2", "SETBIT k 0 -1", "SETBIT k x 1", "SETBIT k 0 x", "SETBIT k #1 1", "HSET l f v", "SETBIT l 0 1", "SETBIT k 9223372036854775808 1"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestBitOp(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"two sources":      {`SET a "\x0f\xf0\xaa"`, `SET b "\x3c\xc3\x55"`, "BITOP AND and a b", "BITOP or or a b", "BITOP Xor xor a b", "BITOP NOT not a"},
		"unequal lengths":  {`SET a "\xff\xff\xff\xff"`, `SET b "\x81"`, "BITOP AND x a b", "BITOP AND y b a", "BITOP OR z b a", "BITOP XOR w a b", "BITOP XOR v b a", "BITOP OR u b b"},
		"missing":          {`SET a "\xff\x00"`, "BITOP AND x a no", "BITOP AND y no a", "BITOP OR z no a", "BITOP XOR w no no2 a", "BITOP NOT v no", "BITOP OR u no no2"},
		"to nothing":       {"SET d v", "BITOP OR d no", `SET e ""`, "SET d v PXAT " + later, "BITOP AND d e no", "BITOP NOT d2 e", "HSET l f v", "BITOP NOT l e"},
		"integers":         {"SET a 12345", "SET b abcdefgh", "BITOP AND x a b", "BITOP OR y a b", "BITOP XOR z a a", "BITOP NOT n a"},
		"onto itself":      {"SET a abc", "SET b xyzw PXAT " + later, "BITOP AND a a b", "BITOP XOR b a b", "BITOP NOT b b", "BITOP XOR a a a"},
		"one source":       {"SET a abc", "BITOP AND x a", "BITOP OR y a", "BITOP XOR z a"},
		"other types":      {"HSET l f v", "SET a v", "BITOP AND d a l", "BITOP AND d l a", "BITOP NOT d l", "BITOP OR l a", "SET e 1 PXAT " + later, "BITOP OR e a", "BITOP NOT d a a"},
		"long":             {"SETBIT a 4000 1", "SETBIT b 3999 1", "SETBIT c 9000 1", "SETBIT c 3999 1", "BITOP AND x a b c", "BITOP OR y a b c", "BITOP XOR z a b c", "BITOP NOT n c", "BITOP AND x n b", "BITOP AND many a b c a b c a b c a b c a b c n n n"},
		"an integer comes": {"SET a 10", "BITOP OR x a", "INCR x", `SET zero ""`, "BITOP OR y x zero", "INCRBY y 5"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestBitField(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"set":           {"BITFIELD k SET u8 0 255 SET i5 3 -7 SET u63 9 9223372036854775807 SET i64 100 -1 SET u1 0 1", "bitfield k set U8 0 1", "BITFIELD k SET u8 #3 7 SET i16 #2 -2 GET u8 #3"},
		"get":           {"BITFIELD k GET u8 0", "BITFIELD k", "SET k abc", "BITFIELD k GET u8 0 GET i64 100", "BITFIELD k", "HSET l f v", "BITFIELD l GET u8 0"},
		"wrap":          {"BITFIELD k INCRBY u8 0 255 INCRBY u8 0 10", "BITFIELD k INCRBY u8 0 -20", "BITFIELD k INCRBY i8 8 100 INCRBY i8 8 100 INCRBY i8 8 -200 INCRBY i8 8 -200", "BITFIELD k SET u4 16 -1 SET i4 20 100 SET u4 24 9223372036854775807 SET i4 28 -9223372036854775808"},
		"sat":           {"BITFIELD k OVERFLOW SAT INCRBY u8 0 300 INCRBY i8 8 300 INCRBY i8 16 -300 INCRBY u8 24 -1", "BITFIELD k OVERFLOW SAT SET u4 32 -1 SET u4 36 16 SET i4 40 8 SET i4 44 -9", "BITFIELD k OVERFLOW sat SET u63 64 -1 OVERFLOW WRAP INCRBY u63 64 1"},
		"fail":          {"BITFIELD k OVERFLOW FAIL INCRBY u8 0 300", "BITFIELD l OVERFLOW FAIL SET u8 100 256 OVERFLOW WRAP INCRBY u2 0 1", "BITFIELD k OVERFLOW FAIL INCRBY i8 8 127 INCRBY i8 8 1 INCRBY i8 8 -1 INCRBY i8 8 -255"},
		"edges of i64":  {"BITFIELD k SET i64 0 9223372036854775807 INCRBY i64 0 1", "BITFIELD k OVERFLOW SAT INCRBY i64 0 -1 INCRBY i64 0 -1", "BITFIELD k OVERFLOW FAIL INCRBY i64 0 9223372036854775807 INCRBY i64 0 9223372036854775807 INCRBY i64 0 9223372036854775807", "BITFIELD k INCRBY i64 3 -9223372036854775808 INCRBY i64 3 -9223372036854775808"},
		"edges of u63":  {"BITFIELD k SET u63 1 9223372036854775807 INCRBY u63 1 1 INCRBY u63 1 -1", "BITFIELD k OVERFLOW SAT INCRBY u63 1 1 INCRBY u63 1 -9223372036854775808", "BITFIELD k OVERFLOW FAIL INCRBY u63 1 -1 INCRBY u63 1 9223372036854775807 INCRBY u63 1 9223372036854775807"},
		"narrow":        {"BITFIELD k SET i1 0 -1 INCRBY i1 0 1 INCRBY i1 0 1 SET u1 1 3", "BITFIELD k OVERFLOW SAT INCRBY i1 2 1 INCRBY i1 2 -1 INCRBY i1 2 -1", "BITFIELD k OVERFLOW FAIL INCRBY i1 3 1 INCRBY i1 3 -2 INCRBY i1 3 -1"},
		"of an integer": {"SET k 100", "BITFIELD k INCRBY u8 0 1", "INCR k", "SET e 5 PXAT " + later, "BITFIELD e SET u8 50 9"},
		"refused": {
			"BITFIELD k SET u64 0 1", "BITFIELD k SET i65 0 1", "BITFIELD k SET u0 0 1", "BITFIELD k SET i-1 0 1", "BITFIELD k SET x8 0 1", "BITFIELD k SET u 0 1", `BITFIELD k SET "" 0 1`, "BITFIELD k SET u08 0 1",
			"BITFIELD k SET u8 -1 1", "BITFIELD k SET u8 x 1", "BITFIELD k SET u8 # 1", "BITFIELD k SET u8 #-1 1", `BITFIELD k SET u8 "" 1`, "BITFIELD k SET u8 0 x", "BITFIELD k SET u8 0", "BITFIELD k GET u8", "BITFIELD k OVERFLOW",
			"BITFIELD k SET u8 0 1 SET u8 8", "HSET l f v", "BITFIELD l SET u8 0 1",
		},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

// TestBitFieldTypeUntilZero is for what Valkey 9 refuses and the others take.
func TestBitFieldTypeUntilZero(t *testing.T) {
	t.Parallel()
	checkOn(t, lacking(testenv.DelIfEq), `BITFIELD k SET "u8\x00junk" 0 7`)
}

// genBitField makes a BITFIELD of several subcommands.
func genBitField() *rapid.Generator[[]string] {
	typ := rapid.Custom(func(t *rapid.T) string {
		if rapid.Bool().Draw(t, "signed") {
			return "i" + strconv.Itoa(rapid.IntRange(1, 64).Draw(t, "width"))
		}
		return "u" + strconv.Itoa(rapid.IntRange(1, 63).Draw(t, "width"))
	})
	offset := rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"", "#"}).Draw(t, "unit") + strconv.Itoa(rapid.IntRange(0, 40).Draw(t, "offset"))
	})
	number := rapid.OneOf(
		rapid.Map(rapid.IntRange(-300, 300), strconv.Itoa),
		rapid.Map(rapid.Int64(), func(n int64) string { return strconv.FormatInt(n, 10) }),
		rapid.SampledFrom([]string{"9223372036854775807", "-9223372036854775808"}),
	)
	overflow := rapid.SampledFrom([]string{"WRAP", "SAT", "FAIL"})
	group := []*rapid.Generator[string]{rapid.Just("OVERFLOW"), overflow, rapid.SampledFrom([]string{"SET", "INCRBY"}), typ, offset, number}
	return genMany("BITFIELD", []*rapid.Generator[string]{genKey()}, group)
}

func genBitOp() *rapid.Generator[[]string] {
	op := rapid.SampledFrom([]string{"AND", "OR", "XOR", "NOT"})
	return rapid.OneOf(genCommand("BITOP", op, genKey(), genKey()), genCommand("BITOP", op, genKey(), genKey(), genKey(), genKey()))
}

func TestBitsRandom(t *testing.T) {
	t.Parallel()
	checkRandom(t, all, rapid.OneOf(genBitField(), genBitOp(), genString()))
}
