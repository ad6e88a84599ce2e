package keyspace

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestIntSet(t *testing.T) {
	var s intSet
	model := map[int64]bool{}
	for _, n := range []int64{5, -5, 0, math.MaxInt16, math.MaxInt16 + 1, math.MinInt16, math.MinInt32, math.MaxInt32 + 1, math.MinInt64, math.MaxInt64, 5, 3} {
		require.Equal(t, !model[n], s.add(n), n)
		require.False(t, s.add(n))
		model[n] = true
		var got []int64
		for i := range s.len() {
			got = append(got, s.at(i))
		}
		require.Equal(t, slices.Sorted(maps.Keys(model)), got)
	}
	for n := range model {
		require.True(t, s.remove(n))
		require.False(t, s.remove(n))
	}
	require.Zero(t, s.len())
}

// A set says the same in each form, and after each change of form.
func TestSetAgainstModel(t *testing.T) {
	t.Parallel()
	member := rapid.OneOf(
		rapid.Map(rapid.Int64Range(-1000, 100_000), func(n int64) string { return strconv.FormatInt(n, 10) }),
		genElement(),
	)
	few := rapid.Map(rapid.IntRange(0, 40), func(n int) string { return "member " + strconv.Itoa(n) })
	rapid.Check(t, func(rt *rapid.T) {
		s, model := &setValue{}, map[string]bool{}
		gen := rapid.OneOf(member, few)
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				text := gen.Draw(rt, "member")
				require.Equal(rt, !model[text], s.add([]byte(text)))
				model[text] = true
			},
			"add integers": func(rt *rapid.T) {
				from := rapid.Int64Range(-1<<40, 1<<40).Draw(rt, "from")
				for n := range rapid.Int64Range(1, 300).Draw(rt, "n") {
					text := strconv.FormatInt(from+n, 10)
					require.Equal(rt, !model[text], s.add([]byte(text)))
					model[text] = true
				}
			},
			"remove": func(rt *rapid.T) {
				text := gen.Draw(rt, "member")
				if len(model) > 0 && rapid.Bool().Draw(rt, "known") {
					text = rapid.SampledFrom(slices.Sorted(maps.Keys(model))).Draw(rt, "member")
				}
				require.Equal(rt, model[text], s.has([]byte(text)))
				require.Equal(rt, model[text], s.remove([]byte(text)))
				delete(model, text)
			},
			"clone": func(*rapid.T) {
				clone, _ := s.clone().(*setValue)
				s.add([]byte("only in the old one"))
				s = clone
			},
			"": func(rt *rapid.T) {
				got := map[string]bool{}
				s.each(func(member []byte) bool {
					require.False(rt, got[string(member)], "%q twice", member)
					got[string(member)] = true
					return true
				})
				require.Equal(rt, model, got)
				require.Equal(rt, len(model), s.len())
				require.Equal(rt, len(model) == 0, s.empty())
			},
		})
	})
}

func TestSetMemory(t *testing.T) {
	for name, test := range map[string]struct {
		member func(i int) string
		n      int
		most   float64
	}{
		"integers":      {strconv.Itoa, 400, 3},
		"many integers": {strconv.Itoa, 100_000, 17},
		"short":         {func(i int) string { return "member " + strconv.Itoa(i) }, 100, 16},
		"many":          {func(i int) string { return "member " + strconv.Itoa(i) }, 100_000, 46},
	} {
		t.Run(name, func(t *testing.T) {
			s := &setValue{}
			for i := range test.n {
				s.add([]byte(test.member(i)))
			}
			require.Less(t, float64(s.size())/float64(test.n), test.most)
		})
	}
}

// Members that are there already, and integers, take no memory of their own.
func TestAddToSetDoesNotAllocate(t *testing.T) {
	for name, n := range map[string]int{"few": 10, "table": 1000} {
		t.Run(name, func(t *testing.T) {
			space := New(NewTable(), Options{})
			for i := range n {
				require.NoError(t, space.Run(0, toArgs([]string{"SADD", "key", "member " + strconv.Itoa(i)})))
			}
			args := toArgs([]string{"SADD", "key", "member 1", "member 7"})
			require.Zero(t, testing.AllocsPerRun(100, func() { require.NoError(t, space.Run(0, args)) }))
		})
	}
}
