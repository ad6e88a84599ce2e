package keyspace

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/names"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

func newTestSpace(limit int64) *Space {
	return New(NewTable(), Options{Format: rdb.Format{Version: 12}, Server: "8.0.2", MaxBytes: limit})
}

// run runs commands in database 0.
func run(t *testing.T, s *Space, commands ...string) {
	t.Helper()
	for _, args := range split(t, commands) {
		require.NoError(t, s.Run(0, toArgs(args)), "%q", args)
	}
}

func TestNamesAreComparedInAnyCase(t *testing.T) {
	table := NewTable()
	for _, command := range []string{"DEL", "del", "dEl", "function LOAD", "FUNCTION load", "XINFO stream"} {
		require.NotNil(t, table.lookup(toArgs(split(t, []string{command})[0])), command)
	}
	for _, command := range []string{"DE", "DELL", `""`, "FUNCTION", "FUNCTION foo", `"DEL\x00"`, "FUNCTION|LOAD", `"FUNCTION LOADX"`, "deldeldeldeldeldeldeldeldeldeldeldeldeldel"} {
		require.Nil(t, table.lookup(toArgs(split(t, []string{command})[0])), command)
	}
	require.Nil(t, table.lookup(nil))
}

func TestRunOfWhatIsNotRun(t *testing.T) {
	s := newTestSpace(0)
	for _, command := range []string{"EXPIRE a 5", "RESTORE a 5 x", "bf.add a x", "MIGRATE a b c d e"} {
		var unknown *UnknownCommandError
		require.ErrorAs(t, s.Run(0, toArgs(split(t, []string{command})[0])), &unknown, command)
		require.NotEmpty(t, unknown.Error())
	}
	require.Zero(t, s.Refused())
	run(t, s, "RENAME a b", "DEL")
	require.EqualValues(t, 2, s.Refused())
}

func TestEachGoesByDatabase(t *testing.T) {
	s := newTestSpace(0)
	raw := rdb.AppendString(nil, []byte("v"))
	for _, db := range []int{7, 0, 2} {
		for _, key := range []string{"b", "a", "", "c"} {
			s.PutRaw(db, []byte(key), rdb.TypeString, raw, rdb.Attributes{})
		}
	}
	var seen []string
	require.NoError(t, s.Each(func(k *Key) error {
		seen = append(seen, strconv.Itoa(k.DB)+k.Name)
		typ, body := k.AppendRDB([]byte("x"))
		require.Equal(t, rdb.TypeString, typ)
		require.Equal(t, "x"+string(raw), string(body))
		return nil
	}))
	require.Equal(t, []string{"0b", "0a", "0", "0c", "2b", "2a", "2", "2c", "7b", "7a", "7", "7c"}, seen)

	stop := errors.New("stop")
	require.ErrorIs(t, s.Each(func(*Key) error { return stop }), stop)
}

func TestExpiryIsAmongTheCommands(t *testing.T) {
	s := newTestSpace(0)
	s.PutRaw(0, []byte("a"), rdb.TypeModule2, []byte("body"), rdb.Attributes{HasExpire: true, Expire: 5})
	require.NoError(t, s.Each(func(k *Key) error {
		require.EqualValues(t, 5, k.Expire)
		commands, err := k.AppendCommands(nil)
		require.NoError(t, err)
		parsed, err := parse(commands)
		require.NoError(t, err)
		require.Len(t, parsed, 2)
		require.Equal(t, "RESTORE", parsed[0][0])
		require.Equal(t, []any{"PEXPIREAT", "a", "5"}, parsed[1])
		return nil
	}))
}

func TestModuleValueMovesUnread(t *testing.T) {
	s := newTestSpace(0)
	s.PutRaw(0, []byte("a"), rdb.TypeModule2, []byte("body"), rdb.Attributes{})
	run(t, s, "COPY a b", "RENAME a c", "PEXPIREAT b 5", "HSET b f v", "INCR c")
	require.EqualValues(t, 2, s.Refused())
	run(t, s, "COPY b d") // decoded by now
	bodies := map[string]string{}
	require.NoError(t, s.Each(func(k *Key) error {
		typ, body := k.AppendRDB(nil)
		bodies[k.Name] = fmt.Sprintf("%s %s %d", typ, body, k.Expire)
		return nil
	}))
	require.Equal(t, map[string]string{"b": "module body 5", "c": "module body -1", "d": "module body 5"}, bodies)
}

func TestCorruptValueIsAnErrorWhenItIsLookedAt(t *testing.T) {
	t.Parallel()
	s := newTestSpace(0)
	s.PutRaw(0, []byte("a"), rdb.TypeHash, []byte{5, 1}, rdb.Attributes{})
	run(t, s, "COPY a b", "PEXPIREAT a 5", "RENAME a c", "DEL b")
	err := s.Run(0, toArgs([]string{"HSET", "c", "f", "v"}))
	var corrupt *rdb.CorruptError
	require.ErrorAs(t, err, &corrupt)
	require.Error(t, s.Each(func(k *Key) error { _, err := k.AppendCommands(nil); return err }))
}

// What is used comes back to nothing when the keys are gone, by whatever way they go.
func TestUsedIsTheSumOfAllEntries(t *testing.T) {
	s := newTestSpace(0)
	fill := func() {
		for db := range 3 {
			for i := range 20 {
				require.NoError(t, s.Run(db, toArgs([]string{"HSET", "k" + strconv.Itoa(i), "field", "value"})))
				s.PutRaw(db, []byte("raw"+strconv.Itoa(i)), rdb.TypeHash, hashBody("f", "v"), rdb.Attributes{})
			}
		}
		requireSum(t, s)
	}
	fill()
	run(t, s, "RENAME k1 k2", "COPY k3 k4 REPLACE", "COPY raw1 raw2 REPLACE", "COPY k5 new", "MOVE new 2", "HSET raw3 g w", "SWAPDB 0 9", "HDEL k7 field", "HDEL raw3 f g")
	requireSum(t, s)
	run(t, s, "FLUSHALL")
	require.Zero(t, s.Used())
	fill()
	run(t, s, "FLUSHDB")
	requireSum(t, s)
	run(t, s, "CLUSTER FLUSHSLOT "+strconv.Itoa(Slot("k5")), "SFLUSH 0 16383")
	require.Zero(t, s.Used())
	run(t, s, `FUNCTION LOAD "#!lua name=x\n"`, `FUNCTION LOAD REPLACE "#!lua name=x\nlonger"`)
	require.EqualValues(t, len("#!lua name=x\nlonger"), s.Used())
	run(t, s, "FUNCTION FLUSH")
	require.Zero(t, s.Used())
}

// TestEntryIsALine wants a look at an entry to be one miss of the cache.
func TestEntryIsALine(t *testing.T) {
	require.EqualValues(t, 64, unsafe.Sizeof(names.Node[entry]{}))
}

func requireSum(t *testing.T, s *Space) {
	t.Helper()
	var sum int64
	for _, d := range s.dbs {
		for name, e := range d.all() {
			require.Equal(t, e.size(len(name)), e.bytes, "%q", name)
			sum += e.bytes
		}
	}
	require.Equal(t, sum, s.used)
}

func hashBody(field, value string) []byte {
	return rdb.AppendString(rdb.AppendString(rdb.AppendLength(nil, 1), []byte(field)), []byte(value))
}

func TestLimit(t *testing.T) {
	s := newTestSpace(100_000)
	var err error
	for i := 0; err == nil; i++ {
		require.Less(t, i, 1000)
		err = s.Run(0, toArgs([]string{"HSET", strconv.Itoa(i), "f", "v"}))
	}
	require.ErrorIs(t, err, ErrTooBig)
	require.ErrorIs(t, s.Run(0, toArgs([]string{"COPY", "0", "again"})), ErrTooBig)
	run(t, s, "FLUSHALL", "HSET a f v")
	source := "#!lua name=x\n" + string(make([]byte, 100_000))
	require.ErrorIs(t, s.Run(0, toArgs([]string{"FUNCTION", "LOAD", source})), ErrTooBig)
}

// What is said to be used is near what the heap has: the limit is for the memory of the process.
func TestUsedIsNearTheHeap(t *testing.T) {
	heap := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	s := newTestSpace(0)
	before := heap()
	for i := range 50_000 {
		require.NoError(t, s.Run(0, toArgs([]string{"HSET", "key:" + strconv.Itoa(i), "field", "value"})))
	}
	grown := heap() - before
	t.Logf("used %d bytes a key, heap %d", s.Used()/50_000, grown/50_000)
	require.InEpsilon(t, float64(grown), float64(s.Used()), 0.4)
	runtime.KeepAlive(s)
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	s := newTestSpace(0)
	var p Plan
	run(t, s, "HSET h f v", "INCR n", "SET s value", "RPUSH l a b", "SADD set a b", "SADD ints 1 2", "ZADD z 1 a 2 b")
	for _, command := range []string{
		"HSET h f w", "HINCRBY h n 1", "DEL missing", "UNLINK a b c", "PEXPIREAT h 33000000000000", "PERSIST h", "RENAME h h", "PING", "SELECT 3", "MULTI",
		"INCR n", "INCRBY n 5", "DECR n", "SETRANGE s 0 x", "SETBIT s 0 1", "LSET l 0 c", "RPOPLPUSH l l", "SADD set a", "SADD ints 2", "ZADD z 3 a", "ZINCRBY z 1 a",
	} {
		args := toArgs(split(t, []string{command})[0])
		s.table.Plan(args, &p)
		require.Zero(t, testing.AllocsPerRun(100, func() { s.table.Plan(args, &p) }), "plan %s", command)
		require.NoError(t, s.Run(0, args))
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = s.Run(0, args) }), "run %s", command)
	}
}

// TestUseStaysWithTheValue wants to know of a key when it was used last as long as nobody looks at it, under whatever name, but not of its copy.
func TestUseStaysWithTheValue(t *testing.T) {
	s := New(NewTable(), Options{Format: rdb.Format{Version: 12}})
	used := rdb.Attributes{HasIdle: true, Idle: 7, HasExpire: true, Expire: 99}
	for _, key := range []string{"a", "b"} {
		require.True(t, s.PutRaw(0, []byte(key), rdb.TypeString, rdb.AppendString(nil, []byte("v")), used))
	}
	for _, command := range [][]string{{"COPY", "a", "copy"}, {"RENAME", "a", "moved"}, {"APPEND", "b", "x"}} {
		require.NoError(t, s.Run(0, toArgs(command)))
	}
	got := map[string]rdb.Attributes{}
	require.NoError(t, s.Each(func(k *Key) error {
		got[k.Name] = k.Attributes()
		return nil
	}))
	fresh := rdb.Attributes{HasExpire: true, Expire: 99}
	require.Equal(t, map[string]rdb.Attributes{"moved": used, "copy": fresh, "b": fresh}, got)
}
