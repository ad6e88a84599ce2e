package rdb_test

import (
	"bytes"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

func TestAppendLength(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "\x00", 63: "\x3f", 64: "\x40\x40", 16383: "\x7f\xff", 16384: "\x80\x00\x00\x40\x00",
		math.MaxUint32: "\x80\xff\xff\xff\xff", math.MaxUint32 + 1: "\x81\x00\x00\x00\x01\x00\x00\x00\x00",
		math.MaxUint64: "\x81" + strings.Repeat("\xff", 8),
	} {
		require.Equal(t, want, string(rdb.AppendLength(nil, n)), "%d", n)
	}
}

func TestAppendString(t *testing.T) {
	for in, want := range map[string]string{
		"": "\x00", "a": "\x01a", "0": "\xc0\x00", "-1": "\xc0\xff", "127": "\xc0\x7f", "128": "\xc1\x80\x00", "-128": "\xc0\x80",
		"-129": "\xc1\x7f\xff", "32767": "\xc1\xff\x7f", "32768": "\xc2\x00\x80\x00\x00", "2147483647": "\xc2\xff\xff\xff\x7f",
		"-2147483648": "\xc2\x00\x00\x00\x80", "2147483648": "\x0a2147483648", "-2147483649": "\x0b-2147483649",
		"007": "\x03007", "-0": "\x02-0", "+1": "\x02+1", "-": "\x01-", "1_0": "\x031_0", "1.0": "\x031.0",
		strings.Repeat("a", 20): "\x14" + strings.Repeat("a", 20), // too short to be compressed
	} {
		require.Equal(t, want, string(rdb.AppendString(nil, []byte(in))), "%q", in)
	}
	compressed := rdb.AppendString(nil, bytes.Repeat([]byte("ab"), 50_000))
	require.Equal(t, byte(0xc3), compressed[0])
	require.Less(t, len(compressed), 100_000/80)
	require.Equal(t, "\x40\x64"+noise(100), string(rdb.AppendString(nil, []byte(noise(100)))), "noise is not worth compressing")
}

// TestDecodeString: what was encoded comes back, behind whatever is in the buffer already.
func TestDecodeString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawString(t)
		before := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "before")
		typ, raw := rdb.AppendStringValue(before, s)
		require.Equal(t, rdb.TypeString, typ)
		require.True(t, bytes.HasPrefix(raw, before))
		require.LessOrEqual(t, len(raw), len(before)+len(s)+9)
		got, err := rdb.DecodeString(raw[len(before):])
		require.NoError(t, err)
		require.True(t, bytes.Equal(s, got))
	})
}

// drawString draws strings of all lengths: noise, texts of integers, and what compresses well or a little.
func drawString(t *rapid.T) []byte {
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		return rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
	case 1:
		return strconv.AppendInt(nil, rapid.Int64().Draw(t, "integer"), 10)
	case 2:
		return bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 1, 400).Draw(t, "unit"), rapid.IntRange(1, 100).Draw(t, "times"))
	case 3:
		return []byte(noise(rapid.IntRange(0, 70_000).Draw(t, "noise")))
	default:
		return rapid.SliceOfN(rapid.ByteRange('a', 'd'), 0, 20_000).Draw(t, "letters")
	}
}

// FuzzAppendString: every string comes back, the compressed ones too.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "-128", "2147483648", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", noise(300) + noise(300), strings.Repeat("abc", 300)} {
		f.Add([]byte(s), uint16(1))
		f.Add([]byte(s), uint16(700))
	}
	f.Fuzz(func(t *testing.T, unit []byte, times uint16) {
		s := bytes.Repeat(unit, 1+int(times)%1000)
		raw := rdb.AppendString(nil, s)
		require.LessOrEqual(t, len(raw), len(s)+9)
		got, err := rdb.DecodeString(raw)
		require.NoError(t, err)
		require.True(t, bytes.Equal(s, got))
	})
}

func TestDecodeStringRefuses(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing":              "",
		"short":                "\x05abcd",
		"long":                 "\x01ab",
		"huge":                 "\x81\xff\xff\xff\xff\xff\xff\xff\xff",
		"reserved length":      "\x82",
		"unknown encoding":     "\xc4",
		"cut integer":          "\xc2\x01",
		"empty compression":    "\xc3\x00\x01",
		"nothing compressed":   "\xc3\x01\x00a",
		"compressed too well":  "\xc3\x03\x41\x09\x00ab",
		"compression cut":      "\xc3\x05\x05\x00a",
		"compression too long": "\xc3\x02\x02\x00a",
		"back before start":    "\xc3\x03\x03\x20\x00\x00",
		"number encoded":       "\xc3\xc0\x01\x05",
	} {
		_, err := rdb.DecodeString([]byte(raw))
		var corrupt *rdb.CorruptError
		require.ErrorAs(t, err, &corrupt, name)
		require.Contains(t, err.Error(), "corrupt value at byte", name)
	}
}

func TestAppendStringDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 1<<16)
	inputs := [][]byte{[]byte("12345"), []byte("value"), []byte(strings.Repeat("compress", 100)), []byte(noise(5000)), []byte("99999999999")}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for _, in := range inputs {
			dst = rdb.AppendString(dst[:0], in)
		}
	}))
}

// TestWriter: what a Writer writes, a Reader reads.
func TestWriter(t *testing.T) {
	large := noise(300 << 10)
	for _, f := range []rdb.Format{{Dialect: rdb.Redis, Version: 3}, {Dialect: rdb.Redis, Version: 12}, {Dialect: rdb.Valkey, Version: 80}} {
		var out bytes.Buffer
		w := rdb.NewWriter(&out, f)
		require.NoError(t, w.Aux("redis-ver", "8.0.2"))
		require.NoError(t, w.Aux("redis-bits", "64"))
		require.NoError(t, w.Function([]byte("#!lua name=lib")))
		require.NoError(t, w.SelectDB(0))
		require.NoError(t, w.SelectDB(0))
		require.NoError(t, w.Resize(2, 1))
		require.NoError(t, w.Key(rdb.TypeString, rdb.Attributes{HasExpire: true, Expire: 1 << 40, HasIdle: true, Idle: 99, HasFreq: true, Freq: 7}, []byte("k"), []byte("\x01v")))
		require.NoError(t, w.Key(rdb.TypeString, rdb.Attributes{}, []byte("12"), rdb.AppendString(nil, []byte(large))))
		require.NoError(t, w.SelectDB(15))
		n, err := w.Write([]byte("\x00\x01a\x01b"))
		require.NoError(t, err)
		require.Equal(t, 5, n)
		require.Error(t, rdb.NewWriter(&out, f).SelectDB(-1))
		require.NoError(t, w.Close())
		require.Equal(t, int64(out.Len()), w.Bytes())

		sum, err := check(out.String())
		require.NoError(t, err)
		require.Equal(t, f.Version >= 5, sum.Checksummed)
		require.Equal(t, rdb.Summary{
			Dialect: f.Dialect, Version: f.Version, Bytes: w.Bytes(), ServerVersion: "8.0.2", Keys: 3, Expires: 1, MaxDB: 15, Functions: 1,
			KeysByDB: map[int]int64{0: 2, 15: 1}, KeysByType: map[rdb.Type]int64{rdb.TypeString: 3}, Checksummed: sum.Checksummed,
		}, sum)
		items := readItems(t, strings.NewReader(out.String()), func(int) bool { return true })
		require.Len(t, items, 9) // the second selection was nothing
		key := items[5].item
		require.Equal(t, []any{"k", int64(1 << 40), uint64(99), byte(7)}, []any{string(key.Key), key.Expire, key.Idle, key.Freq})
		require.Equal(t, "12", string(items[6].item.Key))
		got, err := rdb.DecodeString([]byte(items[6].raw[items[6].item.HeadBytes:]))
		require.NoError(t, err)
		require.Equal(t, large, string(got))
	}
}

// TestWriterWritesWhatReaderReads: any keys, of any size, with anything in front of them.
func TestWriterWritesWhatReaderReads(t *testing.T) {
	type entry struct {
		db        int
		a         rdb.Attributes
		key, body string
	}
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		w := rdb.NewWriter(&out, redis12)
		var want, got []entry
		for range rapid.IntRange(0, 20).Draw(t, "keys") {
			e := entry{
				db: rapid.IntRange(0, 70_000).Draw(t, "db"),
				a: rdb.Attributes{
					HasExpire: rapid.Bool().Draw(t, "expires"), Expire: rapid.Int64().Draw(t, "expire"),
					HasIdle: rapid.Bool().Draw(t, "has idle"), Idle: rapid.Uint64().Draw(t, "idle"),
					HasFreq: rapid.Bool().Draw(t, "has freq"), Freq: rapid.Byte().Draw(t, "freq"),
				},
				key:  string(drawString(t)),
				body: string(rdb.AppendString(nil, drawString(t))),
			}
			require.NoError(t, w.SelectDB(e.db))
			require.NoError(t, w.Key(rdb.TypeString, e.a, []byte(e.key), []byte(e.body)))
			want = append(want, e)
		}
		require.NoError(t, w.Close())
		r, err := rdb.NewReader(&out)
		require.NoError(t, err)
		for item, err := r.Next(); err == nil; item, err = r.Next() {
			var raw bytes.Buffer
			require.NoError(t, r.CopyRaw(&raw))
			if item.Kind == rdb.KeyItem {
				a := rdb.Attributes{HasExpire: item.HasExpire, Expire: item.Expire, HasIdle: item.HasIdle, Idle: item.Idle, HasFreq: item.HasFreq, Freq: item.Freq}
				got = append(got, entry{item.DB, a, string(item.Key), raw.String()[item.HeadBytes:]})
			}
		}
		require.True(t, r.Checksummed())
		for i := range want { // what does not apply is not written
			a := &want[i].a
			if !a.HasExpire {
				a.Expire = 0
			}
			if !a.HasIdle {
				a.Idle = 0
			}
			if !a.HasFreq {
				a.Freq = 0
			}
		}
		require.True(t, slices.Equal(want, got))
	})
}

// TestWriterKeepsItsError: what the writer below says stays.
func TestWriterKeepsItsError(t *testing.T) {
	r, below := io.Pipe()
	require.NoError(t, r.Close())
	w := rdb.NewWriter(below, rdb.Format{Version: 12})
	_, err := w.Write(make([]byte, 1<<20))
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.ErrorIs(t, w.SelectDB(1), io.ErrClosedPipe)
	require.ErrorIs(t, w.Aux("a", "b"), io.ErrClosedPipe)
	require.ErrorIs(t, w.Close(), io.ErrClosedPipe)
}
