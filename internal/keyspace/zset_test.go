package keyspace

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// naiveZSet is what a sorted set is, without any thought of speed.
type naiveZSet []zsetItem

func (n *naiveZSet) put(member string, score float64) {
	n.remove(member)
	*n = append(*n, zsetItem{score: score, member: member})
	slices.SortFunc(*n, func(a, b zsetItem) int {
		return cmp.Or(cmp.Compare(a.score, b.score), strings.Compare(a.member, b.member))
	})
}

func (n *naiveZSet) remove(member string) bool {
	at := slices.IndexFunc(*n, func(item zsetItem) bool { return item.member == member })
	if at >= 0 {
		*n = slices.Delete(*n, at, at+1)
	}
	return at >= 0
}

func zsetItems(z *zsetValue) []zsetItem {
	items := []zsetItem{}
	z.each(0, func(member []byte, score float64) bool {
		items = append(items, zsetItem{score: score, member: string(member)})
		return true
	})
	return items
}

func TestZSetIsASortedSet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		z, naive := &zsetValue{}, naiveZSet{}
		members := rapid.OneOf(rapid.StringMatching("[a-z]{0,2}"), rapid.StringOfN(rapid.Rune(), 0, 70, -1))
		scores := rapid.OneOf(rapid.Map(rapid.IntRange(1, 5), func(n int) float64 { return float64(n) }), rapid.Float64Range(1, 9))
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				for range rapid.IntRange(1, 60).Draw(t, "n") {
					member, score := members.Draw(t, "member"), scores.Draw(t, "score")
					z.put([]byte(member), score)
					naive.put(member, score)
				}
			},
			"remove": func(t *rapid.T) {
				member := members.Draw(t, "member")
				require.Equal(t, naive.remove(member), z.remove([]byte(member)))
			},
			"remove ranks": func(t *rapid.T) {
				lo := rapid.IntRange(0, len(naive)).Draw(t, "lo")
				hi := rapid.IntRange(lo, len(naive)).Draw(t, "hi")
				z.removeRanks(lo, hi)
				naive = slices.Delete(naive, lo, hi)
			},
			"clone": func(*rapid.T) {
				was := z
				z, _ = z.clone().(*zsetValue)
				was.put([]byte("in the other one"), 1)
			},
			"": func(t *rapid.T) {
				require.Equal(t, len(naive), z.length())
				require.Equal(t, len(naive) == 0, z.empty())
				score := scores.Draw(t, "score")
				first := slices.IndexFunc(append(naive, zsetItem{score: math.Inf(1)}), func(item zsetItem) bool { return item.score >= score })
				require.Equal(t, first, z.firstFrom(0, func(_ []byte, s float64) bool { return s >= score }))
				require.Equal(t, first-1, z.lastUpTo(len(naive), func(_ []byte, s float64) bool { return s < score }))
				require.Equal(t, append([]zsetItem{}, naive...), zsetItems(z))
				for _, item := range naive {
					score, found := z.score([]byte(item.member))
					require.True(t, found)
					require.InDelta(t, item.score, score, 0)
				}
			},
		})
	})
}

func TestZSetInAnRDB(t *testing.T) {
	for _, n := range []int{1, 2, 64, 65, 128, 129, 1000} {
		z := &zsetValue{}
		for i := range n {
			z.put([]byte(fmt.Sprintf("m%d", i)), float64(i%7)-3.5)
		}
		typ, body := z.appendRDB(nil, rdb.Format{Version: 12})
		require.Equal(t, rdb.TypeZSet2, typ)
		back, err := decodeZSet(rdb.Format{Version: 12}, typ, body)
		require.NoError(t, err)
		got, ok := back.(*zsetValue)
		require.True(t, ok)
		require.Equal(t, zsetItems(z), zsetItems(got))
		require.Equal(t, z.table == nil, got.table == nil)

		var highest []float64
		require.NoError(t, rdb.DecodeZSet(rdb.Format{}, typ, body, func(_ []byte, score float64) { highest = append(highest, score) }))
		require.True(t, slices.IsSortedFunc(highest, func(a, b float64) int { return cmp.Compare(b, a) }))
	}
}

func TestZSetOfADamagedRDB(t *testing.T) {
	twice := rdb.AppendLength(nil, 2)
	for range 2 {
		twice = rdb.AppendScore(rdb.AppendString(twice, []byte("m")), 1)
	}
	nan := rdb.AppendScore(rdb.AppendString(rdb.AppendLength(nil, 1), []byte("m")), math.NaN())
	for _, body := range [][]byte{twice, nan, twice[:5], {}} {
		_, err := decodeZSet(rdb.Format{Version: 12}, rdb.TypeZSet2, body)
		require.ErrorAs(t, err, new(*rdb.CorruptError))
	}
}

// TestZSetSignOfZero: a loader makes a listpack of a small set and forgets the sign, and leaves that of a large one.
func TestZSetSignOfZero(t *testing.T) {
	for n, negative := range map[int]bool{1: false, 128: false, 129: true} {
		body := rdb.AppendLength(nil, uint64(n))
		for i := range n {
			body = rdb.AppendScore(rdb.AppendString(body, []byte(fmt.Sprint("m", i))), math.Copysign(0, -1))
		}
		v, err := decodeZSet(rdb.Format{Version: 12}, rdb.TypeZSet2, body)
		require.NoError(t, err)
		z, ok := v.(*zsetValue)
		require.True(t, ok)
		score, found := z.score([]byte("m0"))
		require.True(t, found)
		require.Equal(t, negative, math.Signbit(score), "%d members", n)
	}
}

func TestZSetAsCommands(t *testing.T) {
	z := &zsetValue{}
	for i := range 130 {
		z.put([]byte(fmt.Sprintf("m%03d", i)), float64(i)/8)
	}
	z.put([]byte("last"), math.Inf(1))
	text := string(z.appendCommands(nil, []byte("key")))
	require.Equal(t, 3, strings.Count(text, "ZADD"))
	require.True(t, strings.HasPrefix(text, "*130\r\n$4\r\nZADD\r\n$3\r\nkey\r\n$1\r\n0\r\n$4\r\nm000\r\n$5\r\n0.125\r\n"))
	require.True(t, strings.HasSuffix(text, "$3\r\ninf\r\n$4\r\nlast\r\n"))
	require.Contains(t, text, "*8\r\n$4\r\nZADD\r\n")
}

func TestZSetHotCommandsDoNotAllocate(t *testing.T) {
	for name, n := range map[string]int{"packed": 100, "table": 10000} {
		s := New(NewTable(), Options{Format: rdb.Format{Version: 12}})
		for i := range n {
			require.NoError(t, s.Run(0, toArgs([]string{"ZADD", "k", fmt.Sprint(i), fmt.Sprint("member:", i)})))
		}
		i := int64(1000)
		zadd, zincrby := toArgs([]string{"ZADD", "k", "1000", "member:7"}), toArgs([]string{"ZINCRBY", "k", "0.5", "member:9"})
		require.Zero(t, testing.AllocsPerRun(500, func() {
			i++
			strconv.AppendInt(zadd[2][:0], i, 10)
			if s.Run(0, zadd) != nil || s.Run(0, zincrby) != nil {
				t.Fatal("refused")
			}
		}), name)
		require.Zero(t, s.Refused())
	}
}

func TestZSetSize(t *testing.T) {
	z := &zsetValue{}
	last := z.size()
	for i := range 1000 {
		z.put(bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 10), float64(i))
		if i > 130 {
			require.Greater(t, z.size(), last)
		}
		last = z.size()
	}
	z.removeRanks(0, 999)
	require.Less(t, z.size(), last)
}

// TestZSetCommandsThatAreCarried lists what a Space leaves to the carry.
func TestZSetCommandsThatAreCarried(t *testing.T) {
	for _, command := range []string{
		"ZRANGESTORE d k 0 1 BYSCORE LIMIT -1 1",
		"ZRANGESTORE d k - + BYLEX REV LIMIT -9 -1",
		"GEORADIUS k 1 1 1 km STOREDIST d",
		"GEORADIUS k 1 1 1 km STORE x STOREDIST d",
		"GEORADIUSBYMEMBER k m 1 km COUNT 1 STOREDIST d",
		"GEOSEARCHSTORE d k FROMMEMBER m BYRADIUS 1 km STOREDIST",
		"GEOSEARCHSTORE d k BYPOLYGON 3 5 0 1 1 5 1 STOREDIST",
		"GEOSEARCHSTORE d k BYPOLYGON 4 -1 40 1 40 1 41 -1 41",
	} {
		table, p := NewTable(), Plan{}
		args := toArgs(strings.Fields(command))
		table.Plan(args, &p)
		require.Equal(t, Carry, p.Effect, command)
		require.Equal(t, []KeyUse{{Key: []byte("d"), DB: SelectedDB, Use: Writes}, {Key: []byte("k"), DB: SelectedDB, Use: Reads}}, p.Keys, command)
		require.ErrorAs(t, New(table, Options{}).Run(0, args), new(*UnknownCommandError), command)
	}
	for _, command := range []string{"GEORADIUS k 1 1 1 km", "GEORADIUSBYMEMBER k m 1 km ASC"} {
		table, p := NewTable(), Plan{}
		table.Plan(toArgs(strings.Fields(command)), &p)
		require.Equal(t, Nothing, p.Effect, command)
		require.Empty(t, p.Keys, command)
	}
}

// TestSignsOfZeroAsCommands runs the commands that make a set whose zeros are signed, on the first members, which a loader adds to a listpack.
func TestSignsOfZeroAsCommands(t *testing.T) {
	from := newZSetTable()
	for i := range 300 {
		from.put([]byte(fmt.Sprintf("m%03d", i)), math.Copysign(0, float64(i%2)-0.5))
	}
	want := &zsetValue{table: from}
	commands, err := parse(want.appendCommands(nil, []byte("k")))
	require.NoError(t, err)
	sp := New(NewTable(), Options{Format: rdb.Format{Dialect: rdb.Redis, Version: 11}})
	for _, command := range commands {
		args := make([][]byte, len(command))
		for i, arg := range command {
			args[i] = fmt.Append(nil, arg)
		}
		require.NoError(t, sp.Run(0, args))
	}
	require.Zero(t, sp.Refused())
	require.NoError(t, sp.Each(func(k *Key) error {
		got, isZSet := k.entry.value.(*zsetValue)
		require.True(t, isZSet)
		require.Equal(t, signsOf(want), signsOf(got))
		return nil
	}))
}

// signsOf returns the members whose score has a sign.
func signsOf(z *zsetValue) (members []string) {
	for _, item := range zsetItems(z) {
		if math.Signbit(item.score) {
			members = append(members, item.member)
		}
	}
	return members
}
