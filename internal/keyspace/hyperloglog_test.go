package keyspace

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDenseRegisters(t *testing.T) {
	h := make(hll, hllDenseSize)
	rank := func(register int) byte { return byte(register*7%63) + 1 }
	for _, step := range []int{3, 1} { // in any order, neighbours stay
		for register := 0; register < hllRegisters; register += step {
			require.Equal(t, step == 3 || register%3 != 0, h.setDense(register, rank(register)))
			require.False(t, h.setDense(register, rank(register)-1))
		}
	}
	for register := range hllRegisters {
		require.Equal(t, rank(register), h.dense(register))
	}
}

// TestSparseEqualsDense says that both forms hold the same registers and estimate the same.
func TestSparseEqualsDense(t *testing.T) {
	sparse := newHLL()
	dense, err := sparse.toDense()
	require.NoError(t, err)
	for n := range 1200 {
		register, rank := hllHash([]byte{byte(n), byte(n >> 8)})
		was := sparse[hllEncoding]
		var raised bool
		sparse, raised, err = sparse.set(register, rank)
		require.NoError(t, err)
		require.Equal(t, hllSparse, was)
		require.Equal(t, dense.setDense(register, rank), raised)
		again, err := sparse.toDense()
		require.NoError(t, err)
		require.Equal(t, dense[hllHeader:], again[hllHeader:])
		a, err := sparse.count()
		require.NoError(t, err)
		b, err := dense.count()
		require.NoError(t, err)
		require.Equal(t, a, b)
	}
}

// TestCountOfFull is for registers that no hash makes, but bytes of a client may.
func TestCountOfFull(t *testing.T) {
	h := make(hll, hllDenseSize)
	for register := range hllRegisters {
		h.setDense(register, hllRankBits+1)
	}
	count, err := h.count()
	require.NoError(t, err)
	require.Equal(t, uint64(1)<<63, count, "llroundl's answer for infinity")
}

// FuzzHyperLogLog runs the commands on any bytes: no panic, no memory out of proportion.
func FuzzHyperLogLog(f *testing.F) {
	sparse := newHLL()
	for i := range 200 {
		sparse, _, _ = sparse.set(hllHash([]byte{byte(i)}))
	}
	f.Add([]byte(sparse), []byte("element"))
	f.Add([]byte(newHLL()), []byte(""))
	f.Add([]byte(newHLL())[:hllHeader], []byte("x"))
	f.Add([]byte(newHLL())[:hllHeader+1], []byte("x"))
	f.Add(append([]byte(newHLL()), 0x80, 0xff, 0x7f), []byte("y"))
	f.Fuzz(func(t *testing.T, value, element []byte) {
		run := func(name string, args ...[]byte) {
			s := New(NewTable(), Options{})
			require.NoError(t, s.Run(0, [][]byte{[]byte("SET"), []byte("k"), value}))
			require.NoError(t, s.Run(0, append([][]byte{[]byte(name)}, args...)))
			require.Less(t, s.Used(), int64(4*hllDenseSize+4*len(value)))
		}
		k := []byte("k")
		run("PFADD", k, element)
		run("PFADD", k, element, element[:len(element)/2])
		run("PFCOUNT", k)
		run("PFMERGE", []byte("d"), k)
		run("PFMERGE", k, []byte("d"))
		run("PFDEBUG", []byte("TODENSE"), k)
	})
}
