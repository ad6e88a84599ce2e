package rdb_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// TestValuesOfServers takes every value that a server dumps, compares what is in it with what the server says, and restores it as we
// encode it: the server must see the same.
func TestValuesOfServers(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server, f rdb.Format) {
		t.Helper()
		s.do("DEBUG", "SET-ACTIVE-EXPIRE", "0")
		s.populate()
		s.odd()
		seen := map[string]bool{}
		for db := range 16 {
			for _, key := range s.keys(db) {
				dump, err := s.do("DUMP", key).Text()
				if key == "fields over" { // the server hides what expired
					dump, err = s.do("DUMP", "fields small").Text()
				}
				require.NoError(t, err)
				code, body, err := rdb.ParseDump(f, []byte(dump))
				require.NoError(t, err)
				seen[code.String()] = true
				if code.Kind() == "module" {
					require.Equal(t, dump, string(rdb.AppendDump(nil, f, code, body)))
					continue
				}
				got, err := describe(f, code, body)
				require.NoError(t, err)
				if want := s.contents(key); want != nil && key != "fields over" {
					require.Equal(t, want, got, "%.60q", key)
				}
				s.requireAlike(key, dump, plainDump(t, f, code, body))
				for _, packed := range packedDumps(f, code, got) {
					s.requireAlike(key, dump, packed)
				}
			}
		}
		require.GreaterOrEqual(t, len(seen), 9, "types: %v", seen)
	})
}

// TestOldEncodingsOnServers: what servers make of values that none of them writes any more, we make of them too.
func TestOldEncodingsOnServers(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server, f rdb.Format) {
		t.Helper()
		for _, v := range old {
			dump := string(rdb.AppendDump(nil, f, v.code, []byte(v.body)))
			code, body, err := rdb.ParseDump(f, []byte(dump))
			require.NoError(t, err)
			s.requireAlike(v.code.String(), dump, plainDump(t, f, code, body))
			require.Equal(t, v.contents, s.contents("theirs"), "%s", v.code)
		}
		pack := str(aListpack("a", "1", future, "2", "b", "0"))
		for code, body := range map[rdb.Type]string{
			rdb.TypeHashMetadataPreGA: num(2) + num(4102444800000) + str("a") + "\xc0\x01" + num(0) + "\xc0\x02" + str("b"),
			rdb.TypeHashListpackExPre: pack,
			rdb.TypeHashListpackEx:    le64(0) + pack,
		} {
			if f == redis12 {
				s.requireAlike(code.String(), string(rdb.AppendDump(nil, f, code, []byte(body))), plainDump(t, f, code, []byte(body)))
			}
		}
	})
}

// TestOldStreamsOnServers: old encodings leave out parts of a stream, which we fill in as servers do.
func TestOldStreamsOnServers(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server, f rdb.Format) {
		t.Helper()
		s.streams()
		s.do("XADD", "stream late", "5-1", "f", "v")
		s.do("XADD", "stream late", "6-1", "f", "v", "g", "w")
		s.do("XADD", "stream late", "7-1", "f", "v")
		s.do("XDEL", "stream late", "5-1")
		for _, id := range []string{"0", "5-1", "6-1", "6-5", "7-1", "7-2"} {
			s.do("XGROUP", "CREATE", "stream late", "group at "+id, id)
		}
		for _, key := range s.keys(0) {
			dump, err := s.do("DUMP", key).Text()
			require.NoError(t, err)
			code, body, err := rdb.ParseDump(f, []byte(dump))
			require.NoError(t, err)
			stream, err := rdb.DecodeStream(f, code, body)
			require.NoError(t, err)
			for version := 9; version <= min(f.Version, 11); version++ {
				code, body := rdb.AppendStream(nil, rdb.Format{Version: version}, stream)
				s.requireAlike(key, string(rdb.AppendDump(nil, f, code, body)), plainDump(t, f, code, body))
			}
		}
	})
}

// TestDumpsOfServers: a payload that we refuse, servers refuse.
func TestDumpsOfServers(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server, f rdb.Format) {
		t.Helper()
		good := string(rdb.AppendDump(nil, f, rdb.TypeString, []byte("\x01v")))
		later := f
		later.Version++
		for name, bad := range map[string]string{
			"zero checksum":  good[:len(good)-8] + strings.Repeat("\x00", 8),
			"wrong checksum": good[:len(good)-1] + string(good[len(good)-1]^1),
			"later version":  string(rdb.AppendDump(nil, later, rdb.TypeString, []byte("\x01v"))),
			"short":          good[:9],
			"unknown type":   string(rdb.AppendDump(nil, f, 99, []byte("\x01v"))),
			"nothing":        "",
			"no type":        emptyDump(f),
		} {
			_, _, err := rdb.ParseDump(f, []byte(bad))
			require.Error(t, err, name)
			require.Error(t, s.conn.Do(t.Context(), "RESTORE", "k", "0", bad).Err(), name)
		}
		s.do("RESTORE", "k", "0", good)

		s.do("FUNCTION", "LOAD", "#!lua name=lib1\nredis.register_function('f', function() return 1 end)")
		s.do("FUNCTION", "LOAD", "#!lua name=lib2\n--"+strings.Repeat("compress", 100)+"\nredis.register_function('g', function() return 1 end)")
		dump, err := s.do("FUNCTION", "DUMP").Text()
		require.NoError(t, err)
		sources, err := rdb.ParseFunctionDump(f, []byte(dump))
		require.NoError(t, err)
		require.Len(t, sources, 2)
		for _, source := range sources {
			require.Contains(t, string(source), "#!lua name=lib")
			require.Contains(t, string(source), "redis.register_function")
		}
		_, err = rdb.ParseFunctionDump(f, []byte(good))
		require.Error(t, err)
		require.Error(t, s.conn.Do(t.Context(), "FUNCTION", "RESTORE", good).Err())
	})
}

// TestWriterOnServers: a server boots from what a Writer writes of what it wrote itself.
func TestWriterOnServers(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server, f rdb.Format) {
		t.Helper()
		s.populate()
		if f == redis12 || f.Dialect == rdb.Valkey {
			s.do("SELECT", 15)
			s.do("DEL", "fields over")
		}
		before, err := s.do("DEBUG", "DIGEST").Text()
		require.NoError(t, err)
		var out strings.Builder
		w := rdb.NewWriter(&out, f)
		for _, it := range readItems(t, strings.NewReader(s.save()), func(int) bool { return true }) {
			item := it.item
			switch item.Kind { //nolint:exhaustive // the rest is said by these
			case rdb.AuxItem:
				require.NoError(t, w.Aux(string(item.Key), string(item.Value)))
			case rdb.FunctionItem:
				_, err = w.Write([]byte(it.raw))
				require.NoError(t, err)
			case rdb.SelectItem:
				require.NoError(t, w.SelectDB(item.DB))
				require.NoError(t, w.Resize(100, 10))
			case rdb.KeyItem:
				code, body := plain(t, f, item.Type, []byte(it.raw[item.HeadBytes:]))
				a := rdb.Attributes{HasExpire: item.HasExpire, Expire: item.Expire, HasIdle: item.HasIdle, Idle: item.Idle, HasFreq: item.HasFreq, Freq: item.Freq}
				require.NoError(t, w.Key(code, a, item.Key, body))
			default:
			}
		}
		require.NoError(t, w.Close())
		s.boot(out.String())
		after, err := s.do("DEBUG", "DIGEST").Text()
		require.NoError(t, err)
		require.Equal(t, before, after)
		functions, err := s.do("FUNCTION", "LIST").Slice()
		require.NoError(t, err)
		require.Len(t, functions, 1)
	})
}

// emptyDump is a payload of nothing.
func emptyDump(f rdb.Format) string {
	crc := rdb.NewCRC64()
	version := le16(f.Version)
	_, _ = crc.Write([]byte(version))
	return string(crc.Sum([]byte(version)))
}

// boot starts the server anew with an RDB file.
func (s *server) boot(rdbFile string) {
	s.t.Helper()
	require.NoError(s.t, s.conn.Close())
	require.NoError(s.t, s.Kill())
	require.NoError(s.t, os.WriteFile(filepath.Join(s.Dir(), "dump.rdb"), []byte(rdbFile), 0o600))
	require.NoError(s.t, s.Start(s.t.Context()))
	s.conn = s.Client().Conn()
}

// eachServer runs a test on each of the five servers, with the format that it writes.
func eachServer(t *testing.T, test func(t *testing.T, s *server, f rdb.Format)) {
	t.Helper()
	testenv.EachFamily(t, func(t *testing.T, family testenv.Family) {
		t.Helper()
		of := families[family.Name]
		test(t, startServer(t, family.Name, "sanitize-dump-payload yes"), rdb.Format{Dialect: of.dialect, Version: of.version})
	})
}

// odd adds what populate does not have, to database 15.
func (s *server) odd() {
	s.t.Helper()
	s.do("SELECT", 15)
	for _, score := range []string{"0", "-0", "1e300", "-1e-300", "3.14159", "123456789012345678", "-9007199254740993", "17", "inf"} {
		s.do("ZADD", "scores", score, "member "+score)
	}
	for i := range 300 {
		v := strconv.FormatInt(int64(uint64(1)<<(i%64)), 10)
		s.do("RPUSH", "list of integers", v, "-"+strings.TrimPrefix(v, "-"), i)
		s.do("RPUSH", "list of lengths", strings.Repeat(noise(16), i))
	}
	s.do("SADD", "set of integers", "-9223372036854775808", "9223372036854775807", "5")
	s.do("HSET", "hash of integers", "1", "2", "-3", "-4", "", "5", "6", "")
	s.do("RPUSH", "list empty", "", "", "x")
	s.do("XADD", "stream of fields", "5-1", "a", "1", "b", noise(300))
	s.do("XADD", "stream of fields", "5-2", "a", "2", "b", "x")
	s.do("XADD", "stream of fields", "6-2", "other", "-5")
	s.do("XADD", "stream of fields", "18446744073709551615-18446744073709551615", "last", "")
	s.do("XDEL", "stream of fields", "5-2")
	s.do("XGROUP", "CREATE", "stream of fields", "g", "5-1")
	s.do("XREADGROUP", "GROUP", "g", "consumer", "STREAMS", "stream of fields", ">")
}

// contents is what a server says is under a key, as describe has it; nil for streams.
func (s *server) contents(key string) []string {
	s.t.Helper()
	kind, err := s.do("TYPE", key).Text()
	require.NoError(s.t, err)
	list := func(args ...any) []string {
		reply, err := s.do(args...).StringSlice()
		require.NoError(s.t, err)
		return reply
	}
	switch kind {
	case "string":
		v, err := s.do("GET", key).Text()
		require.NoError(s.t, err)
		return []string{v}
	case "list":
		return list("LRANGE", key, "0", "-1")
	case "set":
		return slices.Sorted(slices.Values(list("SMEMBERS", key)))
	case "zset":
		return sortedPairs(list("ZRANGE", key, "0", "-1", "WITHSCORES"), func(member, score string) string {
			v, err := strconv.ParseFloat(score, 64)
			require.NoError(s.t, err)
			return fmt.Sprintf("%s=%v", member, v)
		})
	case "hash":
		return sortedPairs(list("HGETALL", key), func(field, value string) string { return field + "=" + value + s.expiry(key, field) })
	default:
		return nil
	}
}

// expiry is what describe says of when a field expires.
func (s *server) expiry(key, field string) string {
	s.t.Helper()
	if !s.Family.Has(testenv.FieldTTL) {
		return ""
	}
	reply, err := s.do("HPEXPIRETIME", key, "FIELDS", "1", field).Int64Slice()
	require.NoError(s.t, err)
	if reply[0] < 0 {
		return ""
	}
	return fmt.Sprintf(" until %d", reply[0])
}

func sortedPairs(flat []string, text func(a, b string) string) []string {
	out := []string{}
	for pair := range slices.Chunk(flat, 2) {
		out = append(out, text(pair[0], pair[1]))
	}
	slices.Sort(out)
	return out
}

func plainDump(t *testing.T, f rdb.Format, code rdb.Type, body []byte) string {
	t.Helper()
	code, body = plain(t, f, code, body)
	return string(rdb.AppendDump(nil, f, code, body))
}

// packedDumps are dumps of a list or set whose listpacks we made, and which the server verifies to the last byte.
func packedDumps(f rdb.Format, code rdb.Type, contents []string) []string {
	pack := rdb.AppendString(nil, []byte(aListpack(contents...)))
	switch {
	case code.Kind() == "list":
		body := append([]byte(num(1)+num(2)), pack...)
		return []string{string(rdb.AppendDump(nil, f, rdb.TypeListQuicklist2, body))}
	case code.Kind() == "set" && f.Version >= 11:
		return []string{string(rdb.AppendDump(nil, f, rdb.TypeSetListpack, pack))}
	default:
		return nil
	}
}

// requireAlike restores two dumps, which the server must see no difference between.
func (s *server) requireAlike(what, theirs, ours string) {
	s.t.Helper()
	look := func(key, dump string) []any {
		s.do("RESTORE", key, "0", dump, "REPLACE")
		digest, err := s.do("DEBUG", "DIGEST-VALUE", key).Slice()
		require.NoError(s.t, err)
		seen := []any{digest, s.contents(key)}
		if kind, err := s.do("TYPE", key).Text(); err == nil && kind == "stream" {
			info, err := s.do("XINFO", "STREAM", key, "FULL", "COUNT", "0").Slice()
			require.NoError(s.t, err)
			seen = append(seen, withoutRadix(info))
		}
		return seen
	}
	want, got := look("theirs", theirs), look("ours", ours)
	require.Equal(s.t, want, got, "%.60q", what)
	s.do("DEL", "ours")
}

// withoutRadix drops from the reply of XINFO STREAM what says how many nodes of a radix tree there are.
func withoutRadix(info []any) []any {
	var out []any
	for pair := range slices.Chunk(info, 2) {
		if name, ok := pair[0].(string); !ok || !strings.HasPrefix(name, "radix-tree-") {
			out = append(out, pair...)
		}
	}
	return out
}
