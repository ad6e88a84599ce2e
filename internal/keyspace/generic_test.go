package keyspace

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// later is a time to come, in milliseconds.
const later = "33000000000000"

func TestDelete(t *testing.T) {
	t.Parallel()
	check(t, "DEL a", "HSET a f v", "HSET b f v", "HSET c f v", "DEL a x a", "UNLINK c", "DEL", "unlink")
	check(t, "HSET a f v", "SELECT 3", "DEL a", "HSET a f w", "SELECT 0", "DEL a")
	check(t, `HSET "" f v`, `HSET "\x00\xff" f v`, `DEL ""`)
}

func TestRename(t *testing.T) {
	t.Parallel()
	check(t, "RENAME a b", "RENAMENX a b", "RENAME a a", "HSET a f v", "RENAME a a", "RENAMENX a a", "RENAME a b")
	check(t, "HSET a f v", "HSET b f w x y", "PEXPIREAT a "+later, "RENAMENX a b", "RENAME a b", "RENAMENX b a", "PERSIST a")
	check(t, "HSET a f v", "HSET b f w", "PEXPIREAT b "+later, "RENAME a b", "RENAME missing b")
	check(t, "RENAME a", "RENAME a b c", "HSET a f v", `RENAME a ""`)
}

func TestCopy(t *testing.T) {
	t.Parallel()
	check(t, "COPY a b", "HSET a f v", "PEXPIREAT a "+later, "COPY a b", "HSET a f 2", "COPY a b", "COPY a b replace", "HSET b f 3", "COPY b a")
	check(t, "HSET a f v", "COPY a a", "COPY a a REPLACE", "COPY a a DB 0", "COPY a a DB 1", "COPY a b DB 1 REPLACE", "COPY a b DB 2 DB 3", "COPY a c DB 0")
	check(t, "HSET a f v", "COPY a b DB", "COPY a b DB x", "COPY a b DB -1", "COPY a b x", "COPY a b REPLACE REPLACE", "COPY a")
	check(t, "SELECT 2", "HSET a f v", "COPY a a DB 0", "SELECT 0", "HSET a g w", "COPY a a DB 2", "COPY a a DB 2 REPLACE")
	check(t, "HSET a f v", "PEXPIREAT a "+later, "HSET b f v", "PEXPIREAT b "+later, "HSET c f v", "COPY c b REPLACE")
}

func TestMove(t *testing.T) {
	t.Parallel()
	check(t, "MOVE a 1", "HSET a f v", "MOVE a 0", "MOVE a x", "MOVE a -1", "PEXPIREAT a "+later, "MOVE a 1", "HSET a f w", "MOVE a 1", "SELECT 1", "MOVE a 2")
	check(t, "MOVE missing 0", "MOVE a", "MOVE a 01")
}

func TestSwapAndFlush(t *testing.T) {
	t.Parallel()
	check(t, "SELECT 1", "HSET a f 1", "SELECT 2", "HSET a f 2", "HSET b f 2", "SWAPDB 1 2", "HSET c f 3", "SWAPDB 0 1", "SWAPDB 5 5",
		"SWAPDB x 1", "SWAPDB 1 x", "SWAPDB -1 1", "HSET d f 1")
	check(t, "HSET a f 1", "SELECT 1", "HSET a f 2", "FLUSHDB", "SELECT 0", "HSET b f 1")
	check(t, "HSET a f 1", "SELECT 1", "HSET a f 2", "FLUSHDB async", "HSET b f 2", "FLUSHDB SYNC x", "FLUSHDB x")
	check(t, "HSET a f 1", "SELECT 1", "HSET a f 2", "FLUSHALL x", "FLUSHALL SYNC SYNC")
	check(t, "HSET a f 1", "SELECT 1", "HSET a f 2", "FLUSHALL sync", "HSET b f 2")
}

func TestExpire(t *testing.T) {
	t.Parallel()
	check(t, "PEXPIREAT a "+later, "HSET a f v", "PEXPIREAT a "+later, "PERSIST a", "PERSIST a", "PERSIST missing")
	for _, conditions := range []string{"NX", "XX", "GT", "LT", "nx", "XX GT", "xx lt", "GT XX", "NX NX", "NX XX", "NX GT", "GT LT", "XX GT LT", "FOO", "NX FOO"} {
		for _, before := range []string{"", "33000000000000", "33000000000001", "32999999999999"} {
			commands := []string{"HSET a f v", "PEXPIREAT missing " + later + " " + conditions}
			if before != "" {
				commands = append(commands, "PEXPIREAT a "+before)
			}
			check(t, append(commands, "PEXPIREAT a "+later+" "+conditions)...)
		}
	}
	for _, at := range []string{"33000000000000", "9223372036854775", "9223372036854776", "9223372036854775807", "9223372036854775808", "x", "", "1.5", " 33000000000000", "+33000000000000"} {
		check(t, "HSET a f v", "EXPIREAT a "+strconv.Quote(at), "HSET b f v", "PEXPIREAT b "+strconv.Quote(at), "EXPIREAT missing "+strconv.Quote(at))
	}
	check(t, "HSET a f v", "EXPIREAT a 33000000000 NX", "EXPIREAT a 33000000001 NX", "EXPIREAT a 33000000001 GT", "EXPIREAT a", "PEXPIREAT a")
}

// Times that have passed: a server that loads a log leaves the keys alone.
func TestExpireInThePast(t *testing.T) {
	t.Parallel()
	checkReplay(t, all, "HSET a f v", "PEXPIREAT a 1", "HSET b f v", "PEXPIREAT b 0", "HSET c f v", "EXPIREAT c -1",
		"HSET d f v", "PEXPIREAT d 5000", "PEXPIREAT d 4000 GT", "PEXPIREAT d 3000 LT", "COPY d e", "RENAME a f", "MOVE b 3", "HSET d g w")
	checkReplay(t, all, "HSET a f v", "PEXPIREAT a 1", "PERSIST a", "HSET b f v", "PEXPIREAT b 1", "RENAMENX b a", "COPY a b", "COPY a b REPLACE",
		"HSET c f v", "PEXPIREAT c 1", "DEL c", "HSET d f v", "PEXPIREAT d 1", "HDEL d f")
	checkReplay(t, all, "HSET a f v", "PEXPIREAT a 1", "PEXPIREAT a 2 NX", "PEXPIREAT a 3 XX", "SELECT 1", "HSET a f v", "PEXPIREAT a -1000", "PEXPIREAT a -2000 LT")
}

func restoring(key string, version int, typ rdb.Type, body []byte, options ...string) string {
	payload := rdb.AppendDump(nil, rdb.Format{Version: version}, typ, body)
	command := "RESTORE " + key + " 0 " + quote(payload)
	for _, option := range options {
		command += " " + option
	}
	return command
}

// quote quotes as split reads it.
func quote(b []byte) string {
	quoted := []byte{'"'}
	for _, c := range b {
		quoted = append(quoted, '\\', 'x', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
	}
	return string(append(quoted, '"'))
}

func TestRestore(t *testing.T) {
	t.Parallel()
	text := rdb.AppendString(nil, []byte("some text"))
	number := rdb.AppendString(nil, []byte("123"))
	for _, version := range []int{1, 9, 10} {
		check(t, restoring("a", version, rdb.TypeString, text), restoring("a", version, rdb.TypeString, number))
	}
	check(t, restoring("a", 10, rdb.TypeString, text), restoring("a", 10, rdb.TypeString, number, "REPLACE"), "COPY a b", "RENAME a c", "PEXPIREAT c "+later)
	check(t, restoring("a", 10, rdb.TypeString, text, "ABSTTL"), restoring("b", 10, rdb.TypeString, number, "IDLETIME", "5"),
		restoring("c", 10, rdb.TypeString, number, "freq", "5", "replace"))
	for _, options := range []string{"FREQ 256", "FREQ -1", "FREQ x", "FREQ", "IDLETIME -1", "IDLETIME", "IDLETIME 1 FREQ 1", "FREQ 1 IDLETIME 1", "FOO", "FREQ 1 FREQ 2", "IDLETIME 1 IDLETIME 2"} {
		check(t, restoring("a", 10, rdb.TypeString, text, options))
	}
	check(t, "HSET a f v", "PEXPIREAT a "+later, restoring("a", 10, rdb.TypeString, text, "REPLACE"))
	check(t, restoring("a", 10, rdb.TypeSet, rdb.AppendLength(nil, 0)), restoring("b", 10, rdb.TypeHash, rdb.AppendLength(nil, 0)))
	payload := quote(rdb.AppendDump(nil, rdb.Format{Version: 10}, rdb.TypeString, text))
	check(t, "RESTORE a "+later+" "+payload+" ABSTTL", "RESTORE a 0 "+payload+" REPLACE", "RESTORE a x "+payload, "RESTORE a -1 "+payload)
	check(t, "RESTORE a 0 x", `RESTORE a 0 ""`, "RESTORE a 0 "+strings.Replace(payload, "73", "74", 1), "RESTORE a 0", "RESTORE a 0 "+payload)
	checkReplay(t, all, "RESTORE a 1 "+payload+" ABSTTL", "RESTORE b 1 "+payload+" ABSTTL REPLACE")
}

// What a newer server may have taken is not passed over in silence.
func TestRestoreOfALaterVersion(t *testing.T) {
	s := newTestSpace(0)
	payload := rdb.AppendDump(nil, rdb.Format{Version: 99}, rdb.TypeString, rdb.AppendString(nil, []byte("v")))
	err := s.Run(0, [][]byte{[]byte("RESTORE"), []byte("a"), []byte("0"), payload})
	var unknown *rdb.UnknownError
	require.ErrorAs(t, err, &unknown)
	payload = rdb.AppendDump(nil, rdb.Format{Version: 9}, rdb.TypeString, []byte{0, 0})
	require.ErrorContains(t, s.Run(0, [][]byte{[]byte("RESTORE"), []byte("a"), []byte("0"), payload}), "restore value")
	require.Zero(t, s.Refused())
}

func TestRestoreKeepsWhatItCannotRead(t *testing.T) {
	t.Parallel()
	// A value that is not decoded may be moved about.
	body := rdb.AppendLength(nil, 2)
	body = rdb.AppendString(rdb.AppendString(body, []byte("f")), []byte("v"))
	body = rdb.AppendString(rdb.AppendString(body, []byte("g")), []byte("w"))
	check(t, restoring("a", 10, rdb.TypeHash, body), "COPY a b", "RENAME a c", "COPY b d DB 1", "HSET b f 2", "MOVE c 2", "SWAPDB 1 2", "COPY b e", "HDEL e g f")
}

// A vector set is a module's value: it may be moved about, unread.
func TestModuleValueOnTheServer(t *testing.T) {
	t.Parallel()
	for _, o := range oracles(t) {
		if !o.family.Has(testenv.VectorSets) {
			continue
		}
		var dump *redis.Cmd
		o.exec(t, func(ctx context.Context, pipe redis.Pipeliner) {
			pipe.Do(ctx, "VADD", "v", "VALUES", "3", "1", "2", "3", "e", "SETATTR", `{"a":1}`)
			dump = pipe.Do(ctx, "DUMP", "v")
		})
		payload, err := dump.Text()
		require.NoError(t, err)
		restore := "RESTORE a 0 " + quote([]byte(payload))
		checkOn(t, having(testenv.VectorSets), restore, restore+" REPLACE", "RENAME a b", "PEXPIREAT b "+later, "MOVE b 1", restore, "HSET a f v", "DEL a", restore)
	}
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	load := func(options, name, value string) string {
		return `FUNCTION LOAD ` + options + ` "#!lua name=` + name + `\nredis.register_function('` + name + `', function() return ` + value + ` end)"`
	}
	check(t, load("", "x", "1"), load("", "y", "1"), load("", "x", "2"), load("replace", "x", "3"), load("foo", "z", "3"), "FUNCTION DELETE missing", "FUNCTION DELETE y", "FLUSHALL")
	check(t, load("", "x", "1"), "FUNCTION FLUSH foo", "FUNCTION FLUSH async x", load("REPLACE REPLACE", "y", "1"))
	check(t, load("", "x", "1"), "FUNCTION FLUSH async", load("", "y", "1"))
	check(t, load("", "x", "1"), "FUNCTION FLUSH", "function load", "FUNCTION DELETE x y")
	for _, first := range []string{
		"#!lua", "#!lua name=", "#!lua name=a-b", "#!lua name=a NAME=b", "#!lua foo=1 name=a", "lua name=a", "#!lua  name=A_1 ", `#!lua name='a'`, `#!lua 'name=a b'`,
		`#!lua \"name=a\\x62\"`, `#!lua name=\"a`, `#!lua name=a\t`, "",
	} {
		check(t, `FUNCTION LOAD "`+first+`\nredis.register_function('f', function() return 1 end)"`)
	}
	check(t, `FUNCTION LOAD "#!lua name=x redis.register_function('f', function() return 1 end)"`)
}

func TestFunctionRestore(t *testing.T) {
	t.Parallel()
	source := func(name string) []byte {
		return []byte("#!lua name=" + name + "\nredis.register_function('" + name + "', function() return 1 end)")
	}
	dump := func(sources ...[]byte) string {
		var body []byte
		for _, source := range sources {
			body = rdb.AppendString(append(body, 0xf5), source)
		}
		if len(body) == 0 {
			return quote(rdb.AppendDump(nil, rdb.Format{Version: 10}, 0, nil)[1:])
		}
		return quote(rdb.AppendDump(nil, rdb.Format{Version: 10}, rdb.Type(body[0]), body[1:]))
	}
	load := `FUNCTION LOAD "#!lua name=x\nredis.register_function('x', function() return 2 end)"`
	both := dump(source("x"), source("y"))
	for _, policy := range []string{"", "append", "FLUSH", "REPLACE", "foo", "FLUSH FLUSH"} {
		check(t, load, "FUNCTION RESTORE "+both+" "+policy)
		check(t, load, "FUNCTION RESTORE "+dump(source("z"))+" "+policy, "FUNCTION RESTORE "+both+" "+policy)
	}
	check(t, "FUNCTION RESTORE "+dump(source("x"), source("x")), "FUNCTION RESTORE x", `FUNCTION RESTORE ""`, "FUNCTION RESTORE "+dump([]byte("no library")))
}

func TestGenericRandom(t *testing.T) {
	t.Parallel()
	db := rapid.SampledFrom([]string{"0", "1", "2", "x"})
	at := rapid.Map(rapid.IntRange(33_000_000_000_000, 33_000_000_000_003), strconv.Itoa)
	condition := rapid.SampledFrom([]string{"NX", "XX", "GT", "LT", "gt", "foo"})
	checkRandom(t, lacking(testenv.FieldTTLReplayHazard), rapid.OneOf(
		genCommand("SELECT", rapid.SampledFrom([]string{"0", "1", "2"})),
		genMany("HSET", []*rapid.Generator[string]{genKey()}, []*rapid.Generator[string]{genWord(), genWord()}),
		genMany("DEL", nil, []*rapid.Generator[string]{genKey()}),
		genCommand("RENAME", genKey(), genKey()), genCommand("RENAMENX", genKey(), genKey()),
		genCommand("COPY", genKey(), genKey()), genCommand("COPY", genKey(), genKey(), rapid.Just("REPLACE")),
		genCommand("COPY", genKey(), genKey(), rapid.Just("DB"), db, rapid.Just("REPLACE")),
		genCommand("MOVE", genKey(), db), genCommand("SWAPDB", db, db), genCommand("FLUSHDB"), genCommand("PERSIST", genKey()),
		genCommand("PEXPIREAT", genKey(), at), genCommand("PEXPIREAT", genKey(), at, condition), genCommand("PEXPIREAT", genKey(), at, condition, condition),
	))
}
