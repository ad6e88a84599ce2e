package fold

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFilter wants it to know all keys, of any number of them, and few others.
func TestFilter(t *testing.T) {
	for _, n := range []int{0, 1, 5, 1000, 50_000} {
		keys := newKeyTable()
		name := func(i int) []byte { return strconv.AppendInt([]byte("key:"), int64(i), 10) }
		for i := range n {
			keys.add(i%3, name(i))
		}
		f := newFilter(keys)
		for i := range n {
			require.True(t, f.has(i%3, name(i)))
		}
		wrong := 0
		for i := range 10_000 {
			if f.has(i%3, name(n+i)) {
				wrong++
			}
		}
		require.Less(t, wrong, 1000)
		f.add(7, []byte("late"))
		require.True(t, f.has(7, []byte("late")))
	}
}
