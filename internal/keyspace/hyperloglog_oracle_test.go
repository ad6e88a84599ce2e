package keyspace

import (
	"fmt"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestPFAdd(t *testing.T) {
	for name, commands := range map[string][]string{
		"sparse":        {"PFADD k", "PFADD k", "PFADD k a", "PFADD k a", "PFADD k b c d", `PFADD l "" "\x00" 1 12345678 123456789`, "PFADD m a a a"},
		"refused":       {"SET a x", "PFADD a x", `SET b ""`, "PFADD b", "SET c 12345678901234567", "PFADD c x", "HSET l f v", "PFADD l a", "SET d HYLLxxxxxxxxxxxxxxxx", "PFADD d a", `SET e "HYLL\x00xxxxxxxxxxxxxxxx"`, "PFADD e a", `SET f HYLL`, "PFADD f"},
		"keeps expiry":  {"PFADD k a", "PEXPIREAT k " + later, "PFADD k b"},
		"corrupt":       {`SET a "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"`, "PFADD a x", "PFADD a", "PFCOUNT a", `SET b "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f"`, "PFCOUNT b", `SET c "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x40\x00"`, "PFADD c a b c d e f g", "PFCOUNT c", "PFDEBUG TODENSE c", "PFMERGE d c"},
		"a foreign one": {`SET a "HYLL\x01\x01\x02\x03\x00\x00\x00\x00\x00\x00\x00\x80\x40\x00\x00\x7f\xfd"`, "PFADD a a b c", "PFCOUNT a", "PFDEBUG TODENSE a"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

// elements makes a command that adds n elements.
func elements(name, key, prefix string, from, n int) []string {
	command := []string{name, key}
	for i := range n {
		command = append(command, prefix+strconv.Itoa(from+i))
	}
	return command
}

func TestHyperLogLogGrows(t *testing.T) {
	for _, step := range []int{1, 7, 100, 5000} {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			var commands [][]string
			for n := 0; n < 20_000 && len(commands) < 1000; n += step {
				commands = append(commands, elements("PFADD", "k", "element:", n, step))
				if step < 10 && len(commands)%50 == 0 || step > 10 {
					commands = append(commands, []string{"PFCOUNT", "k"}, []string{"PFCOUNT", "k"})
				}
			}
			checkArgs(t, all, commands)
		})
	}
}

// TestHyperLogLogPromotes stops around where the sparse form ends.
func TestHyperLogLogPromotes(t *testing.T) {
	for n := 1200; n < 2400; n += 37 {
		checkArgs(t, all, [][]string{elements("PFADD", "k", "x", 0, n), {"PFCOUNT", "k"}, {"PFDEBUG", "ENCODING", "k"}})
	}
}

// rankOver33 has a rank that no run can hold, so that a sparse HyperLogLog becomes dense for it alone.
func rankOver33(t *testing.T) string {
	t.Helper()
	for i := range 1 << 40 {
		element := []byte("r" + strconv.Itoa(i))
		if _, rank := hllHash(element); rank > 20 {
			return string(element)
		}
	}
	t.Fatal("no element")
	return ""
}

func TestPFMerge(t *testing.T) {
	small, other, big := elements("PFADD", "small", "s", 0, 30), elements("PFADD", "other", "o", 0, 300), elements("PFADD", "big", "b", 0, 9000)
	for name, commands := range map[string][]string{
		"nothing":        {"PFMERGE d", "PFMERGE d", "PFMERGE e no no2"},
		"sparse":         {"PFMERGE d small", "PFMERGE d other small", "PFCOUNT d", "PFMERGE d", "PFMERGE small small"},
		"dense":          {"PFMERGE d big", "PFMERGE e small big", "PFCOUNT e", "PFMERGE small big", "PFMERGE big small other"},
		"to itself":      {"PFCOUNT big", "PFMERGE big", "PFCOUNT other", "PFMERGE other"},
		"keeps expiry":   {"PEXPIREAT small " + later, "PFMERGE small other"},
		"after todense":  {"PFCOUNT small", "PFDEBUG TODENSE small", "PFDEBUG TODENSE small", "PFMERGE d small", "PFDEBUG GETREG other", "PFDEBUG DECODE big", "PFDEBUG DECODE d", "PFDEBUG ENCODING big", "PFDEBUG TODENSE no"},
		"refused":        {"SET x y", "PFMERGE d small x", "PFMERGE x small", "HSET l f v", "PFMERGE l small", "PFMERGE d l", "PFDEBUG TODENSE x", "PFDEBUG WHAT small"},
		"counts several": {"PFCOUNT small other", "PFCOUNT small no", "PFCOUNT no", "PFCOUNT big small"},
		"wrong type":     {"HSET l f v", "PFCOUNT l", "SET x y", "PFCOUNT x"},
	} {
		t.Run(name, func(t *testing.T) {
			checkArgs(t, all, append([][]string{small, other, big}, split(t, commands)...))
		})
	}
}

func TestHyperLogLogRandom(t *testing.T) {
	element := rapid.OneOf(genBlob(), rapid.Map(rapid.IntRange(0, 5000), strconv.Itoa))
	many := rapid.Custom(func(t *rapid.T) []string {
		return elements("PFADD", genKey().Draw(t, "key"), rapid.SampledFrom([]string{"p", "q"}).Draw(t, "prefix"),
			rapid.IntRange(0, 3000).Draw(t, "from"), rapid.SampledFrom([]int{1, 20, 300, 1500}).Draw(t, "n"))
	})
	checkRandom(t, all, rapid.OneOf(
		many, many,
		genMany("PFADD", []*rapid.Generator[string]{genKey()}, []*rapid.Generator[string]{element}),
		genCommand("PFCOUNT", genKey()),
		genCommand("PFMERGE", genKey(), genKey()),
		genCommand("PFMERGE", genKey(), genKey(), genKey()),
		genCommand("PFDEBUG", rapid.Just("TODENSE"), genKey()),
		genCommand("DEL", genKey()),
	))
}
