package keyspace

import (
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// words joins many words of a number.
func words(n int, word func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" " + word(i))
	}
	return b.String()
}

func TestSetCommands(t *testing.T) {
	t.Parallel()
	text := func(i int) string { return "member-" + strconv.Itoa(i) }
	for name, commands := range map[string][]string{
		"add":                 {"SADD k a b a", "sadd k c", `SADD k "" "\x00\xff" 1 01 -0 9223372036854775807 9223372036854775808`},
		"add integers":        {"SADD k 1 2 3 -9223372036854775808", "SADD k 70000 -70000", "SADD k x"},
		"add many integers":   {"SADD k" + words(513, strconv.Itoa), "SADD k 1 2", "SADD k x", "SREM k 5 x"},
		"add many":            {"SADD k" + words(129, text), "SADD k 1", "SREM k member-5 1"},
		"add long":            {"SADD k 1 2 3", "SADD k " + strings.Repeat("x", 64), "SADD k " + strings.Repeat("x", 65), "SREM k " + strings.Repeat("x", 65)},
		"add text to 200":     {"SADD k" + words(200, strconv.Itoa), "SADD k x"},
		"add odd":             {"SADD k", "SADD", "RPUSH l a", "SADD l a", "SREM l a"},
		"remove":              {"SADD k a b c 1 2", "SREM k a none", "SREM k 1 2", "SREM k b c none", "SADD k z", "SREM k z z"},
		"remove integers":     {"SADD k 1 2 3", "SREM k 01 x 2 100000", "SREM k 1 3"},
		"remove odd":          {"SREM none a", "SREM k"},
		"move":                {"SADD a 1 x y", "SADD b z", "SMOVE a b 1", "SMOVE a b x", "SMOVE a b none", "SMOVE a c y"},
		"move to itself":      {"SADD a 1", "SMOVE a a 1", "SMOVE a a 2"},
		"move what is there":  {"SADD a 1 2", "SADD b 1", "SMOVE a b 1"},
		"move keeps expiry":   {"SADD a 1 2", "PEXPIREAT a 4102444800000", "SADD b 3", "PEXPIREAT b 4102444800001", "SMOVE a b 1", "SMOVE a c 2"},
		"move odd":            {"SADD s a", "RPUSH l a", "SMOVE s l a", "SMOVE l s a", "SMOVE none l a", "SMOVE s l none", "SMOVE none s a", "SMOVE l none a"},
		"pop":                 {"SADD k a", "SPOP k", "SADD k a b", "SPOP k 2", "SADD k a b", "SPOP k 5", "SADD k a b", "SPOP k 0"},
		"pop odd":             {"SADD k a", "RPUSH l a", "SPOP l", "SPOP l 0", "SPOP k -1", "SPOP k x", "SPOP k 1 2", "SPOP none", "SPOP none 1", "SPOP none -1"},
		"intersect":           {"SADD a 1 2 3 x y", "SADD b 2 3 4 y z", "SADD c 3 y", "SINTERSTORE d a b", "SINTERSTORE d a b c", "SINTERSTORE e a", "SINTERSTORE d a none", "SINTERSTORE a a a"},
		"unite":               {"SADD a 1 2 3 x y", "SADD b 2 3 4 y z", "SUNIONSTORE d a b", "SUNIONSTORE d a none", "SUNIONSTORE a a b", "SUNIONSTORE a none none"},
		"subtract":            {"SADD a 1 2 3 x y", "SADD b 2 3 4 y z", "SADD c x", "SDIFFSTORE d a b", "SDIFFSTORE d a b c", "SDIFFSTORE d a none", "SDIFFSTORE e none a", "SDIFFSTORE d a a", "SDIFFSTORE a a b"},
		"store to nothing":    {"SADD a 1", "SADD b 2", "RPUSH d x", "SINTERSTORE d a b", "SET d x", "SDIFFSTORE d a a", "SET d x", "SUNIONSTORE d none"},
		"store drops expiry":  {"SADD a 1", "SADD d 2", "PEXPIREAT d 4102444800000", "SUNIONSTORE d a"},
		"store over others":   {"SADD a 1", "RPUSH d x", "SUNIONSTORE d a", "SET e x", "SINTERSTORE e a"},
		"store of no sets":    {"SADD a 1", "RPUSH l x", "SADD d z", "SINTERSTORE d a l", "SINTERSTORE d none l", "SUNIONSTORE d a l", "SDIFFSTORE d none l", "SDIFFSTORE d l", "SINTERSTORE d"},
		"store many":          {"SADD a" + words(600, strconv.Itoa), "SADD b" + words(300, text), "SADD c 1 2 599 member-5", "SUNIONSTORE d a b c", "SINTERSTORE e c d", "SDIFFSTORE f d a", "SDIFFSTORE g a b c"},
		"expiry stays":        {"SADD k a b", "PEXPIREAT k 4102444800000", "SADD k c", "SREM k a"},
		"source past its end": {"SADD a 1 2", "SADD b 2", "SUNIONSTORE a a b", "SINTERSTORE b a b"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestSetRandom(t *testing.T) {
	t.Parallel()
	member := rapid.OneOf(genWord(), genInt(), genBlob())
	key := []*rapid.Generator[string]{genKey()}
	members := []*rapid.Generator[string]{member}
	checkRandom(t, all, rapid.OneOf(
		genMany("SADD", key, members), genMany("SADD", key, members), genMany("SREM", key, members), genMany("SREM", key, members),
		genCommand("SMOVE", genKey(), genKey(), member), genCommand("SPOP", genKey(), rapid.SampledFrom([]string{"100", "0", "-1"})),
		genMany("SINTERSTORE", key, key), genMany("SUNIONSTORE", key, key), genMany("SDIFFSTORE", key, key),
		genCommand("RPUSH", genKey(), member),
	))
}
