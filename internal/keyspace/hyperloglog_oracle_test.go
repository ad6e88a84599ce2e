package keyspace

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPFAdd(t *testing.T) {
	t.Parallel()
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
func elements(key, prefix string, from, n int) []string {
	command := []string{"PFADD", key}
	for i := range n {
		command = append(command, prefix+strconv.Itoa(from+i))
	}
	return command
}

func TestHyperLogLogGrows(t *testing.T) {
	t.Parallel()
	for _, at := range []struct{ step, commands int }{{1, 100}, {9, 100}, {250, 30}, {5000, 4}} {
		t.Run(fmt.Sprint(at.step), func(t *testing.T) {
			var commands [][]string
			for n := range at.commands {
				commands = append(commands, elements("k", "element:", n*at.step, at.step))
				if n%10 == 0 || at.commands < 50 {
					commands = append(commands, []string{"PFCOUNT", "k"}, []string{"PFCOUNT", "k"})
				}
			}
			checkArgs(t, all, commands)
		})
	}
}

// TestHyperLogLogPromotes goes over where the sparse form ends in single steps.
func TestHyperLogLogPromotes(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"x", "y", "z"} {
		h, n := newHLL(), 0
		for ; h[hllEncoding] == hllSparse; n++ {
			var err error
			h, _, err = h.set(hllHash([]byte(prefix + strconv.Itoa(n))))
			require.NoError(t, err)
		}
		commands := [][]string{elements("k", prefix, 0, n-5), {"PFCOUNT", "k"}, {"PFMERGE", "l", "k"}}
		for i := range 8 {
			commands = append(commands, elements("k", prefix, n-5+i, 1), []string{"PFMERGE", "l", "k"})
		}
		checkArgs(t, all, commands)
	}
}

// elementOf returns the element of 8 bytes that belongs to a register with a rank: murmur64A backwards.
func elementOf(register int, rank byte) string {
	const m, seed = 0xc6a4a7935bd1e995, 0xadc83b19
	inverse := uint64(m) // of m: Newton's method, each round doubles the bits that are right
	for range 5 {
		inverse *= 2 - m*inverse
	}
	unshift := func(n uint64) uint64 { return n ^ n>>47 }
	hash := uint64(register) | 1<<(hllIndexBits+rank-1)
	k := unshift(unshift(hash)*inverse) * inverse
	k ^= seed ^ uint64(8*m&math.MaxUint64)
	return string(binary.LittleEndian.AppendUint64(nil, unshift(k*inverse)*inverse))
}

// TestRanks is for ranks that no test meets by chance: those above 32 have no sparse form.
func TestRanks(t *testing.T) {
	t.Parallel()
	for rank := byte(1); rank <= hllRankBits; rank++ {
		register, got := hllHash([]byte(elementOf(77, rank)))
		require.Equal(t, [2]int{77, int(rank)}, [2]int{register, int(got)})
		checkArgs(t, all, [][]string{
			{"PFADD", "k", elementOf(0, rank), elementOf(1, rank), elementOf(2, rank)},
			{"PFADD", "k", elementOf(16383, rank), elementOf(16382, 1), elementOf(1, 1)},
			{"PFCOUNT", "k"},
			{"PFADD", "l", "x"},
			{"PFMERGE", "l", "k"},
			{"PFCOUNT", "l"},
		})
	}
}

// TestRunsRandom raises registers that lie together, so that runs part and join.
func TestRunsRandom(t *testing.T) {
	t.Parallel()
	near := rapid.Custom(func(t *rapid.T) string {
		register := rapid.SampledFrom([]int{0, 60, 8000, 16374}).Draw(t, "region") + rapid.IntRange(0, 9).Draw(t, "register")
		return elementOf(register, byte(rapid.OneOf(rapid.IntRange(1, 3), rapid.IntRange(1, 34)).Draw(t, "rank")))
	})
	checkRandom(t, all, rapid.OneOf(
		genMany("PFADD", []*rapid.Generator[string]{genKey()}, []*rapid.Generator[string]{near}),
		genCommand("PFCOUNT", genKey()),
		genCommand("PFMERGE", genKey(), genKey()),
	))
}

func TestPFMerge(t *testing.T) {
	t.Parallel()
	small, other, big := elements("small", "s", 0, 30), elements("other", "o", 0, 300), elements("big", "b", 0, 9000)
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
	t.Parallel()
	element := rapid.OneOf(genBlob(), rapid.Map(rapid.IntRange(0, 5000), strconv.Itoa))
	many := rapid.Custom(func(t *rapid.T) []string {
		return elements(genKey().Draw(t, "key"), rapid.SampledFrom([]string{"p", "q"}).Draw(t, "prefix"),
			rapid.IntRange(0, 2000).Draw(t, "from"), rapid.SampledFrom([]int{1, 20, 150, 900}).Draw(t, "n"))
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
