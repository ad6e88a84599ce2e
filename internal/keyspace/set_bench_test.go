package keyspace

import (
	"strconv"
	"testing"
)

// BenchmarkPush pushes to many short lists and one long one.
func BenchmarkPush(b *testing.B) {
	for _, name := range []string{"RPUSH", "LPUSH"} {
		for _, keys := range []int{1, 10_000} {
			b.Run(name+"/"+strconv.Itoa(keys), func(b *testing.B) {
				space := New(NewTable(), Options{})
				args := make([][][]byte, keys)
				for i := range args {
					args[i] = toArgs([]string{name, "key:" + strconv.Itoa(i), "an element", "1234567"})
				}
				b.ReportAllocs()
				for i := range b.N {
					_ = space.Run(0, args[i%keys])
				}
			})
		}
	}
}

// BenchmarkSetAdd adds to sets of a size what they mostly have.
func BenchmarkSetAdd(b *testing.B) {
	for _, size := range []int{10, 100, 10_000} {
		for _, prefix := range []string{"", "member:"} {
			b.Run(prefix+strconv.Itoa(size), func(b *testing.B) {
				space := New(NewTable(), Options{})
				args := make([][][]byte, size)
				for i := range args {
					args[i] = toArgs([]string{"SADD", "key", prefix + strconv.Itoa(i)})
				}
				b.ReportAllocs()
				for i := range b.N {
					_ = space.Run(0, args[i%size])
				}
			})
		}
	}
}
