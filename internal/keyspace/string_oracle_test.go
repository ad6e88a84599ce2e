package keyspace

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// laterSeconds is a time to expire at in seconds, as later is in milliseconds.
const laterSeconds = "32999999999"

func TestSet(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"plain":                    {"SET k v", "SET k w", "set k 12", `SET k ""`, `SET "" x`},
		"binary":                   {`SET k "a\x00b\r\n\xff"`, `SET "\x00\xff" "\x00"`},
		"integers":                 {"SET a 0", "SET b -0", "SET c 007", "SET d 9223372036854775807", "SET e 9223372036854775808", "SET f -9223372036854775808", "SET g +5", `SET h " 5"`, "SET i -", "SET j 1.0", "SET k 12345678901234567890"},
		"clears the expiry":        {"SET k v PXAT " + later, "SET k w"},
		"keeps the expiry":         {"SET k v PXAT " + later, "SET k w KEEPTTL", "SET other x KEEPTTL"},
		"expiries":                 {"SET a v PXAT " + later, "SET b v EXAT " + laterSeconds, "SET a w exat " + laterSeconds, "SET c v pxat " + later + " PXAT 9999999999998"},
		"times that are refused":   {"SET k v", "SET k w PXAT 0", "SET k w PXAT -1", "SET k w EXAT 0", "SET k w EXAT 9223372036854775807", "SET k w EXAT 9223372036854776", "SET k w PXAT x", "SET k w PXAT", "SET k w PXAT 01", `SET k w PXAT ""`},
		"the last time counts":     {"SET k v PXAT x PXAT " + later, "SET k w PXAT " + later + " PXAT x"},
		"longest times":            {"SET k v PXAT 9223372036854775807", "SET l v EXAT 9223372036854775"},
		"options exclude":          {"SET k v", "SET k w NX XX", "SET k w XX NX", "SET k w KEEPTTL PXAT " + later, "SET k w PXAT " + later + " KEEPTTL", "SET k w EXAT 5 PXAT " + later, "SET k w NX NX", "SET k w XX XX", "SET k y KEEPTTL KEEPTTL"},
		"nx":                       {"SET k v NX", "SET k w NX", "SET l v NX PXAT " + later, "SET l w nx"},
		"xx":                       {"SET k v XX", "SET k v", "SET k w XX", "SET k x xx PXAT " + later, "SET k y XX KEEPTTL"},
		"get":                      {"SET k v GET", "SET k w GET GET", "SET k x XX GET PXAT " + later, "SET k y NX GET", "SET l v NX GET"},
		"get of another type":      {"HSET k f v", "SET k v GET", "SET k v NX GET", "SET k v XX", "SET k v GET"},
		"over other types":         {"HSET l f v", "SET l v", "HSET s f v", "PEXPIREAT s " + later, "SET s v KEEPTTL", "HSET h f v", "SET h 1 PXAT " + later, "HSET z f v", "SET z v NX"},
		"grows and shrinks":        {"SET k 0123456789abcdef0123456789abcdef", "SET k 0123456789abcdef0123456789abcde", "SET k x", "APPEND k y", "SETRANGE k 20 z", "SET k ab", "SETBIT k 100 1"},
		"words that end in a zero": {`SET k v "NX\x00"`, `SET k w "nx\x00tail"`, `SET k x "KEEPTTL\x00"`},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestSetIfEqual(t *testing.T) {
	t.Parallel()
	checkOn(t, having(testenv.SetIfEq),
		"SET k w IFEQ v", "SET k v", "SET k w IFEQ x", "SET k w IFEQ v", "SET k 7 ifeq w", "SET k 8 IFEQ 7 PXAT "+later, "SET k 9 IFEQ 8 KEEPTTL",
		"SET k x IFEQ 9 GET", "SET k y IFEQ 9 GET", "SET k z GET IFEQ x", "SET k v IFEQ", "SET k v NX IFEQ z", "SET k v IFEQ z NX", "SET k v XX IFEQ z",
		"SET k v IFEQ z XX", "SET k v IFEQ a IFEQ z", "HSET l f v", "SET l v IFEQ a", "SET l v IFEQ a GET", `SET e ""`, `SET e x IFEQ ""`, `SET missing x IFEQ ""`)
}

func TestSetFamily(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"setnx":      {"SETNX k v", "SETNX k w", "SET l v PXAT " + later, "SETNX l w", "HSET m f v", "SETNX m w", `SETNX e ""`},
		"getset":     {"GETSET k v", "GETSET k 5", "SET l v PXAT " + later, "GETSET l w", "HSET m f v", "GETSET m w"},
		"getdel":     {"GETDEL k", "SET k v", "GETDEL k", "HSET m f v", "GETDEL m", "SET n 1 PXAT " + later, "GETDEL n"},
		"mset":       {"MSET a 1 b x", "SET a v PXAT " + later, "MSET a 1 a 2 c", "MSET a 1 a 2", "HSET l f v", "MSET l 1 m 2", `MSET "" ""`},
		"msetnx":     {"MSETNX a 1 b x", "MSETNX c 1 b y", "MSETNX c 1 c 2", "MSETNX d 1 e", "HSET l f v", "MSETNX l 1 m 2"},
		"getex":      {"GETEX k", "SET k v", "GETEX k PXAT " + later, "GETEX k EXAT " + laterSeconds, "GETEX k", "GETEX k PERSIST", "GETEX k PERSIST", "HSET l f v", "GETEX l PERSIST", "GETEX l"},
		"getex fail": {"SET k v PXAT " + later, "GETEX k PXAT 0", "GETEX k PXAT x", "GETEX k EXAT 9223372036854776", "GETEX k PERSIST PXAT " + later, "GETEX k PXAT " + later + " PERSIST", "GETEX k PXAT"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestDelIfEqual(t *testing.T) {
	t.Parallel()
	checkOn(t, having(testenv.DelIfEq), "DELIFEQ k v", "SET k v", "DELIFEQ k w", "DELIFEQ k v", "SET k 12", "DELIFEQ k 012", "DELIFEQ k 12", "HSET l f v", "DELIFEQ l a", `SET e ""`, `DELIFEQ e ""`)
}

func TestMSetEx(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"plain":   {"MSETEX 2 a 1 b x", "MSETEX 1 a v PXAT " + later, "MSETEX 1 a w", "MSETEX 2 a 1 a 2 EXAT " + laterSeconds, "HSET l f v", "MSETEX 1 l v"},
		"keepttl": {"SET a v PXAT " + later, "MSETEX 2 a w b w KEEPTTL"},
		"nx xx":   {"MSETEX 2 a 1 b 2 XX", "MSETEX 1 a 1 NX", "MSETEX 2 a 2 b 2 NX", "MSETEX 2 a 2 b 2 XX", "MSETEX 1 b 2 NX PXAT " + later, "MSETEX 2 a 3 b 3 XX PXAT " + later, "MSETEX 2 a 4 b 4 XX KEEPTTL"},
		"refused": {"MSETEX 0 a 1", "MSETEX -1 a 1", "MSETEX x a 1", "MSETEX 2 a 1", "MSETEX 1 a 1 NX XX", "MSETEX 1 a 1 PXAT 0", "MSETEX 1 a 1 PXAT", "MSETEX 1 a 1 KEEPTTL PXAT " + later, "MSETEX 9223372036854775807 a 1"},
	} {
		t.Run(name, func(t *testing.T) { checkOn(t, having(testenv.MultiSetEx), commands...) })
	}
}

func TestStringEdits(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"append":            {`APPEND k ""`, "APPEND k a", "APPEND k bc", `APPEND k ""`, "SET n 12", "APPEND n 3", `APPEND n ""`, "INCR n", "APPEND n x", "INCR n", "HSET l f v", "APPEND l b", "SET e v PXAT " + later, "APPEND e w", `APPEND k "\x00\xff"`},
		"setrange":          {"SETRANGE k 0 abc", "SETRANGE k 1 X", "SETRANGE k 3 def", "SETRANGE k 10 z", "SET n 123", "SETRANGE n 1 9", "INCR n", "SETRANGE n 0 0", "INCR n", "SET e v PXAT " + later, "SETRANGE e 3 w"},
		"setrange nothing":  {`SETRANGE k 0 ""`, `SETRANGE k 10 ""`, "SET k v", `SETRANGE k 10 ""`, `SET n 1`, `SETRANGE n 5 ""`},
		"setrange of zeros": {`SETRANGE k 5 "\x00"`},
		"setrange refused":  {"SETRANGE k -1 x", "SETRANGE k x x", "SETRANGE k 9223372036854775808 x", "HSET l f v", "SETRANGE l 0 x", `SETRANGE l 0 ""`, `SETRANGE k -1 ""`},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestIncrement(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"from nothing":   {"INCR a", "DECR b", "INCRBY c 10", "DECRBY d 10", "INCRBY e -10", "INCRBY f 0", "INCRBY g 9223372036854775807", "INCRBY h -9223372036854775808"},
		"edges":          {"SET k 9223372036854775807", "INCR k", "INCRBY k 1", "DECRBY k -1", "DECR k", "INCR k", "SET k -9223372036854775808", "DECR k", "INCRBY k -1", "DECRBY k 1", "INCRBY k 9223372036854775807", "INCRBY k 9223372036854775807"},
		"decrby least":   {"DECRBY k -9223372036854775808", "SET k -1", "DECRBY k -9223372036854775808", "DECRBY k -9223372036854775807"},
		"not an integer": {"SET a x", "INCR a", `SET b ""`, "INCR b", "SET c 1.0", "INCR c", `SET d " 1"`, "INCR d", "SET e 01", "INCR e", "SET f 9223372036854775808", "INCR f", "SET g +1", "INCR g", "INCRBY h x", "INCRBY h 1.5", `INCRBY h ""`, "DECRBY h 9223372036854775808", "HSET l f v", "INCR l", "DECRBY l 1"},
		"from text":      {"SETRANGE k 0 41", "INCR k", "APPEND k 0", "INCR k", `SETBIT n 2 1`, "INCR n", `SET m "\x00"`, "INCR m"},
		"keeps expiry":   {"SET k 1 PXAT " + later, "INCR k", "DECRBY k 7", "SET l x PXAT " + later, "INCR l"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

// genString makes one of the string commands.
func genString() *rapid.Generator[[]string] {
	text := rapid.OneOf(genWord(), genBlob(), genInt())
	offset := rapid.Map(rapid.IntRange(-1, 300), strconv.Itoa)
	option := rapid.SampledFrom([]string{"NX", "xx", "GET", "KEEPTTL"})
	return rapid.OneOf(
		genCommand("SET", genKey(), text),
		genCommand("SET", genKey(), text, option),
		genCommand("SET", genKey(), text, option, option),
		genCommand("SET", genKey(), text, rapid.Just("PXAT"), rapid.Just(later)),
		genCommand("SETNX", genKey(), text),
		genCommand("GETSET", genKey(), text),
		genCommand("GETDEL", genKey()),
		genMany("MSET", nil, []*rapid.Generator[string]{genKey(), text}),
		genMany("MSETNX", nil, []*rapid.Generator[string]{genKey(), text}),
		genCommand("APPEND", genKey(), text),
		genCommand("SETRANGE", genKey(), offset, text),
		genCommand("INCR", genKey()),
		genCommand("DECRBY", genKey(), genInt()),
		genCommand("INCRBY", genKey(), genInt()),
		genCommand("SETBIT", genKey(), offset, rapid.SampledFrom([]string{"0", "1", "2"})),
	)
}

func TestStringsRandom(t *testing.T) { checkRandom(t, all, genString()) }
