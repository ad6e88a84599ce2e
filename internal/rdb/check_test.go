package rdb_test

import (
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

func check(in string) (rdb.Summary, error) { return rdb.Check(strings.NewReader(in)) }

func TestCheckSummary(t *testing.T) {
	for _, tc := range []struct {
		magic   string
		redis   bool
		dialect rdb.Dialect
		version int
	}{
		{"REDIS0012", true, rdb.Redis, 12},
		{"REDIS0005", true, rdb.Redis, 5},
		{"VALKEY080", false, rdb.Valkey, 80},
	} {
		t.Run(tc.magic, func(t *testing.T) {
			in := sealed(every(tc.magic, tc.redis))
			got, err := check(in)
			require.NoError(t, err)
			types, typed := map[rdb.Type]int64{0: 3}, int64(0)
			for _, v := range values {
				if tc.redis && v.redis || !tc.redis && v.valkey {
					types[v.code]++
					typed++
				}
			}
			require.Equal(t, rdb.Summary{
				Dialect: tc.dialect, Version: tc.version, Bytes: int64(len(in)), ServerVersion: "7.4.1",
				ReplID: strings.Repeat("ab", 20), ReplOffset: 123456789, HasRepl: true, StreamDB: 5,
				Keys: typed + 3, Expires: 2, KeysByDB: map[int]int64{0: 3, 300: typed}, KeysByType: types,
				Functions: 2, MaxDB: 300, Checksummed: true,
			}, got)

			small, err := rdb.Check(iotest.OneByteReader(strings.NewReader(in)))
			require.NoError(t, err)
			require.Equal(t, got, small, "pieces do not matter")
		})
	}
}

func TestCheckWithoutChecksum(t *testing.T) {
	old := "REDIS0004\xfe\x00\x00" + str("k") + str("v") + "\xff"
	for name, in := range map[string]string{"old version": old, "rdbchecksum no": unsealed("REDIS0011\x00" + str("k") + str("v"))} {
		t.Run(name, func(t *testing.T) {
			got, err := check(in)
			require.NoError(t, err)
			require.False(t, got.Checksummed)
			require.Equal(t, int64(1), got.Keys)
			require.Equal(t, int64(len(in)), got.Bytes)
		})
	}
}

func TestCheckUnsupported(t *testing.T) {
	for _, in := range []string{
		"REDIS0000", "REDIS-001", "REDIS+001", "REDIS 011", "REDISxxxx", "redis0011",
		"REDIS 013", "REDIS+013", "REDIS1_00", "VALKEY000", "VALKEY011", "VALKEY079", "VALKEY+81", "VALKEYxxx", "*2\r\n$6\r\nS", "\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	} {
		_, err := check(unsealed(in))
		var unsupported *rdb.UnsupportedError
		require.ErrorAs(t, err, &unsupported, in)
		require.Equal(t, in[:9], unsupported.Magic)
	}
}

// TestCheckRefuses has files that only their structure gives away: none has a CRC64.
func TestCheckRefuses(t *testing.T) {
	const redis, valkey = "REDIS0011", "VALKEY080"
	key := func(code byte, body string) string { return redis + string([]byte{code}) + str("k") + body }
	nan := le64(math.Float64bits(math.NaN()))
	for name, tc := range map[string]struct{ in, what string }{
		"empty":                     {"", "ends too early"},
		"half a magic":              {"REDIS", "ends too early"},
		"bytes after the end":       {unsealed(redis) + "x", "bytes after the end"},
		"length code 82":            {unsealed(redis + "\x00\x82"), "unknown length encoding"},
		"length code bf":            {unsealed(redis + "\xfe\xbf"), "unknown length encoding"},
		"string code 4":             {unsealed(redis + "\x00\xc4"), "unknown string encoding"},
		"number as string":          {unsealed(redis + "\xfe\xc0\x01"), "string encoding where a number must be"},
		"db too large":              {unsealed(redis + "\xfe" + num(1<<31)), "database number too large"},
		"db huge":                   {unsealed(redis + "\xfe" + num(math.MaxUint64)), "database number too large"},
		"key too long":              {unsealed(redis + "\x00" + num(512<<20+1)), "key too long"},
		"key lzf too long":          {unsealed(redis + "\x00\xc3" + num(512<<20) + num(512<<20+1)), "key too long"},
		"key lzf broken":            {unsealed(redis + "\x00\xc3" + num(2) + num(9) + "\x05a" + str("v")), "string does not decompress"},
		"lzf of nothing":            {unsealed(key(0, "\xc3"+num(0)+num(4))), "impossible compression"},
		"lzf to nothing":            {unsealed(key(0, "\xc3"+num(4)+num(0)+"aaaa")), "impossible compression"},
		"lzf bomb":                  {unsealed(key(0, "\xc3"+num(4)+num(353)+"aaaa")), "impossible compression"},
		"lzf size overflows":        {unsealed(key(0, "\xc3"+num(math.MaxUint64)+num(5))), "string too long"},
		"string huge":               {unsealed(key(0, num(1<<40+1))), "string too long"},
		"string 2^64-1":             {unsealed(key(0, num(math.MaxUint64))), "string too long"},
		"string cut":                {unsealed(key(0, num(1<<40))), "ends too early"},
		"list count huge":           {unsealed(key(1, num(math.MaxUint64))), "count too large"},
		"list count cut":            {key(1, num(1<<40)), "ends too early"},
		"hash count cut":            {key(4, num(1<<40)), "ends too early"},
		"zset nan":                  {unsealed(key(3, num(1)+str("m")+"\xfd")), "score is not a number"},
		"zset 2 nan":                {unsealed(key(5, num(1)+str("m")+nan)), "score is not a number"},
		"module of release cand.":   {unsealed(key(6, num(1))), "module value of a pre-release format"},
		"function of release cand.": {unsealed(redis + "\xf6" + str("x")), "function of a pre-release format"},
		"module aux":                {unsealed(redis + "\xf7" + num(1) + num(1) + num(1) + num(0)), "module data without a place"},
		"listpack size":             {unsealed(key(16, str(le32(8)+"\x00\x00\xff"))), "header of an encoded value is wrong"},
		"listpack short":            {unsealed(key(16, str(le32(6)+"\x00\xff"))), "header of an encoded value is wrong"},
		"listpack end":              {unsealed(key(17, str(le32(7)+"\x00\x00\xfe"))), "encoded value without its last byte"},
		"listpack empty string":     {unsealed(key(20, str(""))), "header of an encoded value is wrong"},
		"listpack integer":          {unsealed(key(20, "\xc0\x01")), "header of an encoded value is wrong"},
		"ziplist size":              {unsealed(key(10, str(le32(12)+le32(10)+"\x00\x00\xff"))), "header of an encoded value is wrong"},
		"ziplist tail":              {unsealed(key(12, str(le32(11)+le32(11)+"\x00\x00\xff"))), "header of an encoded value is wrong"},
		"ziplist end":               {unsealed(key(13, str(le32(11)+le32(10)+"\x00\x00\x00"))), "encoded value without its last byte"},
		"intset width":              {unsealed(key(11, str(le32(3)+le32(1)+"abc"))), "header of an encoded value is wrong"},
		"intset count":              {unsealed(key(11, str(le32(2)+le32(2)+"ab"))), "header of an encoded value is wrong"},
		"intset empty":              {unsealed(key(11, str(le32(2)+le32(0)))), "header of an encoded value is wrong"},
		"intset short":              {unsealed(key(11, str(le32(2)))), "header of an encoded value is wrong"},
		"quicklist container":       {unsealed(key(18, num(1)+num(3)+str("x"))), "unknown container in a quicklist"},
		"stream id":                 {unsealed(key(15, num(1)+str("short")+str(emptyListpack))), "stream node without an id"},
		"stream length":             {unsealed(key(15, num(0)+num(1)+num(0)+num(0)+num(0))), "stream with a length and without nodes"},
		"stream pending huge":       {unsealed(key(15, num(0)+num(0)+num(0)+num(0)+num(1)+str("g")+num(0)+num(0)+num(math.MaxUint64))), "count too large"},
		"field expiry":              {unsealed(key(24, le64(1<<48)+num(0))), "impossible field expiry"},
		"slots cut":                 {valkey + "\xf3" + str("job") + num(1<<40), "ends too early"},
		"aux cut":                   {unsealed(redis + "\xfa" + str("lua") + num(1<<40)), "ends too early"},
		"checksum":                  {redis + "\xff" + "12345678", "checksum is"},
		"checksum cut":              {redis + "\xff" + "1234567", "ends too early"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := check(tc.in)
			var corrupt *rdb.CorruptError
			require.ErrorAs(t, err, &corrupt)
			require.Contains(t, corrupt.What, tc.what)
			require.LessOrEqual(t, corrupt.Offset, int64(len(tc.in)))
			require.Equal(t, corrupt.What == "ends too early", errors.Is(err, io.ErrUnexpectedEOF))
		})
	}
}

func TestCheckUnknown(t *testing.T) {
	before := "\x00" + str("k") + str("v")
	for name, tc := range map[string]struct {
		in   string
		want rdb.UnknownError
	}{
		"type 8":           {"REDIS0011" + before + "\x08", rdb.UnknownError{Offset: 14, What: "type or opcode", Code: 8}},
		"type 26":          {"REDIS0012" + before + "\x1a", rdb.UnknownError{Offset: 14, What: "type or opcode", Code: 26}},
		"redis in valkey":  {"VALKEY080" + before + "\x18", rdb.UnknownError{Offset: 14, What: "type or opcode", Code: 24}},
		"slot info valkey": {"VALKEY080" + before + "\xf4", rdb.UnknownError{Offset: 14, What: "type or opcode", Code: 0xf4}},
		"slot import":      {"REDIS0012" + before + "\xf3", rdb.UnknownError{Offset: 14, What: "type or opcode", Code: 0xf3}},
		"module opcode":    {"REDIS0011" + before + "\x07" + str("m") + num(1) + num(6), rdb.UnknownError{Offset: 18, What: "module opcode", Code: 6}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, rest := range []string{"", "whatever a newer server writes", strings.Repeat("long ", 100_000)} {
				got, err := check(sealed(tc.in + rest))
				require.NoError(t, err)
				require.Equal(t, &tc.want, got.Unwalked)
				require.True(t, got.Checksummed)
				require.Equal(t, int64(len(tc.in+rest)+9), got.Bytes)

				_, err = check(sealed(tc.in+rest) + "x")
				require.ErrorContains(t, err, "corrupt rdb", "something after the end")
				flipped := []byte(sealed(tc.in + rest))
				flipped[len(tc.in)-3] ^= 1
				_, err = check(string(flipped))
				require.Error(t, err, "the CRC64 still counts")
			}
			_, err := check(tc.in)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		})
	}
	require.EqualError(t, &rdb.UnknownError{Offset: 14, What: "module opcode", Code: 6}, "unknown rdb module opcode 6 at byte 14")
}

func TestCheckUnknownWithoutChecksum(t *testing.T) {
	got, err := check("REDIS0004\x1awhatever\xff")
	require.NoError(t, err)
	require.NotNil(t, got.Unwalked)
	require.False(t, got.Checksummed)
	_, err = check("REDIS0004\x1awhatever")
	require.ErrorContains(t, err, "no end where it must be")
}

// TestCheckOddAux: what a loader passes over is no error.
func TestCheckOddAux(t *testing.T) {
	aux := func(name, value string) string { return "\xfa" + str(name) + str(value) }
	got, err := check(sealed("REDIS0011" + aux("repl-id", "short") + aux("repl-offset", "7") + aux("repl-stream-db", "-1") + aux("", "")))
	require.NoError(t, err)
	require.False(t, got.HasRepl)
	require.Zero(t, got.ReplOffset)
	require.Zero(t, got.StreamDB)

	got, err = check(sealed("REDIS0011" + aux("repl-id", strings.Repeat("a", 40)) + aux("repl-offset", "x")))
	require.NoError(t, err)
	require.False(t, got.HasRepl)
	require.Empty(t, got.ReplID)
}

// TestCheckManyDatabases: a file cannot make the summary grow without end.
func TestCheckManyDatabases(t *testing.T) {
	var b strings.Builder
	b.WriteString("REDIS0011")
	const dbs = 70_000
	for db := range uint64(dbs) {
		b.WriteString("\xfe" + num(db) + "\x00\x00\x00")
	}
	got, err := check(sealed(b.String()))
	require.NoError(t, err)
	require.Equal(t, int64(dbs), got.Keys)
	require.Len(t, got.KeysByDB, 1<<16)
	require.Equal(t, dbs-1, got.MaxDB)
}

func TestCheckReportsReadError(t *testing.T) {
	broken := errors.New("broken")
	in := sealed(every("REDIS0012", true))
	for _, n := range []int{0, 5, 9, 100, len(in) - 1, len(in)} {
		_, err := rdb.Check(io.MultiReader(strings.NewReader(in[:n]), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken, "after %d bytes", n)
		_, err = rdb.Check(io.MultiReader(strings.NewReader(in[:n]), emptyReader{}))
		require.ErrorIs(t, err, io.ErrNoProgress, "after %d bytes", n)
	}
}

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }

// TestCheckDetectsDamage: no flipped byte, no cut, no missing and no doubled byte goes unnoticed.
func TestCheckDetectsDamage(t *testing.T) {
	for _, magic := range []string{"REDIS0012", "VALKEY080"} {
		in := sealed(strings.Replace(every(magic, magic[0] == 'R'), str(strings.Repeat("x", 200_000)), str("y"), 1))
		_, err := check(in)
		require.NoError(t, err)
		for i := range len(in) {
			for _, bits := range []byte{0xff, 0x10} {
				bad := []byte(in)
				bad[i] ^= bits
				_, err := check(string(bad))
				require.Error(t, err, "byte %d of %s flipped by %x", i, magic, bits)
			}
			_, err := check(in[:i])
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d", i)
			_, err = check(in[:i] + in[i+1:])
			require.Error(t, err, "without byte %d", i)
			_, err = check(in[:i] + in[i:i+1] + in[i:])
			require.Error(t, err, "byte %d twice", i)
		}
	}
}

// hostile are files that announce much and have little.
var hostile = []string{
	"REDIS0011\x00" + num(512<<20),
	"REDIS0011\x00\xc3" + num(512<<20) + num(512<<20),
	"REDIS0011\x00\xc3" + num(5) + num(400) + "\x00a\xff",
	"REDIS0011\x00" + num(1) + "k" + num(1<<40),
	"REDIS0011\x01" + num(1) + "k" + num(1<<40),
	"REDIS0011\x12" + num(1) + "k" + num(1<<40),
	"REDIS0011\x15" + num(1) + "k" + num(1<<40),
	"REDIS0011\x15" + num(1) + "k" + num(math.MaxUint64),
	"REDIS0011\x07" + num(1) + "k" + num(math.MaxUint64),
	"REDIS0011\xfa" + num(512<<20),
	"REDIS0011\xfa\x00" + num(1<<40),
	"REDIS0011\xf5" + num(1<<40),
	"VALKEY080\xf3" + num(1<<40),
	"VALKEY080\xf3\x00" + num(1<<40),
	"REDIS0013\xfa" + num(512<<20),
	"VALKEY081\xfa\x00" + num(1<<40),
}

func TestCheckDoesNotTrustLengths(t *testing.T) {
	for _, in := range hostile {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := check(in)
		runtime.ReadMemStats(&after)
		require.Error(t, err)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	}
}

// FuzzCheck: Check never panics, and gives the same however the input is cut; what it accepts, a Reader copies byte by byte.
func FuzzCheck(f *testing.F) {
	for _, in := range hostile {
		f.Add([]byte(in))
	}
	f.Add([]byte(unsealed("REDIS0011")))
	for _, body := range laterBodies {
		if len(body) < 1000 {
			f.Add([]byte(unsealed("REDIS0013" + replAux + body)))
			f.Add([]byte(sealed("VALKEY081" + replAux + body)))
		}
	}
	for _, v := range values {
		if len(v.body) < 1000 {
			f.Add([]byte(unsealed("REDIS0012" + string([]byte{byte(v.code)}) + str("k") + v.body)))
			f.Add([]byte(unsealed("VALKEY080" + string([]byte{byte(v.code)}) + str("k") + v.body)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := string(data)
		got, err := check(in)
		again, errAgain := rdb.Check(iotest.OneByteReader(strings.NewReader(in)))
		require.Equal(t, got, again)
		require.Equal(t, err, errAgain)
		if err == nil {
			require.Equal(t, int64(len(in)), got.Bytes)
			if _, err := rdb.NewReader(strings.NewReader(in)); err != nil {
				require.NotNil(t, got.Unwalked, "a later version")
				require.Zero(t, got.Keys)
			}
			if got.Unwalked == nil {
				requireCopies(t, in)
			}
		}
	})
}
