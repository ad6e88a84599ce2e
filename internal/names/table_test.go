package names_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/names"
)

// TestLikeAMap has a table do what a map does.
func TestLikeAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var table names.Table[int]
		model := map[string]int{}
		names := rapid.SliceOfN(rapid.Uint16Range(0, 300), 0, 2000).Draw(t, "names")
		for i, n := range names {
			name := strings.Repeat(strconv.Itoa(int(n%300)), 1+int(n%17))
			if n == 0 {
				name = ""
			}
			switch _, known := model[name]; i % 3 {
			case 0, 1:
				node, fresh := table.Add([]byte(name))
				require.Equal(t, !known, fresh)
				if fresh {
					require.Zero(t, node.Value)
				}
				node.Value, model[name] = i+1, i+1
			default:
				table.Remove([]byte(name))
				delete(model, name)
				require.Nil(t, table.Find([]byte(name)))
			}
			require.Equal(t, len(model), table.Len())
		}
		table.Near([][]byte{nil, []byte("1")}, nil)
		for name, value := range model {
			node := table.Find([]byte(name))
			require.NotNil(t, node, name)
			require.Equal(t, value, node.Value)
			require.Equal(t, name, string(table.Name(node)))
		}
		all := map[string]int{}
		for node := range table.All() {
			all[string(table.Name(node))] = node.Value
		}
		require.Equal(t, model, all)
	})
}

// TestOrder wants the order of additions.
func TestOrder(t *testing.T) {
	t.Parallel()
	var table names.Table[struct{}]
	for i := range 1000 {
		table.Add(strconv.AppendInt(nil, int64(i), 10))
	}
	i := 0
	for node := range table.All() {
		require.Equal(t, strconv.Itoa(i), string(table.Name(node)))
		i++
	}
	for range table.All() {
		break
	}
	require.Equal(t, 1000, i)
}

// TestNodesStay wants pointers to be good while others come and go.
func TestNodesStay(t *testing.T) {
	t.Parallel()
	var table names.Table[int]
	node, _ := table.Add([]byte("k"))
	for i := range 10_000 {
		table.Add(strconv.AppendInt(nil, int64(i), 10))
		table.Remove(strconv.AppendInt(nil, int64(i/2), 10))
	}
	require.Same(t, node, table.Find([]byte("k")))
}

// TestRemoveAll removes while it goes through all.
func TestRemoveAll(t *testing.T) {
	t.Parallel()
	var table names.Table[int]
	for i := range 500 {
		table.Add(strconv.AppendInt(nil, int64(i), 10))
	}
	for node := range table.All() {
		table.Remove(table.Name(node))
	}
	require.Zero(t, table.Len())
}

func TestAllocs(t *testing.T) {
	var table names.Table[int]
	a, b := []byte("a name of some length"), []byte("b")
	table.Add(a)
	table.Add(b)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		table.Find(a)
		table.Find(b)
		table.Find([]byte("none"))
		table.Add(a)
		table.Add(b)
	}))
	large, list := names.Table[int]{}, [][]byte{a, b, nil}
	for i := range 10_000 {
		large.Add(strconv.AppendInt(nil, int64(i), 10))
	}
	for i := range 40 {
		list = append(list, strconv.AppendInt(nil, int64(i), 10))
	}
	sum := 0
	require.Zero(t, testing.AllocsPerRun(100, func() { large.Near(list, func(v *int) { sum += *v }) }))
	require.Equal(t, 10_000, large.Len())
}

func BenchmarkFind(b *testing.B) {
	const n = 100_000
	var table names.Table[[40]byte]
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = []byte("counter:" + strconv.Itoa(i*7919%n))
		table.Add(keys[i])
	}
	i := 0
	for b.Loop() {
		table.Find(keys[i*31%n])
		i++
	}
}
