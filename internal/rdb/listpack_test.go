package rdb_test

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// texts returns the entries of a listpack, walked forwards, which must be what walking backwards gives.
func texts(t require.TestingT, l rdb.Listpack) []string {
	var forwards, backwards []string
	for pos := rdb.ListpackStart; ; {
		e, next, ok := l.Next(pos)
		if !ok {
			require.Equal(t, l.End(), pos)
			break
		}
		forwards = append(forwards, string(e.AppendTo(nil)))
		pos = next
	}
	for pos, ok := l.Prev(l.End()); ok; pos, ok = l.Prev(pos) {
		e, _, ok := l.Next(pos)
		require.True(t, ok)
		backwards = append(backwards, string(e.AppendTo(nil)))
	}
	slices.Reverse(backwards)
	require.Equal(t, forwards, backwards)
	return forwards
}

// TestListpackEncodings: each way to store an entry, as listpack.c writes it.
func TestListpackEncodings(t *testing.T) {
	for in, want := range map[string]string{
		"0": "\x00\x01", "127": "\x7f\x01", "128": "\xc0\x80\x02", "-1": "\xdf\xff\x02", "4095": "\xcf\xff\x02", "-4096": "\xd0\x00\x02",
		"4096": "\xf1\x00\x10\x03", "-4097": "\xf1\xff\xef\x03", "32767": "\xf1\xff\x7f\x03", "32768": "\xf2\x00\x80\x00\x04",
		"-32769": "\xf2\xff\x7f\xff\x04", "8388607": "\xf2\xff\xff\x7f\x04", "8388608": "\xf3\x00\x00\x80\x00\x05",
		"2147483648": "\xf4\x00\x00\x00\x80\x00\x00\x00\x00\x09", "-9223372036854775808": "\xf4\x00\x00\x00\x00\x00\x00\x00\x80\x09",
		"9223372036854775807": "\xf4\xff\xff\xff\xff\xff\xff\xff\x7f\x09", "9223372036854775808": "\x939223372036854775808\x14",
		"-9223372036854775809": "\x94-9223372036854775809\x15", "18446744073709551616": "\x9418446744073709551616\x15",
		"": "\x80\x01", "a": "\x81a\x02", "00": "\x8200\x03", "-0": "\x82-0\x03", "-": "\x81-\x02", "+1": "\x82+1\x03",
		strings.Repeat("x", 63):  "\xbf" + strings.Repeat("x", 63) + "\x40",
		strings.Repeat("x", 64):  "\xe0\x40" + strings.Repeat("x", 64) + "\x42",
		strings.Repeat("x", 126): "\xe0\x7e" + strings.Repeat("x", 126) + "\x01\x80",
	} {
		l := rdb.NewListpack().AppendString([]byte(in))
		require.Equal(t, le32(uint32(7+len(want)))+"\x01\x00"+want+"\xff", string(l), "%q", in)
		require.NoError(t, l.Check())
		require.Equal(t, []string{in}, texts(t, l))
	}
	for _, n := range []int{4095, 4096, 16380, 16381, 1<<21 - 7, 1<<21 - 6, 1 << 21} { // around what a length behind takes a byte more for
		l := rdb.Listpack(nil).AppendString(bytes.Repeat([]byte("x"), n)).AppendInt(7)
		require.NoError(t, l.Check(), "%d", n)
		require.Equal(t, []string{strings.Repeat("x", n), "7"}, texts(t, l))
	}
}

// TestListpackChanges runs random changes beside a plain slice.
func TestListpackChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l rdb.Listpack
		var want []string
		position := func() (pos, i int) {
			i = rapid.IntRange(0, len(want)).Draw(t, "i")
			pos = rdb.ListpackStart
			for range i {
				_, pos, _ = l.Next(pos)
			}
			return pos, i
		}
		t.Repeat(map[string]func(*rapid.T){
			"append string": func(t *rapid.T) {
				s := drawString(t)
				l, want = l.AppendString(s), append(want, string(s))
			},
			"append int": func(t *rapid.T) {
				v := rapid.Int64().Draw(t, "v")
				l, want = l.AppendInt(v), append(want, strconv.FormatInt(v, 10))
			},
			"replace": func(t *rapid.T) {
				v := rapid.Int64Range(-1<<17, 1<<17).Draw(t, "v")
				pos, i := position()
				l = l.ReplaceInt(pos, v)
				if i < len(want) {
					want[i] = strconv.FormatInt(v, 10)
				}
			},
			"remove": func(t *rapid.T) {
				n := rapid.IntRange(0, 3).Draw(t, "n")
				pos, i := position()
				l = l.Remove(pos, n)
				want = slices.Delete(want, i, min(i+n, len(want)))
			},
			"": func(t *rapid.T) {
				if l == nil {
					return
				}
				require.NoError(t, l.Check())
				require.Equal(t, len(want), l.Len())
				require.True(t, slices.Equal(want, texts(t, l)))
			},
		})
	})
}

// TestListpackOfMany: more entries than the header counts.
func TestListpackOfMany(t *testing.T) {
	var l rdb.Listpack
	for i := range math.MaxUint16 - 1 {
		l = l.AppendInt(int64(i & 1))
	}
	require.Equal(t, "\xfe\xff", string(l[4:6]))
	for range 3 {
		l = l.AppendInt(5)
	}
	require.Equal(t, "\xff\xff", string(l[4:6]))
	require.Equal(t, math.MaxUint16+2, l.Len())
	l = l.Remove(rdb.ListpackStart, 10)
	require.Equal(t, math.MaxUint16-8, l.Len())
	require.NoError(t, l.Check())
	l[4] = 3
	require.ErrorContains(t, l.Check(), "count")
}

func TestListpackCheckRefuses(t *testing.T) {
	good := rdb.NewListpack().AppendString([]byte("value")).AppendInt(1 << 40).AppendString(bytes.Repeat([]byte("x"), 5000))
	require.NoError(t, good.Check())
	for i := range good {
		if i >= 7 && i < 12 || i >= 14 && i < 22 || i >= 28 && i < 5028 {
			continue // data: what is there is not for the structure to say
		}
		for bit := range 8 {
			bad := slices.Clone(good)
			bad[i] ^= 1 << bit
			require.Error(t, bad.Check(), "bit %d of byte %d", bit, i)
		}
	}
	for i := range good {
		require.Error(t, good[:i].Check())
	}
}

// FuzzListpack: nothing panics on anything, and what is sound stays so.
func FuzzListpack(f *testing.F) {
	f.Add([]byte(rdb.NewListpack().AppendString([]byte("value")).AppendInt(1<<40)), 6, int64(5))
	f.Add([]byte(emptyListpack), 6, int64(5))
	f.Add([]byte(le32(15)+"\x01\x00\xf0\xff\xff\xff\xff\x00\x05\xff"), 6, int64(-1))
	f.Add([]byte(le32(12)+"\x01\x00\xff\xff\xff\xff\xff\xff"), 11, int64(-1))
	f.Fuzz(func(t *testing.T, in []byte, pos int, v int64) {
		l := rdb.Listpack(in)
		_, _, _ = l.Next(pos)
		_, _ = l.Prev(pos)
		_ = l.Len()
		sound := l.Check() == nil
		if sound {
			texts(t, l)
			_, pos, _ = l.Next(rdb.ListpackStart)
		}
		l = slices.Clone(l).ReplaceInt(pos, v).AppendInt(v).AppendString(in).Remove(pos, 1)
		if sound {
			require.NoError(t, l.Check())
		}
	})
}
