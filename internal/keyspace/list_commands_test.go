package keyspace

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestListCommands(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"push":                  {"RPUSH k a b c", "LPUSH k d e", `RPUSH k "" "\x00\xff" 12 -7 007 9223372036854775807 9223372036854775808 "a"`},
		"push in any case":      {"rPuSh k a", "lpush k b"},
		"push too few":          {"RPUSH k", "LPUSH k", "RPUSHX k", "LPUSHX"},
		"push wrong type":       {"SADD k a", "RPUSH k a", "LPUSH k a", "RPUSHX k a", "LPUSHX k a"},
		"pushx":                 {"RPUSHX k a", "LPUSHX k a", "RPUSH k b", "RPUSHX k c d", "LPUSHX k e f"},
		"pop":                   {"RPUSH k a b c", "LPOP k", "RPOP k", "LPOP k", "RPOP k"},
		"pop count":             {"RPUSH k a b c d e f g h", "LPOP k 2", "RPOP k 3", "LPOP k 0", "RPOP k 0"},
		"pop all":               {"RPUSH k a b c", "LPOP k 3", "RPUSH k a b", "RPOP k 5", "RPUSH k a", "RPOP k 9223372036854775807"},
		"pop odd counts":        {"RPUSH k a b c", "LPOP k -1", "RPOP k x", "LPOP k 1 2", "RPOP k 9223372036854775808", `LPOP k ""`, "LPOP k 01", "LPOP none -1"},
		"pop nothing":           {"LPOP k", "RPOP k 3", "SADD s a", "LPOP s", "RPOP s 0", "LPOP s 1"},
		"insert":                {"RPUSH k a b a c", "LINSERT k BEFORE a x", "LINSERT k after a y", "LINSERT k AFTER c z", "LINSERT k before none z"},
		"insert number":         {"RPUSH k 1 10 010", "LINSERT k BEFORE 10 9", "LINSERT k AFTER 010 11", "LINSERT k BEFORE 1.0 x", `LINSERT k AFTER "1\x00" x`},
		"insert odd":            {"RPUSH k a", "LINSERT k BESIDE a x", `LINSERT k "before\x00x" a x`, "LINSERT none AFTER a b", "LINSERT none BESIDE a b", "SADD s a", "LINSERT s AFTER a b"},
		"set":                   {"RPUSH k a b c", "LSET k 0 x", "LSET k -1 12345", "LSET k 1 a-longer-element", "LSET k 2 s", `LSET k -3 ""`},
		"set outside":           {"RPUSH k a b c", "LSET k 3 x", "LSET k -4 x", "LSET k x x", "LSET k 2147483647 x", "LSET k -2147483648 x", "LSET none 0 x", "SADD s a", "LSET s 0 x"},
		"set far outside":       {"RPUSH k a b c", "LSET k 9223372036854775807 x", "LSET k -9223372036854775808 y", "LSET k 4294967297 z", "LSET k 2147483648 x"},
		"remove":                {"RPUSH k a b a c a b", "LREM k 1 a", "LREM k -1 b", "LREM k 0 a", "LREM k 0 none"},
		"remove all":            {"RPUSH k a a a", "LREM k 0 a", "RPUSH k a a a", "LREM k 5 a", "RPUSH k 7 7", "LREM k -2 7"},
		"remove from tail":      {"RPUSH k a b a c a b a", "LREM k -3 a"},
		"remove odd counts":     {"RPUSH k a b a", "LREM k x a", "LREM k -9223372036854775807 b", "LREM k 9223372036854775807 a", "LREM none 0 a", "SADD s a", "LREM s 0 a", "LREM none x a"},
		"trim":                  {"RPUSH k a b c d e f", "LTRIM k 1 -2", "LTRIM k 0 100", "LTRIM k -3 -2", "LTRIM k 1 1"},
		"trim to nothing":       {"RPUSH k a b c", "LTRIM k 3 5", "RPUSH k a b c", "LTRIM k 2 1", "RPUSH k a b c", "LTRIM k 0 -4"},
		"trim edges":            {"RPUSH k a b c", "LTRIM k -9223372036854775808 9223372036854775807", "LTRIM k x 1", "LTRIM k 1 x", "LTRIM none 0 x", "LTRIM none 0 1", "SADD s a", "LTRIM s 0 1", "LTRIM k -100 -3"},
		"move":                  {"RPUSH a 1 2 3", "RPUSH b x y z", "LMOVE a b LEFT RIGHT", "LMOVE a b right left", "RPOPLPUSH a b", "RPOPLPUSH a b"},
		"move to new":           {"RPUSH a 1 2 3", "LMOVE a b LEFT LEFT", "RPOPLPUSH a c"},
		"move to itself":        {"RPUSH a 1 2 3", "LMOVE a a LEFT RIGHT", "LMOVE a a LEFT LEFT", "LMOVE a a RIGHT RIGHT", "RPOPLPUSH a a", "RPUSH b 1", "RPOPLPUSH b b", "LMOVE b b LEFT LEFT"},
		"move keeps expiry":     {"RPUSH a 1 2", "PEXPIREAT a 4102444800000", "RPUSH b 1", "PEXPIREAT b 4102444800001", "RPOPLPUSH a b", "RPOPLPUSH a a", "RPOPLPUSH a c"},
		"move odd":              {"RPUSH a 1 2", "SADD s a", "LMOVE a b UP LEFT", "LMOVE a b LEFT x", "LMOVE none b LEFT LEFT", "LMOVE none s LEFT LEFT", "LMOVE a s LEFT LEFT", "LMOVE s a LEFT LEFT", "RPOPLPUSH a s", "RPOPLPUSH none s", "LMOVE none b x y"},
		"mpop":                  {"RPUSH a 1 2 3", "RPUSH b x y z", "LMPOP 3 none a b LEFT", "LMPOP 2 b a RIGHT COUNT 2", "lmpop 1 a left count 100", "LMPOP 1 a LEFT", "LMPOP 2 a b right"},
		"mpop odd":              {"RPUSH a 1 2 3", "SADD s a", "LMPOP 0 a LEFT", "LMPOP x a LEFT", "LMPOP 2 a LEFT", "LMPOP 3 a LEFT COUNT 1", "LMPOP 1 a UP", "LMPOP 1 a LEFT COUNT 0", "LMPOP 1 a LEFT COUNT", "LMPOP 1 a LEFT COUNT 1 COUNT 1", "LMPOP 1 a LEFT LIMIT 1", "LMPOP 2 s a LEFT", "LMPOP 2 none s LEFT", "LMPOP 2 a s LEFT", "LMPOP -1 a LEFT", "LMPOP 1 a LEFT COUNT x", "LMPOP 1 a LEFT COUNT -1"},
		"blocking":              {"RPUSH a 1 2 3 4 5 6 7 8 9", "BLPOP none a 0", "BRPOP a none 0.1", "BRPOPLPUSH a b 0", "BLMOVE a b LEFT RIGHT 1", "BLMPOP 0 2 none a LEFT COUNT 2", "BLMPOP 1e1 1 a RIGHT"},
		"blocking odd":          {"RPUSH a 1 2 3", "SADD s a", "BLPOP a -1", "BLPOP a x", `BLPOP a ""`, `BLPOP a " 1"`, "BLPOP a 1x", "BLPOP s a 0", "BLPOP a nan", "BLPOP a inf", "BRPOP a 1e300", "BRPOPLPUSH a s 0", "BRPOPLPUSH a b -0.5", "BLMOVE a b LEFT x 0", "BLMOVE a b LEFT RIGHT x", "BLMPOP x 1 a LEFT", "BLMPOP 0 0 a LEFT", "BLMPOP -1 1 a LEFT"},
		"blocking odd timeouts": {"RPUSH a 1 2 3 4 5 6 7 8 9", "BLPOP a 0x1", "BLPOP a -0.0001", "BLPOP a +1", "BLPOP a .5", "BLPOP a 5.", "BLPOP a 1e-400", "BLPOP a 9e15"},
		"blocking in MULTI":     {"RPUSH a 1 2 3", "BLPOP a 0"},
		"expiry stays":          {"RPUSH k a b c", "PEXPIREAT k 4102444800000", "LPUSH k x", "LPOP k", "LTRIM k 0 1", "LREM k 0 a", "LSET k 0 y"},
		"long elements": {
			"RPUSH k " + strings.Repeat("a", 100) + " " + strings.Repeat("b", 300) + " " + strings.Repeat("c", 9000) + " d", "LSET k 0 " + strings.Repeat("e", 20000),
			"LSET k 2 f", "LINSERT k BEFORE d " + strings.Repeat("g", 8192), "LREM k 1 " + strings.Repeat("b", 300),
		},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestListRandom(t *testing.T) {
	t.Parallel()
	word := rapid.OneOf(genWord(), genBlob(), rapid.Map(rapid.IntRange(60, 9000), func(n int) string { return strings.Repeat("w", n) }))
	end := rapid.SampledFrom([]string{"LEFT", "RIGHT", "left"})
	push := []*rapid.Generator[string]{word}
	key := []*rapid.Generator[string]{genKey()}
	checkRandom(t, all, rapid.OneOf(
		genMany("RPUSH", key, push), genMany("LPUSH", key, push), genMany("RPUSH", key, push), genMany("LPUSH", key, push),
		genMany("RPUSHX", key, push), genMany("LPUSHX", key, push),
		genCommand("LPOP", genKey()), genCommand("RPOP", genKey()), genCommand("LPOP", genKey(), genIndex()), genCommand("RPOP", genKey(), genInt()),
		genCommand("LINSERT", genKey(), rapid.SampledFrom([]string{"BEFORE", "AFTER"}), genWord(), word),
		genCommand("LSET", genKey(), genIndex(), word), genCommand("LREM", genKey(), genIndex(), genWord()),
		genCommand("LTRIM", genKey(), genIndex(), genIndex()), genCommand("LTRIM", genKey(), genInt(), genInt()),
		genCommand("LMOVE", genKey(), genKey(), end, end), genCommand("RPOPLPUSH", genKey(), genKey()),
		genCommand("LMPOP", rapid.Just("2"), genKey(), genKey(), end, rapid.Just("COUNT"), genIndex()),
		genCommand("SADD", genKey(), genWord()),
	))
}
