package rdb_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

func TestParseDump(t *testing.T) {
	dump := rdb.AppendDump([]byte("before"), redis12, rdb.TypeList, []byte(num(1)+str("a")))[len("before"):]
	code, body, err := rdb.ParseDump(redis12, dump)
	require.NoError(t, err)
	require.Equal(t, rdb.TypeList, code)
	require.Equal(t, num(1)+str("a"), string(body))
	for i := range dump {
		dump[i] ^= 1
		_, _, err = rdb.ParseDump(redis12, dump)
		require.Error(t, err, "byte %d", i)
		dump[i] ^= 1
		_, _, err = rdb.ParseDump(redis12, dump[:i])
		require.Error(t, err)
	}
}

// TestParseDumpByFormat: what a payload's version and type mean depends on whose it is.
func TestParseDumpByFormat(t *testing.T) {
	valkey := rdb.Format{Dialect: rdb.Valkey, Version: 80}
	redis7 := rdb.Format{Dialect: rdb.Redis, Version: 10}
	for _, v := range []struct {
		from, to rdb.Format
		code     rdb.Type
		taken    bool
	}{
		{redis7, redis12, rdb.TypeHash, true},
		{redis12, redis7, rdb.TypeHash, false},
		{redis7, valkey, rdb.TypeHash, true},
		{valkey, redis12, rdb.TypeHash, false},
		{valkey, valkey, rdb.TypeHash2, true},
		{redis12, redis12, rdb.TypeHashMetadata, true},
		{redis12, valkey, rdb.TypeHashMetadata, false},
		{redis12, redis12, 8, false},
	} {
		_, _, err := rdb.ParseDump(v.to, rdb.AppendDump(nil, v.from, v.code, nil))
		if v.taken {
			require.NoError(t, err)
			continue
		}
		var unknown *rdb.UnknownError
		require.ErrorAs(t, err, &unknown)
	}
}

func TestParseFunctionDump(t *testing.T) {
	payload := func(libraries string) []byte { // the first code is where the type is in other payloads
		return rdb.AppendDump(nil, redis12, rdb.Type(libraries[0]), []byte(libraries[1:]))
	}
	got, err := rdb.ParseFunctionDump(redis12, payload("\xf5"+str("#!lua name=a")+"\xf5\xc3"+num(5)+num(40)+"\x00a\xe0\x1e\x00\xf5"+str("")))
	require.NoError(t, err)
	require.Equal(t, [][]byte{[]byte("#!lua name=a"), []byte("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), {}}, got)
	for _, bad := range []string{"\xf6" + str("x"), "\xf5\x05abc", "\xf5" + str("x") + "\x00", "\xfa"} {
		_, err = rdb.ParseFunctionDump(redis12, payload(bad))
		require.Error(t, err, "%q", bad)
	}
}

// FuzzParseDump: nothing panics, and what is taken apart is put together again.
func FuzzParseDump(f *testing.F) {
	f.Add(rdb.AppendDump(nil, redis12, rdb.TypeList, []byte(num(1)+str("a"))))
	f.Add(rdb.AppendDump(nil, redis12, 0xF5, []byte(str("#!lua name=a"))))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, p := range [][]byte{payload, rdb.AppendDump(nil, redis12, rdb.TypeString, payload), rdb.AppendDump(nil, redis12, 0xF5, payload)} {
			_, _ = rdb.ParseFunctionDump(redis12, p)
			code, body, err := rdb.ParseDump(redis12, p)
			if err == nil && p[len(p)-10] == 12 && p[len(p)-9] == 0 {
				require.Equal(t, p, rdb.AppendDump(nil, redis12, code, body))
			}
		}
	})
}
