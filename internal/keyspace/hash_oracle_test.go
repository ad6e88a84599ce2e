package keyspace

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// soon is a time that tests do not reach, and latest the last one that Redis takes for a field.
const soon, latest = "8000000000000", "70368744177663"

func TestHashCommands(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"set":             {"HSET h a 1", "HSET h a 2 b 3", "HSET h c 1 c 2 a ''"},
		"set twice":       {"HSET h a 1 a 2 a 3"},
		"set odd":         {"HSET h a", "HSET h a 1 b", "HSET h", "HMSET h a 1 b"},
		"set binary":      {`HSET h "\x00" "\r\n\xff" "" "" "\xff\xfe" "\x00"`, `HSET h "" x`},
		"set numbers":     {"HSET h 1 2 -1 -2 007 08 9223372036854775807 -9223372036854775808 18446744073709551615 1e3"},
		"set old name":    {"HMSET h a 1 b 2", "hmset h a 3"},
		"set wrong type":  {"ZADD h 1 x", "HSET h a 1", "HMSET h a 1", "HSETNX h a 1", "HINCRBY h a 1", "HDEL h a"},
		"set long":        {"HSET h a " + strings.Repeat("x", 200), "HSET h a y", "HSET h a " + strings.Repeat("z", 40000), "HSET h b 1", "HSET h a y"},
		"set other db":    {"SELECT 3", "HSET h a 1", "SELECT 0", "HSET h a 2"},
		"setnx":           {"HSETNX h a 1", "HSETNX h a 2", "HSETNX h b ''", "HSETNX h a", "HSETNX h a 1 2"},
		"del":             {"HSET h a 1 b 2 c 3 d 4", "HDEL h b", "HDEL h d nope a", "HDEL h", "HDEL none a"},
		"del same":        {"HSET h a 1 b 2", "HDEL h a a a"},
		"del all":         {"HSET h a 1 b 2", "HDEL h b a c", "HSETNX h z 1"},
		"del all and set": {"HSET h a 1", "PEXPIREAT h " + soon, "HDEL h a", "HSET h a 2"},
		"key expiry":      {"HSET h a 1", "PEXPIREAT h " + soon, "HSET h b 2", "HINCRBY h a 1", "HDEL h b"},
		"incr":            {"HINCRBY h a 5", "HINCRBY h a -10", "HINCRBY h b 0", "HSET h c 1", "HINCRBY h c 9"},
		"incr edges": {
			"HINCRBY h a 9223372036854775807", "HINCRBY h a 1", "HINCRBY h a 0", "HINCRBY h a -9223372036854775808",
			"HINCRBY h a -9223372036854775807", "HINCRBY h a -1", "HINCRBY h b -9223372036854775808", "HINCRBY h b -1", "HINCRBY h b 9223372036854775807",
		},
		"incr by no number": {"HINCRBY h a x", "HINCRBY h a 1.5", "HINCRBY h a ''", "HINCRBY h a +1", "HINCRBY h a 01", "HINCRBY h a 9223372036854775808", "HINCRBY h a ' 1'", "HINCRBY h a"},
		"incr no number": {
			"HSET h a x b 1.5 c '' d 01 e +1 f ' 1' g 9223372036854775808 i -0 j 1e2 k -9223372036854775808", "HINCRBY h a 1", "HINCRBY h b 1", "HINCRBY h c 1",
			"HINCRBY h d 1", "HINCRBY h e 1", "HINCRBY h f 1", "HINCRBY h g 1", "HINCRBY h i 1", "HINCRBY h j 1", "HINCRBY h k 1",
		},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestLargeHash(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"at once":   {fillHash("h", 0, 600, 3)},
		"by one":    {fillHash("h", 0, 512, 3), "HSET h more 1", "HSET h f100 changed", "HDEL h f0 f511 more", "HINCRBY h f7 3"},
		"by bytes":  {fillHash("h", 0, 40, 700), fillHash("h", 20, 60, 900), "HDEL h f3"},
		"shrinking": {fillHash("h", 0, 2000, 2), clearHash("h", 0, 1990), "HSET h new 1", clearHash("h", 1990, 2000), "HDEL h new"},
		"by update": {fillHash("h", 0, 100, 3), "HSET h f50 " + strings.Repeat("y", 33000), "HINCRBY h f51 1", "HSET h f50 short"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
	t.Run("with expiry", func(t *testing.T) {
		checkOn(t, having(testenv.FieldTTL), fillHash("h", 0, 600, 3), "HPEXPIREAT h "+soon+" FIELDS 3 f1 f2 f599", "HPEXPIREAT h 8000000000001 FIELDS 1 f3",
			"HSET h f1 x", "HINCRBY h f2 1", "HPERSIST h FIELDS 2 f3 f4", "HDEL h f599", "HPEXPIREAT h 7999999999999 LT FIELDS 2 f2 f10", clearHash("h", 11, 600))
	})
	t.Run("with expiry before it grows", func(t *testing.T) {
		checkOn(t, having(testenv.FieldTTL), fillHash("h", 0, 100, 3), "HPEXPIREAT h "+soon+" FIELDS 3 f1 f2 f99", fillHash("h", 50, 700, 4))
	})
}

// fillHash is a command that sets fields, with values of that many bytes and more.
func fillHash(key string, from, to, size int) string {
	var b strings.Builder
	b.WriteString("HSET " + key)
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, " f%d %0*d", i, size, i)
	}
	return b.String()
}

// clearHash is a command that deletes fields.
func clearHash(key string, from, to int) string {
	var b strings.Builder
	b.WriteString("HDEL " + key)
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, " f%d", i)
	}
	return b.String()
}

func TestFieldExpiryCommands(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"set":              {"HSET h a 1 b 2 c 3", "HPEXPIREAT h " + soon + " FIELDS 2 a c", "HPEXPIREAT h 8000000000001 FIELDS 2 a nope"},
		"seconds":          {"HSET h a 1 b 2", "HEXPIREAT h 8000000000 FIELDS 1 a", "HEXPIREAT h 70368744177 FIELDS 1 b", "HEXPIREAT h -1 FIELDS 1 b"},
		"latest":           {"HSET h a 1 b 2", "HPEXPIREAT h " + latest + " FIELDS 1 a", "HPEXPIREAT h 4000000000000 FIELDS 1 b"},
		"no key":           {"HPEXPIREAT h " + soon + " FIELDS 1 a", "HPERSIST h FIELDS 1 a", "HPEXPIREAT h x FIELDS 1 a"},
		"wrong type":       {"ZADD h 1 x", "HPEXPIREAT h " + soon + " FIELDS 1 a"},
		"lower case":       {"HSET h a 1", "hpexpireat h " + soon + " nx fields 1 a", "hpersist h fields 1 a"},
		"time":             {"HSET h a 1", "HPEXPIREAT h -1 FIELDS 1 a", "HPEXPIREAT h x FIELDS 1 a", "HPEXPIREAT h 1.5 FIELDS 1 a", "HPEXPIREAT h '' FIELDS 1 a", "HPEXPIREAT h 9223372036854775808 FIELDS 1 a"},
		"numfields":        {"HSET h a 1 b 2", "HPEXPIREAT h " + soon + " FIELDS 0 a", "HPEXPIREAT h " + soon + " FIELDS 2 a", "HPEXPIREAT h " + soon + " FIELDS 1 a b", "HPEXPIREAT h " + soon + " FIELDS -1 a", "HPEXPIREAT h " + soon + " FIELDS 01 a", "HPEXPIREAT h " + soon + " FIELDS x a", "HPEXPIREAT h " + soon + " FIELDS 9223372036854775807 a"},
		"no word":          {"HSET h a 1 b 2", "HPEXPIREAT h " + soon + " FIELD 1 a", "HPEXPIREAT h " + soon + " 1 a b", "HPEXPIREAT h " + soon + " NX YY FIELDS 1 a", "HPEXPIREAT h " + soon + " FIELDS 1", "HPERSIST h x 1 a"},
		"fields as field":  {"HSET h FIELDS 1 NX 2", "HPEXPIREAT h " + soon + " FIELDS 2 FIELDS NX"},
		"nx":               {"HSET h a 1 b 2", "HPEXPIREAT h " + soon + " NX FIELDS 2 a nope", "HPEXPIREAT h 8000000000001 NX FIELDS 2 a b"},
		"xx":               {"HSET h a 1 b 2", "HPEXPIREAT h " + soon + " FIELDS 1 a", "HPEXPIREAT h 8000000000001 XX FIELDS 2 a b"},
		"gt":               {"HSET h a 1 b 2 c 3", "HPEXPIREAT h " + soon + " FIELDS 2 a c", "HPEXPIREAT h " + soon + " GT FIELDS 2 a b", "HPEXPIREAT h 8000000000001 GT FIELDS 2 a b", "HPEXPIREAT h 7999999999999 GT FIELDS 1 c"},
		"lt":               {"HSET h a 1 b 2 c 3", "HPEXPIREAT h " + soon + " FIELDS 2 a c", "HPEXPIREAT h " + soon + " LT FIELDS 2 a b", "HPEXPIREAT h 7999999999999 LT FIELDS 2 a b", "HPEXPIREAT h 8000000000001 LT FIELDS 1 c"},
		"field twice":      {"HSET h a 1", "HPEXPIREAT h " + soon + " NX FIELDS 2 a a", "HPEXPIREAT h 8000000000001 GT FIELDS 2 a a"},
		"persist":          {"HSET h a 1 b 2 c 3", "HPEXPIREAT h " + soon + " FIELDS 2 a b", "HPERSIST h FIELDS 3 a c nope", "HPERSIST h FIELDS 1 a"},
		"persist all":      {"HSET h a 1 b 2", "HPEXPIREAT h " + soon + " FIELDS 1 a", "HPERSIST h FIELDS 1 a", "HSET h c 1"},
		"persist wrong":    {"HSET h a 1", "HPERSIST h FIELDS 2 a", "HPERSIST h FIELDS 0 a", "HPERSIST h FIELDS 1 a b", "HPERSIST h FIELDS 1"},
		"set clears":       {"HSET h a 1 b 2", "HPEXPIREAT h " + soon + " FIELDS 2 a b", "HSET h a 1", "HMSET h b 1 c 2"},
		"setnx leaves":     {"HSET h a 1", "HPEXPIREAT h " + soon + " FIELDS 1 a", "HSETNX h a 2", "HSETNX h b 2"},
		"incr keeps":       {"HSET h a 1 b 99", "HPEXPIREAT h " + soon + " FIELDS 2 a b", "HINCRBY h a 5", "HINCRBY h b 1", "HINCRBY h a x"},
		"del":              {"HSET h a 1 b 2 c 3", "HPEXPIREAT h " + soon + " FIELDS 2 a b", "HDEL h a", "HDEL h b", "HSET h a 1"},
		"del last":         {"HSET h a 1", "HPEXPIREAT h " + soon + " FIELDS 1 a", "HDEL h a", "HSET h a 1"},
		"several times":    {"HSET h a 1 b 2 c 3 d 4", "HPEXPIREAT h 8000000000003 FIELDS 1 a", "HPEXPIREAT h 8000000000001 FIELDS 1 b", "HPEXPIREAT h 8000000070000 FIELDS 1 c"},
		"copy":             {"HSET h a 1 b 2", "HPEXPIREAT h " + soon + " FIELDS 1 a", "COPY h g", "HPERSIST h FIELDS 1 a", "HSET g b 3"},
		"rename":           {"HSET h a 1 b 2", "HPEXPIREAT h " + soon + " FIELDS 1 a", "RENAME h g", "HSET g b 3"},
		"key expires also": {"HSET h a 1 b 2", "HPEXPIREAT h " + soon + " FIELDS 1 a", "PEXPIREAT h 8100000000000", "HPERSIST h FIELDS 1 a"},
	} {
		t.Run(name, func(t *testing.T) { checkOn(t, having(testenv.FieldTTL), commands...) })
	}
}

func TestHSetEx(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"plain":        {"HSETEX h FIELDS 2 a 1 b 2", "HPEXPIREAT h " + soon + " FIELDS 1 a", "HSETEX h FIELDS 1 a 3"},
		"pxat":         {"HSETEX h PXAT " + soon + " FIELDS 2 a 1 b 2", "HSETEX h PXAT 8000000000001 FIELDS 2 a 3 c 4"},
		"exat":         {"HSETEX h EXAT 8000000000 FIELDS 2 a 1 b 2", "HSETEX h exat 8000000001 fields 1 b 2"},
		"keepttl":      {"HSETEX h PXAT " + soon + " FIELDS 2 a 1 b 2", "HSETEX h KEEPTTL FIELDS 3 a 3 c 4 b 222222"},
		"fnx":          {"HSETEX h FNX PXAT " + soon + " FIELDS 2 a 1 b 2", "HSETEX h FNX FIELDS 2 c 1 b 2", "HSETEX h PXAT " + soon + " FNX FIELDS 1 c 1", "HSETEX h FNX FIELDS 2 d 1 d 2"},
		"fxx":          {"HSETEX h FXX FIELDS 2 a 1 b 2", "HSET h a 1 b 2", "HSETEX h FXX FIELDS 2 a 1 c 2", "HSETEX h FXX PXAT " + soon + " FIELDS 2 a 3 b 4", "HSETEX h FXX KEEPTTL FIELDS 1 a 4"},
		"field twice":  {"HSETEX h PXAT " + soon + " FIELDS 3 a 1 b 2 a 3"},
		"no key fxx":   {"HSETEX h FXX PXAT " + soon + " FIELDS 1 a 1", "HSET h z 1"},
		"options":      {"HSETEX h FNX FXX FIELDS 1 a 1", "HSETEX h PXAT " + soon + " KEEPTTL FIELDS 1 a 1", "HSETEX h PERSIST FIELDS 1 a 1", "HSETEX h GET FIELDS 1 a 1", "HSETEX h YY FIELDS 1 a 1", "HSETEX h PXAT " + soon + " EXAT 1 FIELDS 1 a 1"},
		"times":        {"HSETEX h PXAT -1 FIELDS 1 a 1", "HSETEX h PXAT x FIELDS 1 a 1", "HSETEX h PXAT 9223372036854775808 FIELDS 1 a 1", "HSETEX h EXAT 9223372036854776 FIELDS 1 a 1", "HSETEX h PXAT FIELDS 1 a 1", "HSETEX h PXAT " + latest + " FIELDS 1 a 1"},
		"numfields":    {"HSETEX h FIELDS 0 a 1", "HSETEX h FIELDS 2 a 1", "HSETEX h FIELDS 1 a 1 b", "HSETEX h FIELDS 1 a 1 b 2", "HSETEX h FIELDS x a 1", "HSETEX h FIELDS -1 a 1", "HSETEX h FIELDS 01 a 1", "HSETEX h FIELDS 9223372036854775807 a 1", "HSETEX h FIELDS 4611686018427387905 a 1", "HSETEX h FIELDS 1 a 1 FNX 2"},
		"no fields":    {"HSETEX h FNX a 1 b 2", "HSETEX h a 1 b 2", "HSETEX h FNX FNX FNX PXAT " + soon},
		"wrong type":   {"ZADD h 1 x", "HSETEX h FIELDS 1 a 1", "HSETEX h FNX FIELDS 1 a 1"},
		"words inside": {"HSETEX h FIELDS 2 FIELDS FNX PX EX", "HSETEX h FNX FIELDS 1 EX 7"},
	} {
		t.Run(name, func(t *testing.T) { checkOn(t, having(testenv.HashSetEx), commands...) })
	}
}

func TestHGetEx(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"pxat":       {"HSET h a 1 b 2", "HGETEX h PXAT " + soon + " FIELDS 2 a nope", "HGETEX h pxat 8000000000001 fields 2 a b"},
		"exat":       {"HSET h a 1 b 2", "HGETEX h EXAT 8000000000 FIELDS 1 a"},
		"persist":    {"HSET h a 1 b 2", "HPEXPIREAT h " + soon + " FIELDS 1 a", "HGETEX h PERSIST FIELDS 3 a b nope"},
		"options":    {"HSET h a 1", "HGETEX h PXAT " + soon + " PERSIST FIELDS 1 a", "HGETEX h KEEPTTL FIELDS 1 a", "HGETEX h FNX FIELDS 1 a", "HGETEX h PXAT x FIELDS 1 a", "HGETEX h PXAT -1 FIELDS 1 a", "HGETEX h PXAT FIELDS 1 a"},
		"numfields":  {"HSET h a 1 b 2", "HGETEX h PERSIST FIELDS 0 a", "HGETEX h PERSIST FIELDS 2 a", "HGETEX h PERSIST FIELDS 1 a b", "HGETEX h PXAT " + soon + " FIELDS 1"},
		"no key":     {"HGETEX h PXAT " + soon + " FIELDS 1 a", "HGETEX h PERSIST FIELDS 1 a"},
		"wrong type": {"ZADD h 1 x", "HGETEX h PXAT " + soon + " FIELDS 1 a", "HGETEX h PERSIST FIELDS 1 a"},
	} {
		t.Run(name, func(t *testing.T) { checkOn(t, having(testenv.HashSetEx), commands...) })
	}
}

func TestHGetDel(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"some":       {"HSET h a 1 b 2 c 3", "HPEXPIREAT h " + soon + " FIELDS 1 a", "HGETDEL h FIELDS 2 a nope", "hgetdel h fields 2 b b"},
		"all":        {"HSET h a 1 b 2", "HGETDEL h FIELDS 3 b a a", "HGETDEL h FIELDS 1 a"},
		"numfields":  {"HSET h a 1 b 2", "HGETDEL h FIELDS 0 a", "HGETDEL h FIELDS 2 a", "HGETDEL h FIELDS 1 a b", "HGETDEL h FIELDS x a", "HGETDEL h YY 1 a", "HGETDEL h FIELDS 1"},
		"wrong type": {"ZADD h 1 x", "HGETDEL h FIELDS 1 a"},
	} {
		t.Run(name, func(t *testing.T) { checkOn(t, having(testenv.HashGetDel), commands...) })
	}
}

// TestHashDialects is what Redis 8.0 and Valkey 9.1 do differently with one command.
func TestHashDialects(t *testing.T) {
	t.Parallel()
	checkOn(t, having(testenv.HashSetEx),
		"HSETEX h XX FIELDS 1 a 1", "HSETEX h NX FIELDS 1 a 1", "HSETEX h NX FIELDS 1 a 2", "HSETEX h XX FIELDS 1 a 3", "HSETEX h XX FNX FIELDS 1 b 1", "HSETEX h NX XX FIELDS 1 a 1",
		"HSETEX h FNX FNX FIELDS 1 c 1", "HSETEX h PXAT "+soon+" PXAT 8000000000001 FIELDS 1 d 1", "HSETEX h KEEPTTL KEEPTTL FIELDS 1 d 2",
		"HPEXPIREAT h "+soon+" NX NX FIELDS 1 a", "HPEXPIREAT h 8000000000002 XX GT FIELDS 2 a b", "HPEXPIREAT h "+soon+" XX LT FIELDS 2 a b",
		"HPEXPIREAT h "+soon+" NX GT FIELDS 1 a", "HPEXPIREAT h "+soon+" GT LT FIELDS 1 a",
		"HPEXPIREAT h 70368744177664 FIELDS 1 a", "HEXPIREAT h 70368744178 FIELDS 1 b", "HPEXPIREAT h 9223372036854775807 FIELDS 1 d", "HSET h z 1",
		"HSETEX h PXAT 9223372036854775807 FIELDS 1 y 1", "HGETEX h PERSIST PERSIST FIELDS 1 a", "HEXPIREAT h 9223372036854775 FIELDS 1 z")
}

// genFields is "FIELDS n" and fields, now and then with a wrong count.
func genFields(each int) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string {
		n := rapid.IntRange(1, 4).Draw(t, "fields")
		count := n
		if rapid.IntRange(0, 20).Draw(t, "wrong") == 0 {
			count++
		}
		args := []string{"FIELDS", strconv.Itoa(count)}
		for range n * each {
			args = append(args, genWord().Draw(t, "field"))
		}
		return args
	})
}

func genTime() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{soon, "8000000000001", "7999999999999", latest, "-1", "x"})
}

func genHashCommand() *rapid.Generator[[]string] {
	pair := []*rapid.Generator[string]{genWord(), genWord()}
	key := []*rapid.Generator[string]{genKey()}
	return rapid.OneOf(
		genMany("HSET", key, pair), genMany("HMSET", key, pair), genMany("HSET", key, []*rapid.Generator[string]{genWord(), genBlob()}),
		genMany("HDEL", key, pair[:1]), genCommand("HSETNX", genKey(), genWord(), genWord()),
		genCommand("HINCRBY", genKey(), genWord(), genInt()), genCommand("HINCRBY", genKey(), genWord(), genInt()),
	)
}

func TestRandomHashCommands(t *testing.T) { checkRandom(t, all, genHashCommand()) }

// genOptions makes a command of a name, a key, options and fields.
func genOptions(name string, each int, options ...[]string) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string {
		command := []string{name, genKey().Draw(t, "key")}
		for _, word := range rapid.SampledFrom(options).Draw(t, "options") {
			if word == "time" {
				word = genTime().Draw(t, "time")
			}
			command = append(command, word)
		}
		return append(command, genFields(each).Draw(t, "fields")...)
	})
}

func TestRandomFieldExpiry(t *testing.T) {
	t.Parallel()
	none := []string{}
	checkRandom(t, having(testenv.HashSetEx), rapid.OneOf(
		genHashCommand(),
		genOptions("HPEXPIREAT", 1, []string{"time"}, []string{"time"}, []string{"time", "NX"}, []string{"time", "XX"}, []string{"time", "GT"}, []string{"time", "LT"}, []string{"time", "XX", "GT"}),
		genOptions("HPERSIST", 1, none),
		genOptions("HSETEX", 2, none, []string{"PXAT", "time"}, []string{"PXAT", "time", "FNX"}, []string{"FXX", "PXAT", "time"}, []string{"KEEPTTL"}, []string{"KEEPTTL", "FXX"}, []string{"FNX"}, []string{"NX"}, []string{"XX"}),
		genOptions("HGETEX", 1, []string{"PXAT", "time"}, []string{"PERSIST"}),
	))
}
