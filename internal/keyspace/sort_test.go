package keyspace

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

func TestSort(t *testing.T) {
	weights := []string{"RPUSH l 1 2 3 4", "MSET w1 10 w2 5 w3 5", "MSET o1 one o2 two o3 7", "HSET h1 f x g 3", "HSET h2 f y g 1", "HSET h4 f z", "RPUSH h3 x"}
	for name, commands := range map[string][]string{
		"list":                   {"RPUSH l 3 1 2 10 -5 1", "SORT l STORE d", "sort l desc store e", "SORT l DESC ASC STORE f"},
		"list ALPHA":             {`RPUSH l b a B "" 10 9 "a\x00" "a\xff" aa a`, "SORT l ALPHA STORE d", "SORT l ALPHA DESC STORE e"},
		"list of texts":          {"RPUSH l 3 x 1", "RPUSH d old", "SORT l STORE d", "SORT l LIMIT 0 1 STORE d", "SORT l BY nosort STORE d"},
		"set":                    {"SADD s 3 1 2 10 -5", "SORT s STORE d", "SORT s DESC STORE e", "SADD t b a c 1", "SORT t ALPHA STORE f", "SORT t STORE g"},
		"zset":                   {"ZADD z 3 1 2 5 1 10 1 4", "SORT z STORE d", "SORT z DESC STORE e", "SORT z ALPHA STORE f"},
		"LIMIT":                  {"RPUSH l 5 4 3 2 1", "SORT l LIMIT 1 2 STORE a", "SORT l LIMIT -1 2 STORE b", "SORT l LIMIT 3 100 STORE c", "SORT l LIMIT 0 -1 STORE d", "SORT l LIMIT 2 -7 STORE e", "SORT l LIMIT 1 9223372036854775807 STORE f"},
		"LIMIT to nothing":       {"RPUSH l 5 4", "SET d old", "SORT l LIMIT 2 1 STORE d", "RPUSH d old", "SORT l LIMIT 0 0 STORE d", "SET d old", "SORT l LIMIT 9223372036854775807 1 STORE d"},
		"LIMIT odd":              {"RPUSH l 5 4", "SORT l LIMIT x 1 STORE d", "SORT l LIMIT 1 x STORE d", "SORT l STORE d LIMIT 1", "SORT l LIMIT 1 1.5 STORE d", "SORT l LIMIT 0 9223372036854775808 STORE d", "SORT l LIMIT 0 1 LIMIT 1 1 STORE d"},
		"nothing":                {"SET d old", "SORT none STORE d", "SORT none STORE e", "SORT none BY w* GET o* STORE e"},
		"wrong type":             {"SET str 1", "HSET hash f 1", "RPUSH d old", "SORT str STORE d", "SORT hash STORE d", "SORT str BY nosort STORE d"},
		"syntax":                 {"RPUSH l 1", "SORT l STORE", "SORT l BY", "SORT l STORE d GET", "SORT l UP STORE d", "SORT l STORE d x", "SORT l LIMIT 0 STORE d"},
		"odd words":              {"RPUSH l 2 1", `SORT l "desc\x00x" STORE d`, `SORT l "descx" STORE d`, "SORT l STORE d STORE e"},
		"into itself":            {"RPUSH l 3 1 2", "PEXPIREAT l 4102444800000", "SORT l STORE l", "SADD s 3 1 2", "SORT s STORE s"},
		"over others":            {"RPUSH l 3 1 2", "SET d old", "PEXPIREAT d 4102444800000", "SORT l STORE d", "HSET e f v", "SORT l STORE e"},
		"BY":                     append(slices.Clone(weights), "SORT l BY w* STORE d", "SORT l BY w* DESC STORE e", "SORT l BY w* ALPHA STORE f", "SORT l BY w* LIMIT 1 2 STORE g"),
		"BY of hashes":           append(slices.Clone(weights), "SORT l BY h*->g STORE d", "SORT l BY h*->f ALPHA STORE e", "SORT l BY h*->none STORE f", "SORT l BY h*->f STORE g"),
		"BY of other types":      append(slices.Clone(weights), "SORT l BY h* STORE d", "SORT l BY w*->f STORE e", "SORT l BY l* STORE f"),
		"BY that sorts not":      append(slices.Clone(weights), "RPUSH l b a", "SORT l BY nosort STORE d", "SORT l BY nosort DESC STORE e", "SORT l BY nosort DESC LIMIT 1 3 STORE f", "SORT l BY nosort LIMIT 4 9 STORE g", "SORT l BY nosort LIMIT 7 1 STORE g", "SORT l BY nosort GET o* GET # STORE i", `SORT l BY "" STORE j`, "SORT l BY # STORE j"),
		"BY twice":               append(slices.Clone(weights), "SORT l BY w* BY nosort STORE d", "SORT l BY nosort BY w* STORE e", "SORT l BY w* BY o* ALPHA STORE f"),
		"BY that sorts no set":   {"SADD s b a c 10 9", "SORT s BY nosort STORE d", "SORT s BY nosort DESC STORE e", "SORT s BY nosort LIMIT 1 2 STORE f", "SORT s BY nosort DESC LIMIT 1 2 GET # GET o* STORE g"},
		"BY that sorts no zset":  {"ZADD z 3 a 1 b 2 c 2 aa", "SORT z BY nosort STORE d", "SORT z BY nosort DESC STORE e", "SORT z BY nosort LIMIT 1 2 STORE f", "SORT z BY nosort DESC LIMIT 1 2 STORE g", "SORT z BY nosort LIMIT 4 1 STORE g"},
		"BY of no number":        {"RPUSH l 1 2", "MSET w1 x w2 3", "SORT l BY w* STORE d", "SORT l BY w* ALPHA STORE e"},
		"GET":                    append(slices.Clone(weights), "SORT l GET o* STORE d", "SORT l DESC GET # GET o* GET h*->f GET none STORE e", "SORT l LIMIT 1 2 GET o* GET o* STORE f", "SORT l GET none STORE g", "SORT l GET h* STORE i"),
		"GET into a source":      append(slices.Clone(weights), "SORT l GET o* STORE o1", "SORT l BY w* GET o* STORE w2", "SORT l GET # STORE l"),
		"patterns with two *":    {"RPUSH l a b", "MSET a*x 1 b*x 2 a*x*y 3 w*a 7", "SORT l ALPHA GET **x GET **x*y GET w** GET *w* STORE d"},
		"patterns with arrows":   {"RPUSH l a", "HSET ha f->g 1 -> 2 f 3", `HSET ha "" 4`, "SET ha-> 5", "SET ha->f 6", "HSET x->a f 7", "SORT l ALPHA GET h*->f->g GET h*->-> GET h*-> GET h*->f GET x->* GET x->*->f GET h->* STORE d"},
		"patterns with zero":     {"RPUSH l a", `SET "x\x00a" 1`, `SET "a\x00->f" 2`, `HSET a "f\x00g" 3`, `SORT l ALPHA GET "x\x00*" GET "*\x00->f" GET "*->f\x00g" GET "#\x00x" GET "*->\x00g" STORE d`, `SORT l BY "x\x00*" STORE e`},
		"patterns are keys":      {`RPUSH l "" a`, "MSET w 1 wa 2", "SORT l BY w* GET w* ALPHA STORE d", "SORT l ALPHA GET * STORE e"},
		"integers":               {"RPUSH l 1 2", "INCRBY w1 5", "SET w2 4", "INCRBY o1 9223372036854775807", "SORT l BY w* GET o* GET w* STORE d"},
		"no text":                {`RPUSH l "" 1 -1`, "SORT l STORE d", "SORT l ALPHA STORE e"},
		"large and small":        {"RPUSH l 9223372036854775807 9223372036854775806 -9223372036854775808 1e300 -1e300 0.1 1e-300 inf -inf Infinity 0", "SORT l STORE d", "SORT l DESC STORE e"},
		"equal numbers":          {"RPUSH l 1.0 1 1.00 1e0 10e-1", "SORT l STORE d", "SORT l DESC STORE e", "SORT l DESC LIMIT 1 3 STORE f"},
		"zero bytes in a number": {`RPUSH l "2\x00x" 1 3`, "SORT l STORE d"},
		"no client":              {"RPUSH l 2 1", "SORT l", "SORT l GET #", "SORT_RO l"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "no client" {
				commands = commands[:len(commands)-1]
			}
			check(t, commands...)
		})
	}
}

// Each server refuses some numbers of its own. Those that are out of range are not for Redis before 8 and Valkey before 8.1: once they saw one they
// refuse any number, as they do not reset errno. So no test that sorts by number runs beside others, which may send such a one to the same server.
func TestSortNumbers(t *testing.T) {
	for _, number := range []string{
		" 1", "1 ", "\t\n\v\f\r1", "+1", "+-1", "0x10", "0X1.8P1", "-0x1", "0x", "0xg", "0x.8", "0x1p", "1e", "1e+", "1e5", "1E5", "1e+5", ".", ".5", "5.", "-.5", "-", "+", "--1",
		"nan", "-nan", "nan(1)", "inf", "+inf", "INFINITY", "infin", "-inf", "infx", "1e308", "1e-307", "1_000", "1,5", "0b1", "0o7", "1x", "\x001", "1\x00", "0e-400", "0x1p-1074",
		"0000001", "1.7976931348623157e308", "2.2250738585072014e-308", "1d", "1f", "1e5.5", " ", "",
	} {
		checkArgs(t, all, sortNumber(number))
	}
	resets := func(f testenv.Family) bool {
		return f.AtLeast(testenv.Version{Major: 8}, testenv.Version{Major: 8, Minor: 1})
	}
	for _, number := range []string{
		"1e309", "-1e309", "1e-308", "1e-309", "1e-323", "1e-324", "1e-400", "-1e-400", "0x1p1024", "1e99999999999999999999", "0." + strings.Repeat("0", 400) + "1", strings.Repeat("9", 400),
		"1.7976931348623159e308", "4.9e-324",
	} {
		checkArgs(t, resets, sortNumber(number))
		_, ok := parseScoreByStrtod([]byte(number))
		require.False(t, ok, number)
	}
}

func sortNumber(number string) [][]string {
	return [][]string{{"RPUSH", "l", "2", number, "0.5", "-1", "1e200"}, {"SORT", "l", "STORE", "d"}}
}

func TestSortRandom(t *testing.T) {
	key := []*rapid.Generator[string]{genKey()}
	id := rapid.Map(rapid.IntRange(0, 12), strconv.Itoa)
	score := []*rapid.Generator[string]{genIndex(), id}
	pattern := rapid.SampledFrom([]string{"w*", "w*->f", "*", "none", "#", "x*", "w*->"})
	sorts := rapid.Custom(func(t *rapid.T) []string {
		command := []string{"SORT", genKey().Draw(t, "source")}
		option := func(words ...string) {
			if rapid.Bool().Draw(t, "option "+words[0]) {
				command = append(command, words...)
			}
		}
		option("BY", pattern.Draw(t, "by"))
		option("LIMIT", genIndex().Draw(t, "start"), genIndex().Draw(t, "count"))
		option("GET", pattern.Draw(t, "get"))
		option("GET", "#")
		option("DESC")
		if !slices.Contains(command, "BY") { // the order of equal weights of sets is a hash table's
			option("ALPHA")
		}
		return append(command, "STORE", genKey().Draw(t, "destination"))
	})
	checkRandom(t, all, rapid.OneOf(
		sorts, sorts, sorts,
		genMany("RPUSH", key, []*rapid.Generator[string]{id}), genMany("SADD", key, []*rapid.Generator[string]{id}), genMany("ZADD", key, score),
		genMany("RPUSH", key, []*rapid.Generator[string]{genWord()}),
		rapid.Map(id, func(id string) []string { return []string{"SET", "w" + id, strings.Repeat("1", len(id)+1) + id[:1]} }),
		rapid.Map(id, func(id string) []string { return []string{"HSET", "w" + id, "f", id + ".5"} }),
		genCommand("DEL", genKey()),
	))
}

// Elements whose weights are equal stay as they are in a list that is sorted as a whole; in a part of one they come as the servers' partial
// quicksort leaves them.
func TestSortEqualWeights(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.OneOf(rapid.IntRange(1, 12), rapid.IntRange(30, 200)).Draw(rt, "n")
		kinds := rapid.IntRange(1, 8).Draw(rt, "kinds")
		push := []string{"RPUSH", "l"}
		commands := [][]string{{"SET", "unused", "x"}}
		for i := range n {
			id := strconv.Itoa(i)
			push = append(push, id)
			if kind := rapid.IntRange(0, kinds).Draw(rt, "kind"); kind > 0 {
				commands = append(commands, []string{"SET", "w" + id, strconv.Itoa(kind)})
			}
		}
		direction := rapid.SampledFrom([]string{"ASC", "DESC"}).Draw(rt, "direction")
		start := rapid.IntRange(0, n).Draw(rt, "start")
		count := rapid.IntRange(0, n).Draw(rt, "count")
		limit := []string{"LIMIT", strconv.Itoa(start), strconv.Itoa(count)}
		commands = append(commands, push,
			[]string{"SORT", "l", "BY", "w*", "ALPHA", direction, "STORE", "whole"},
			append([]string{"SORT", "l", "BY", "w*", "ALPHA", direction, "STORE", "part"}, limit...))
		checkArgs(rt, all, commands)
	})
}

func TestSortPart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		scores := rapid.SliceOfN(rapid.IntRange(0, 50), 0, 300).Draw(rt, "scores")
		from := rapid.IntRange(0, len(scores)).Draw(rt, "from")
		to := rapid.IntRange(from, len(scores)).Draw(rt, "to")
		items := make([]sortItem, len(scores))
		for i, score := range scores {
			items[i].score = float64(score)
		}
		q := sortQuery{}
		sortPart(items, q.comparison(), from, to)
		slices.Sort(scores)
		for i := from; i < to; i++ {
			require.InDelta(rt, scores[i], items[i].score, 0)
		}
	})
}

func TestPlanOfSort(t *testing.T) {
	for command, want := range map[string]struct {
		effect Effect
		keys   []KeyUse
	}{
		"SORT l":                 {effect: Nothing},
		"SORT l GET x* BY y*":    {effect: Nothing},
		"SORT l STORE d":         {keys: []KeyUse{{Key: []byte("l")}, {Key: []byte("d"), Use: Writes}}},
		"SORT l STORE d STORE e": {keys: []KeyUse{{Key: []byte("l")}, {Key: []byte("e"), Use: Writes}}},
		"SORT l BY w*->f GET # GET x GET *y->z STORE d": {keys: []KeyUse{
			{Key: []byte("l")}, {Key: []byte("w*"), Pattern: true}, {Key: []byte("*y"), Pattern: true}, {Key: []byte("d"), Use: Writes},
		}},
		"SORT l BY w* BY nosort STORE d": {keys: []KeyUse{{Key: []byte("l")}, {Key: []byte("d"), Use: Writes}}},
		"SORT l STORE":                   {},
	} {
		for i := range want.keys {
			want.keys[i].DB = SelectedDB
		}
		var plan Plan
		NewTable().Plan(toArgs(strings.Fields(command)), &plan)
		require.Equal(t, want.effect, plan.Effect, command)
		require.Equal(t, want.keys, plan.Keys, command)
	}
}
