package rdb_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// describe says what is in a value, independent of its encoding; in order where order means something.
func describe(f rdb.Format, t rdb.Type, body []byte) ([]string, error) {
	contents := []string{}
	var err error
	switch t.Kind() {
	case "string":
		var s []byte
		s, err = rdb.DecodeString(body)
		return []string{string(s)}, err
	case "list":
		err = rdb.DecodeList(f, t, body, func(elem []byte) { contents = append(contents, string(elem)) })
		return contents, err
	case "set":
		err = rdb.DecodeSet(f, t, body, func(member []byte) { contents = append(contents, string(member)) })
	case "zset":
		err = rdb.DecodeZSet(f, t, body, func(member []byte, score float64) {
			contents = append(contents, fmt.Sprintf("%s=%v", member, score))
		})
	case "hash":
		err = rdb.DecodeHash(f, t, body, func(field, value []byte, expire int64) {
			s := fmt.Sprintf("%s=%s", field, value)
			if expire != rdb.NoExpire {
				s += fmt.Sprintf(" until %d", expire)
			}
			contents = append(contents, s)
		})
	case "stream":
		var s *rdb.Stream
		s, err = rdb.DecodeStream(f, t, body)
		return []string{fmt.Sprintf("%+v", s)}, err
	default:
		_, err = rdb.CheckValue(f, t, body)
	}
	slices.Sort(contents)
	return contents, err
}

// plain decodes a value and encodes it anew, as a rewrite does. Modules stay as they are.
func plain(tb require.TestingT, f rdb.Format, t rdb.Type, body []byte) (rdb.Type, []byte) {
	var out []byte
	n := uint64(0)
	counted := func(t rdb.Type, err error) (rdb.Type, []byte) {
		require.NoError(tb, err)
		return t, append(rdb.AppendLength(nil, n), out...)
	}
	add := func(s []byte) {
		n++
		out = rdb.AppendString(out, s)
	}
	switch t.Kind() {
	case "string":
		s, err := rdb.DecodeString(body)
		require.NoError(tb, err)
		return rdb.AppendStringValue(nil, s)
	case "list":
		return counted(rdb.TypeList, rdb.DecodeList(f, t, body, add))
	case "set":
		return counted(rdb.TypeSet, rdb.DecodeSet(f, t, body, add))
	case "zset":
		return counted(rdb.TypeZSet2, rdb.DecodeZSet(f, t, body, func(member []byte, score float64) {
			add(member)
			out = rdb.AppendScore(out, score)
		}))
	case "hash":
		return plainHash(tb, f, t, body)
	case "stream":
		s, err := rdb.DecodeStream(f, t, body)
		require.NoError(tb, err)
		return rdb.AppendStream(nil, f, s)
	default:
		return t, body
	}
}

func plainHash(tb require.TestingT, f rdb.Format, t rdb.Type, body []byte) (rdb.Type, []byte) {
	n, soonest := uint64(0), rdb.NoExpire
	require.NoError(tb, rdb.DecodeHash(f, t, body, func(_, _ []byte, expire int64) {
		n++
		if expire != rdb.NoExpire && (soonest == rdb.NoExpire || expire < soonest) {
			soonest = expire
		}
	}))
	code, out := rdb.AppendHashHead(nil, f, n, soonest)
	require.NoError(tb, rdb.DecodeHash(f, t, body, func(field, value []byte, expire int64) {
		out = rdb.AppendHashField(out, code, soonest, field, value, expire)
	}))
	return code, out
}

func TestDecodeOldEncodings(t *testing.T) {
	f := rdb.Format{Version: 9}
	for _, v := range old {
		got, err := describe(f, v.code, []byte(v.body))
		require.NoError(t, err, "%s", v.code)
		require.Equal(t, v.contents, got, "%s", v.code)
		info, err := rdb.CheckValue(f, v.code, []byte(v.body))
		require.NoError(t, err)
		require.Equal(t, int64(len(v.contents)), info.Elements)
	}
}

func TestDecodeFieldExpiry(t *testing.T) {
	pack := str(aListpack("a", "1", "1700000000000", "2", "b", "0"))
	for _, v := range []struct {
		dialect rdb.Dialect
		code    rdb.Type
		body    string
	}{
		{rdb.Valkey, rdb.TypeHash2, num(2) + str("a") + "\xc0\x01" + le64(1700000000000) + "\xc0\x02" + str("b") + le64(math.MaxUint64)},
		{rdb.Redis, rdb.TypeHashMetadataPreGA, num(2) + num(1700000000000) + str("a") + "\xc0\x01" + num(0) + "\xc0\x02" + str("b")},
		{rdb.Redis, rdb.TypeHashMetadata, le64(1699999999000) + num(2) + num(1001) + str("a") + "\xc0\x01" + num(0) + "\xc0\x02" + str("b")},
		{rdb.Redis, rdb.TypeHashListpackExPre, pack},
		{rdb.Redis, rdb.TypeHashListpackEx, le64(1700000000000) + pack},
	} {
		f := rdb.Format{Dialect: v.dialect, Version: 12}
		want := []string{"2=b", "a=1 until 1700000000000"}
		got, err := describe(f, v.code, []byte(v.body))
		require.NoError(t, err, "%s %s", v.dialect, v.code)
		require.Equal(t, want, got)
		info, err := rdb.CheckValue(f, v.code, []byte(v.body))
		require.NoError(t, err)
		require.Equal(t, rdb.ValueInfo{Elements: 2, Expires: 1}, info)
		code, body := plain(t, f, v.code, []byte(v.body))
		got, err = describe(f, code, body)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// TestDecodeWhatReaderFinds: every value that the Reader's tests have, but for those that are empty where nothing may be.
func TestDecodeWhatReaderFinds(t *testing.T) {
	for _, v := range values {
		f := rdb.Format{Dialect: rdb.Redis, Version: 12}
		if v.valkey {
			f = rdb.Format{Dialect: rdb.Valkey, Version: 80}
		}
		info, err := rdb.CheckValue(f, v.code, []byte(v.body))
		if v.code.Kind() == "stream" {
			require.ErrorContains(t, err, "missing entry", v.name) // of its node
			continue
		}
		require.NoError(t, err, v.name)
		if strings.Contains(v.name, "pack") || strings.Contains(v.name, "zip") || v.code == rdb.TypeListQuicklist {
			continue
		}
		if v.code.Kind() != "module" {
			require.Positive(t, info.Elements, v.name)
		}
		code, body := plain(t, f, v.code, []byte(v.body))
		want, err := describe(f, v.code, []byte(v.body))
		require.NoError(t, err)
		got, err := describe(f, code, body)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// TestDecodeDamaged cuts and damages the values of real servers: each cut shows, and nothing panics.
func TestDecodeDamaged(t *testing.T) {
	for family, of := range families {
		f := rdb.Format{Dialect: of.dialect, Version: of.version}
		for _, it := range readItems(t, strings.NewReader(readGolden(t, family+".rdb")), func(int) bool { return true }) {
			if it.item.Kind != rdb.KeyItem {
				continue
			}
			body := []byte(it.raw[it.item.HeadBytes:])
			_, err := rdb.CheckValue(f, it.item.Type, body)
			require.NoError(t, err, "%s %q", family, it.item.Key)
			_, err = rdb.CheckValue(f, it.item.Type, append(slices.Clone(body), 0))
			require.ErrorContains(t, err, "bytes after the end")
			for i := 0; i < len(body); i += 1 + len(body)/100 {
				_, err = rdb.CheckValue(f, it.item.Type, body[:i])
				require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s %q cut at %d", family, it.item.Key, i)
				bad := slices.Clone(body)
				bad[i] ^= 0xFF
				_, _ = rdb.CheckValue(f, it.item.Type, bad)
			}
		}
	}
}

var redis12 = rdb.Format{Dialect: rdb.Redis, Version: 12}

func TestDecodeRefuses(t *testing.T) {
	corruptPack := func(change func(p []byte)) string {
		p := []byte(aListpack("a", "1", "b", "2"))
		change(p)
		return str(string(p))
	}
	for name, v := range map[string]struct {
		code rdb.Type
		body string
	}{
		"odd hash":                 {rdb.TypeHashListpack, str(aListpack("a", "1", "b"))},
		"odd zset":                 {rdb.TypeZSetListpack, str(aListpack("a", "1", "b"))},
		"hash without an expiry":   {rdb.TypeHashListpackEx, le64(0) + str(aListpack("a", "1"))},
		"negative field expiry":    {rdb.TypeHashListpackEx, le64(0) + str(aListpack("a", "1", "-1"))},
		"text as field expiry":     {rdb.TypeHashListpackEx, le64(0) + str(aListpack("a", "1", "x"))},
		"field expiry too far":     {rdb.TypeHashMetadata, le64(1<<48-1) + num(1) + num(2) + str("f") + str("v")},
		"field expiry over 64 bit": {rdb.TypeHashMetadata, le64(1<<48-1) + num(1) + num(math.MaxUint64) + str("f") + str("v")},
		"soonest expiry too far":   {rdb.TypeHashMetadata, le64(1<<48) + num(1) + num(0) + str("f") + str("v")},
		"score of a word":          {rdb.TypeZSetListpack, str(aListpack("a", "x"))},
		"score of nan":             {rdb.TypeZSetListpack, str(aListpack("a", "nan"))},
		"score of nan, old":        {rdb.TypeZSet, num(1) + str("a") + "\xfd"},
		"score of nothing, old":    {rdb.TypeZSet, num(1) + str("a") + "\x00"},
		"score of nan, binary":     {rdb.TypeZSet2, num(1) + str("a") + le64(math.Float64bits(math.NaN()))},
		"listpack size":            {rdb.TypeHashListpack, corruptPack(func(p []byte) { p[0]++ })},
		"listpack count":           {rdb.TypeHashListpack, corruptPack(func(p []byte) { p[4]++ })},
		"listpack end":             {rdb.TypeHashListpack, corruptPack(func(p []byte) { p[len(p)-1] = 0 })},
		"listpack entry":           {rdb.TypeHashListpack, corruptPack(func(p []byte) { p[6] = 0xF5 })},
		"listpack back length":     {rdb.TypeHashListpack, corruptPack(func(p []byte) { p[8]++ })},
		"listpack in an integer":   {rdb.TypeHashListpack, "\xc0\x05"},
		"ziplist tail":             {rdb.TypeListZiplist, str(strings.Replace(aZiplist("a", "b"), le32(13), le32(10), 1))},
		"ziplist entry before":     {rdb.TypeListZiplist, str(strings.Replace(aZiplist("a", "b"), "\x03\x01b", "\x02\x01b", 1))},
		"ziplist count":            {rdb.TypeListZiplist, str(strings.Replace(aZiplist("a", "b"), "\x02\x00", "\x03\x00", 1))},
		"ziplist entry":            {rdb.TypeListZiplist, str(strings.Replace(aZiplist("a", "b"), "\x03\x01b", "\x03\xfab", 1))},
		"intset width":             {rdb.TypeSetIntset, str(le32(3) + le32(1) + "abc")},
		"intset count":             {rdb.TypeSetIntset, str(le32(2) + le32(2) + "ab")},
		"intset order":             {rdb.TypeSetIntset, str(le32(2) + le32(2) + "\x02\x00\x01\x00")},
		"intset twice":             {rdb.TypeSetIntset, str(le32(2) + le32(2) + "\x02\x00\x02\x00")},
		"zipmap count":             {rdb.TypeHashZipmap, str("\x02\x01a\x01\x00b\xff")},
		"zipmap end":               {rdb.TypeHashZipmap, str("\x01\x01a\x01\x00b\xfe")},
		"zipmap cut":               {rdb.TypeHashZipmap, str("\x01\x01a\x05\x00b\xff")},
		"zipmap size":              {rdb.TypeHashZipmap, str("\x01\xfe\xff\xff\xff\xffa\x05\x00b\xff")},
		"quicklist container":      {rdb.TypeListQuicklist2, num(1) + num(3) + str(aListpack("a"))},
		"more than there is":       {rdb.TypeSet, num(1<<40) + str("a")},
		"encoded count":            {rdb.TypeSet, "\xc0\x01" + str("a")},
		"module part":              {rdb.TypeModule2, num(1<<60) + num(6)},
		"unknown type":             {99, ""},
		"pre-release module":       {6, ""},
	} {
		_, err := rdb.CheckValue(redis12, v.code, []byte(v.body))
		require.Error(t, err, name)
		var corrupt *rdb.CorruptError
		var unknown *rdb.UnknownError
		if name == "module part" || v.code > 30 || v.code == 6 {
			require.ErrorAs(t, err, &unknown, name)
		} else {
			require.ErrorAs(t, err, &corrupt, name)
		}
	}
}

func TestDecodeWrongType(t *testing.T) {
	pair := func(_, _ []byte, _ int64) {}
	one := func([]byte) {}
	require.ErrorContains(t, rdb.DecodeList(redis12, rdb.TypeSet, nil, one), "another type: set")
	require.ErrorContains(t, rdb.DecodeSet(redis12, rdb.TypeList, nil, one), "another type: list")
	require.ErrorContains(t, rdb.DecodeHash(redis12, rdb.TypeString, nil, pair), "another type: string")
	require.ErrorContains(t, rdb.DecodeZSet(redis12, rdb.TypeHash, nil, nil), "another type: hash")
	_, err := rdb.DecodeStream(redis12, rdb.TypeHash, nil)
	require.ErrorContains(t, err, "another type: hash")
}

// TestDecodeDoesNotAllocatePerElement: a value of a thousand elements costs no more than one of ten.
func TestDecodeDoesNotAllocatePerElement(t *testing.T) {
	bodies := func(n int) map[rdb.Type]string {
		var elements []string
		counted := num(uint64(n))
		var list, zset, hash2 strings.Builder
		for i := range n {
			e := strconv.Itoa(i * 1_000_003)
			elements = append(elements, "element "+e, e)
			list.WriteString(str("element " + e))
			zset.WriteString("\xc2" + le32(uint32(i*1_000_003)) + le64(uint64(i)))
			hash2.WriteString(str(e) + str(e) + le64(uint64(i)))
		}
		pack := str(aListpack(elements...))
		return map[rdb.Type]string{
			rdb.TypeList: counted + list.String(), rdb.TypeSet: counted + list.String(), rdb.TypeZSet2: counted + zset.String(),
			rdb.TypeListQuicklist2: num(2) + num(2) + pack + num(2) + pack, rdb.TypeHashListpack: pack, rdb.TypeZSetListpack: pack,
			rdb.TypeSetListpack: pack, rdb.TypeHash2: counted + hash2.String(),
		}
	}
	valkey := rdb.Format{Dialect: rdb.Valkey, Version: 80}
	costs := func(code rdb.Type, body string) float64 {
		p := []byte(body)
		return testing.AllocsPerRun(10, func() {
			if _, err := rdb.CheckValue(valkey, code, p); err != nil {
				panic(err)
			}
		})
	}
	small, large := bodies(10), bodies(1000)
	for code := range small {
		require.LessOrEqual(t, costs(code, large[code]), costs(code, small[code])+2, "%s", code) // scratch may grow
	}
}

// hostileValues announce far more than they have.
var hostileValues = []struct {
	code rdb.Type
	body string
}{
	{rdb.TypeString, "\x81\x00\x00\x00\xff\xff\xff\xff\xff"},
	{rdb.TypeString, "\xc3\x81\x00\x00\x00\xff\xff\xff\xff\xff\x81\x00\x00\x00\xff\xff\xff\xff\xff\xff"},
	{rdb.TypeString, "\xc3" + num(5) + num(440) + "\xff\xff\xff\xff\xff"},
	{rdb.TypeList, num(1 << 40)},
	{rdb.TypeSet, num(math.MaxUint64)},
	{rdb.TypeHash, num(1<<32) + str("f")},
	{rdb.TypeZSet2, num(1 << 33)},
	{rdb.TypeListQuicklist2, num(1<<40) + num(2) + str(emptyListpack)},
	{rdb.TypeListQuicklist, num(1 << 40)},
	{rdb.TypeSetIntset, str(le32(8) + le32(math.MaxUint32))},
	{rdb.TypeHashListpack, str(le32(math.MaxUint32) + "\x00\x00\xff")},
	{rdb.TypeHashListpack, str(le32(13) + "\x01\x00\xf0\xff\xff\xff\xff\xff\xff")},
	{rdb.TypeStreamListpacks3, num(1 << 40)},
	{rdb.TypeStreamListpacks3, num(1) + str(strings.Repeat("i", 16)) + str(aListpack("9223372036854775807", "0", "9223372036854775807", "0"))},
	{rdb.TypeStreamListpacks, num(1) + str(strings.Repeat("i", 16)) + str(aListpack("0", "1", "9223372036854775807", "0"))},
	{rdb.TypeStreamListpacks3, num(0) + strings.Repeat(num(0), 8) + num(1) + str("g") + num(0) + num(0) + num(0) + num(1<<40)},
	{rdb.TypeModule2, num(1) + num(5) + num(1<<40)},
}

func TestDecodeDoesNotTrustLengths(t *testing.T) {
	for _, v := range hostileValues {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := rdb.CheckValue(redis12, v.code, []byte(v.body))
		runtime.ReadMemStats(&after)
		require.Error(t, err, "%s %q", v.code, v.body)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<10))
	}
}

// FuzzDecode: nothing panics; what decodes is the same after it was encoded anew.
func FuzzDecode(f *testing.F) {
	add := func(dialect rdb.Dialect, code rdb.Type, body string) {
		if len(body) < 2000 {
			f.Add(byte(dialect), byte(code), []byte(body))
		}
	}
	for _, v := range hostileValues {
		add(rdb.Redis, v.code, v.body)
	}
	for _, v := range values {
		add(rdb.Redis, v.code, v.body)
		add(rdb.Valkey, v.code, v.body)
	}
	for _, v := range old {
		add(rdb.Redis, v.code, v.body)
	}
	for _, family := range []string{"redis-8.0", "valkey-9.1"} {
		in := readGolden(f, family+"-save.rdb")
		r, err := rdb.NewReader(strings.NewReader(in))
		require.NoError(f, err)
		for item, err := r.Next(); err == nil; item, err = r.Next() {
			var raw bytes.Buffer
			require.NoError(f, r.CopyRaw(&raw))
			if item.Kind == rdb.KeyItem {
				add(r.Dialect(), item.Type, raw.String()[item.HeadBytes:])
			}
		}
	}
	f.Fuzz(func(t *testing.T, dialect, code byte, body []byte) {
		format := rdb.Format{Dialect: rdb.Dialect(dialect & 1), Version: 80}
		want, err := describe(format, rdb.Type(code), body)
		info, errCheck := rdb.CheckValue(format, rdb.Type(code), body)
		if err != nil {
			require.Error(t, errCheck)
			return
		}
		if errCheck != nil { // a type of the other dialect
			var unknown *rdb.UnknownError
			require.ErrorAs(t, errCheck, &unknown)
			return
		}
		if kind := rdb.Type(code).Kind(); kind == "list" || kind == "set" || kind == "hash" || kind == "zset" {
			require.Len(t, want, int(info.Elements))
		}
		again, encoded := plain(t, format, rdb.Type(code), body)
		got, err := describe(format, again, encoded)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

// TestDecodeEncoded: what rapid makes up comes back, in the plain encodings and in listpacks.
func TestDecodeEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		elements := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return string(drawString(t)) }), 0, 30).Draw(t, "elements")
		list := rdb.AppendLength(nil, uint64(len(elements)))
		pack := rdb.NewListpack()
		for _, e := range elements {
			list = rdb.AppendString(list, []byte(e))
			pack = pack.AppendString([]byte(e))
		}
		got, err := describe(redis12, rdb.TypeList, list)
		require.NoError(t, err)
		require.True(t, slices.Equal(elements, got))
		got, err = describe(redis12, rdb.TypeListQuicklist2, rdb.AppendString([]byte(num(1)+num(2)), pack))
		require.NoError(t, err)
		require.True(t, slices.Equal(elements, got))
	})
}
