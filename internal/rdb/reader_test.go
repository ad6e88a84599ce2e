package rdb_test

import (
	"bytes"
	"errors"
	"hash/crc64"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// requireCopies walks in three times: copying every item gives all bytes between the magic and the end, copying
// every other one gives the rest of what skipping leaves out, and a reader of single bytes gives the same items.
func requireCopies(t *testing.T, in string) {
	t.Helper()
	all := readItems(t, strings.NewReader(in), func(int) bool { return true })
	require.Equal(t, all, readItems(t, iotest.OneByteReader(strings.NewReader(in)), func(int) bool { return true }))
	none := readItems(t, strings.NewReader(in), func(int) bool { return false })
	odd := readItems(t, iotest.HalfReader(strings.NewReader(in)), func(i int) bool { return i%2 == 1 })
	require.Len(t, none, len(all))
	require.Len(t, odd, len(all))
	end := int64(9)
	for i, it := range all {
		require.Equal(t, end, it.item.Offset, "items follow one another")
		require.LessOrEqual(t, it.item.HeadBytes, int64(len(it.raw)))
		require.Equal(t, in[end:end+int64(len(it.raw))], it.raw)
		end += int64(len(it.raw))
		require.Equal(t, it.item, none[i].item)
		require.Equal(t, it.item, odd[i].item)
		if i%2 == 1 {
			require.Equal(t, it.raw, odd[i].raw)
		}
	}
	require.LessOrEqual(t, end, int64(len(in)))
}

type readItem struct {
	item rdb.Item
	raw  string
}

func readItems(t *testing.T, in io.Reader, copied func(i int) bool) []readItem {
	t.Helper()
	r, err := rdb.NewReader(in)
	require.NoError(t, err)
	var items []readItem
	for i := 0; ; i++ {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			_, again := r.Next()
			require.Equal(t, io.EOF, again)
			return items
		}
		require.NoError(t, err)
		it := readItem{item: item}
		it.item.Key, it.item.Value = bytes.Clone(item.Key), bytes.Clone(item.Value)
		if copied(i) {
			var raw bytes.Buffer
			require.NoError(t, r.CopyRaw(&raw))
			require.Equal(t, item.Offset+int64(raw.Len()), r.Offset())
			it.raw = raw.String()
			require.NoError(t, r.CopyRaw(&raw), "a second time it writes nothing")
			require.Equal(t, len(it.raw), raw.Len())
		}
		items = append(items, it)
	}
}

func TestReaderItems(t *testing.T) {
	requireCopies(t, sealed(every("REDIS0012", true)))
	requireCopies(t, sealed(every("VALKEY080", false)))

	in := sealed(every("VALKEY080", false))
	items := readItems(t, strings.NewReader(in), func(int) bool { return true })
	for i, want := range []rdb.Item{
		{Kind: rdb.AuxItem, Key: []byte("redis-ver"), Value: []byte("7.4.1")},
		{Kind: rdb.AuxItem, Key: []byte("redis-bits"), Value: []byte("64")},
		{Kind: rdb.AuxItem, Key: []byte("repl-stream-db"), Value: []byte("5")},
		{Kind: rdb.AuxItem, Key: []byte("repl-id"), Value: []byte(strings.Repeat("ab", 20))},
		{Kind: rdb.AuxItem, Key: []byte("repl-offset"), Value: []byte("123456789")},
		{Kind: rdb.AuxItem, Key: []byte("lua")}, // too long to be kept
		{Kind: rdb.ModuleAuxItem},
		{Kind: rdb.FunctionItem},
		{Kind: rdb.FunctionItem},
		{Kind: rdb.SlotImportItem},
		{Kind: rdb.SelectItem},
		{Kind: rdb.ResizeItem},
		{Kind: rdb.KeyItem, Key: []byte("seconds"), HasExpire: true, Expire: 1700000000000},
		{Kind: rdb.KeyItem, Key: []byte("lfu"), HasExpire: true, Expire: 1700000000123, HasFreq: true, Freq: 0x63},
		{Kind: rdb.KeyItem, Key: []byte("lru"), HasIdle: true, Idle: 70000},
		{Kind: rdb.SelectItem, DB: 300},
		{Kind: rdb.ResizeItem, DB: 300},
		{Kind: rdb.KeyItem, DB: 300, Key: []byte("key of string")},
	} {
		got := items[i].item
		require.NotZero(t, got.Offset)
		require.NotZero(t, got.HeadBytes)
		got.Offset, got.HeadBytes = 0, 0
		require.Equal(t, want, got)
	}
	key := items[12]
	require.Equal(t, str("v"), key.raw[key.item.HeadBytes:], "behind the head is the value")
}

// TestReaderKeys has keys in each encoding of a string.
func TestReaderKeys(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"empty":      {"\x00", ""},
		"plain":      {str("key"), "key"},
		"long":       {str(strings.Repeat("k", 300_000)), strings.Repeat("k", 300_000)},
		"int8":       {"\xc0\x80", "-128"},
		"int16":      {"\xc1\xff\x7f", "32767"},
		"int32":      {"\xc2\x00\x00\x00\x80", "-2147483648"},
		"lzf":        {"\xc3" + num(5) + num(41) + "\x00a\xe0\x1f\x00", strings.Repeat("a", 41)},
		"lzf behind": {"\xc3" + num(7) + num(6) + "\x01ab\x20\x01\x00c", "ababac"[:3] + "bac"},
	} {
		t.Run(name, func(t *testing.T) {
			in := unsealed("REDIS0011\x00" + tc.in + str("v"))
			items := readItems(t, strings.NewReader(in), func(int) bool { return true })
			require.Len(t, items, 1)
			require.Equal(t, tc.want, string(items[0].item.Key))
			requireCopies(t, in)
		})
	}
}

// TestReaderRefusesBrokenLZF has keys that must be decompressed and cannot be.
func TestReaderRefusesBrokenLZF(t *testing.T) {
	for name, tc := range map[string]struct {
		compressed string
		length     uint64
	}{
		"literals cut":        {"\x02ab", 3},
		"literals too many":   {"\x02abc", 2},
		"too few":             {"\x02abc", 4},
		"length cut":          {"\x00a\xe0", 40},
		"offset cut":          {"\x00a\x20", 4},
		"long offset cut":     {"\x00a\xe0\x01", 11},
		"before the start":    {"\x00a\x20\x01", 4},
		"copy too long":       {"\x00a\x20\x00", 3},
		"copy of nothing yet": {"\x20\x00", 3},
	} {
		t.Run(name, func(t *testing.T) {
			in := unsealed("REDIS0011\x00\xc3" + num(uint64(len(tc.compressed))) + num(tc.length) + tc.compressed + str("v"))
			r, err := rdb.NewReader(strings.NewReader(in))
			require.NoError(t, err)
			_, err = r.Next()
			var corrupt *rdb.CorruptError
			require.ErrorAs(t, err, &corrupt)
			require.Equal(t, "string does not decompress", corrupt.What)
			_, again := r.Next()
			require.Equal(t, err, again, "final")
		})
	}
}

func TestReaderHeader(t *testing.T) {
	r, err := rdb.NewReader(strings.NewReader(unsealed("VALKEY080")))
	require.NoError(t, err)
	require.Equal(t, rdb.Valkey, r.Dialect())
	require.Equal(t, 80, r.Version())
	require.Equal(t, int64(9), r.Offset())

	_, err = rdb.NewReader(strings.NewReader("no rdb at all"))
	require.EqualError(t, err, `no rdb of a known version: begins with "no rdb at"`)
}

func TestNames(t *testing.T) {
	for _, v := range values {
		require.True(t, strings.HasPrefix(v.name, v.code.String()), v.name)
	}
	require.Equal(t, "zset", rdb.TypeZSet2.Kind())
	require.Equal(t, "hash", rdb.TypeHash2.Kind())
	require.Equal(t, "module", rdb.TypeModule2.Kind())
	require.Equal(t, "stream", rdb.TypeStreamListpacks.Kind())
	require.Equal(t, []string{"unknown", "unknown", "unknown"}, []string{rdb.Type(6).Kind(), rdb.Type(8).Kind(), rdb.Type(26).Kind()})
	require.Equal(t, "8", rdb.Type(8).String())
	require.Equal(t, "200", rdb.Type(200).String())
	require.Equal(t, "redis", rdb.Redis.String())
	require.Equal(t, "valkey", rdb.Valkey.String())
}

// TestReaderAttributesBindToTheNextKey: they outlive other items in between, as in a loader, and end with the key.
func TestReaderAttributesBindToTheNextKey(t *testing.T) {
	in := unsealed("REDIS0011" + "\xfc" + le64(17) + "\xfe\x03" + "\xf9\x07" + "\x00" + str("a") + str("v") + "\x00" + str("b") + str("v"))
	items := readItems(t, strings.NewReader(in), func(int) bool { return true })
	require.Len(t, items, 3)
	require.Equal(t, rdb.SelectItem, items[0].item.Kind)
	require.False(t, items[0].item.HasExpire)
	a, b := items[1].item, items[2].item
	require.True(t, a.HasExpire && a.Expire == 17 && a.HasFreq && a.Freq == 7 && a.DB == 3)
	require.False(t, b.HasExpire || b.HasFreq || b.HasIdle)
}

func TestReaderRest(t *testing.T) {
	tail := strings.Repeat("*1\r\n$4\r\nPING\r\n", 20_000)
	in := sealed(every("REDIS0012", true))
	r, err := rdb.NewReader(strings.NewReader(in + tail))
	require.NoError(t, err)
	for err == nil {
		_, err = r.Next()
	}
	require.Equal(t, io.EOF, err)
	require.Equal(t, int64(len(in)), r.Offset())
	require.True(t, r.Checksummed())
	got, err := io.ReadAll(r.Rest())
	require.NoError(t, err)
	require.Equal(t, tail, string(got))
}

func TestReaderReportsWriteError(t *testing.T) {
	broken := errors.New("broken")
	for _, size := range []int{1, 1 << 20} {
		in := sealed("REDIS0011\x00" + str(strings.Repeat("k", size)) + str(strings.Repeat("v", size)))
		for _, room := range []int{0, 10, size + 10} {
			if room > 2*size {
				continue
			}
			r, err := rdb.NewReader(strings.NewReader(in))
			require.NoError(t, err)
			_, err = r.Next()
			require.NoError(t, err)
			require.ErrorIs(t, r.CopyRaw(&fullWriter{room: room, err: broken}), broken)
			_, err = r.Next()
			require.ErrorIs(t, err, broken, "final")
		}
	}
}

// fullWriter takes room bytes.
type fullWriter struct {
	room int
	err  error
}

func (w *fullWriter) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, w.err
	}
	return len(p), nil
}

// TestReaderMemory: values of any size pass in one buffer, and small entries cost nothing at all.
func TestReaderMemory(t *testing.T) {
	entry := "\xfc" + le64(17) + "\x00" + str("key:000001") + str(strings.Repeat("v", 50)) +
		"\x00\xc3" + num(5) + num(41) + "\x00a\xe0\x1f\x00" + "\xc0\x07" +
		"\x05" + str("zset") + num(1) + str("m") + le64(math.Float64bits(2))
	r, err := rdb.NewReader(io.MultiReader(strings.NewReader("REDIS0011"), strings.NewReader(strings.Repeat(entry, 30_000))))
	require.NoError(t, err)
	_, err = r.Next()
	require.NoError(t, err)
	require.NoError(t, r.Skip())
	for _, pass := range []func(io.Writer) error{r.CopyRaw, func(io.Writer) error { return r.Skip() }} {
		require.Zero(t, testing.AllocsPerRun(20_000, func() {
			if _, err := r.Next(); err != nil {
				panic(err)
			}
			if err := pass(io.Discard); err != nil {
				panic(err)
			}
		}))
	}
}

func TestCRC64(t *testing.T) {
	c := rdb.NewCRC64()
	_, err := io.WriteString(c, "1234")
	require.NoError(t, err)
	_, err = io.WriteString(c, "56789")
	require.NoError(t, err)
	require.Equal(t, uint64(0xe9c6d914c4b8d9ca), c.Sum64())
	require.Equal(t, "x\xca\xd9\xb8\xc4\x14\xd9\xc6\xe9", string(c.Sum([]byte("x"))))
	require.Equal(t, 8, c.Size())
	require.Equal(t, 1, c.BlockSize())

	// hash/crc64 inverts the sum before and after.
	table := crc64.MakeTable(0x95ac9329ac4bc9b5)
	large := bytes.Repeat([]byte("0123456789"), 100)
	for n := range len(large) {
		c.Reset()
		_, err := c.Write(large[:n/3])
		require.NoError(t, err)
		_, err = c.Write(large[n/3 : n])
		require.NoError(t, err)
		require.Equal(t, ^crc64.Update(^uint64(0), table, large[:n]), c.Sum64())
	}
}
