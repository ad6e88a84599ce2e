package keyspace

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// spaceWith returns a Space on which the commands have run, none of them refused.
func spaceWith(t *testing.T, opt Options, commands ...string) *Space {
	t.Helper()
	s := New(NewTable(), opt)
	for _, command := range commands {
		require.NoError(t, s.Run(0, toArgs(strings.Fields(command))), command)
	}
	require.Zero(t, s.Refused())
	return s
}

// planOf returns what a command's plan is, in one line.
func planOf(command string) string {
	var p Plan
	NewTable().Plan(toArgs(strings.Fields(command)), &p)
	line := map[Effect]string{Run: "run", Nothing: "nothing", Carry: "carry"}[p.Effect]
	for _, key := range p.Keys {
		line += " " + map[Use]string{Reads: "r", Writes: "w", Overwrites: "o"}[key.Use] + ":" + string(key.Key)
	}
	return line
}

func TestStringPlans(t *testing.T) {
	for command, want := range map[string]string{
		"SET k v":                           "run o:k",
		"set k v pxat 5":                    "run o:k",
		"SET k v EXAT 5":                    "run o:k",
		"SET k v NX":                        "run w:k",
		"SET k v XX PXAT 5":                 "run w:k",
		"SET k v GET":                       "run w:k",
		"SET k v KEEPTTL":                   "run w:k",
		"SET k v IFEQ x":                    "run w:k",
		"SET k v PXAT x":                    "run",
		"SET k v NX XX":                     "run",
		"SET k v EX 5":                      "carry w:k",
		"SET k v PX 5 NX":                   "carry w:k",
		"SET k v EX 0":                      "run",
		"SET k v IFNE x":                    "carry w:k",
		"SETEX k 5 v":                       "carry w:k",
		"PSETEX k 5 v":                      "carry w:k",
		"INCRBYFLOAT k 1":                   "carry w:k",
		"GETEX k PXAT 5":                    "run w:k",
		"GETEX k PERSIST":                   "run w:k",
		"GETEX k EX 5":                      "carry w:k",
		"GETEX k NX":                        "carry w:k",
		"GETEX k PXAT 0":                    "run",
		"MSET a 1 b 2":                      "run o:a o:b",
		"MSET a 1 b":                        "run",
		"MSETNX a 1 b 2":                    "run w:a w:b",
		"MSETEX 2 a 1 b 2":                  "run o:a o:b",
		"MSETEX 1 a 1 PXAT 5":               "run o:a",
		"MSETEX 1 a 1 NX":                   "run w:a",
		"MSETEX 1 a 1 KEEPTTL":              "run w:a",
		"MSETEX 1 a 1 EX 5":                 "carry w:a",
		"MSETEX 2 a 1 b":                    "run",
		"MSETEX 1 a 1 b 2":                  "carry w:a",
		"BITOP OR d a b":                    "run w:d r:a r:b",
		"BITOP DIFF d a b":                  "carry w:d r:a r:b",
		"BITFIELD k SET u8 0 1":             "run w:k",
		"BITFIELD k SET u8 0 1 ROTATE u8":   "carry w:k",
		"BITFIELD k OVERFLOW NEXT GET u8 0": "carry w:k",
		"PFADD k a":                         "run w:k",
		"PFCOUNT k":                         "run w:k",
		"PFCOUNT k l":                       "nothing",
		"PFMERGE d a b":                     "run w:d r:a r:b",
		"PFDEBUG TODENSE k":                 "run w:k",
	} {
		require.Equal(t, want, planOf(command), command)
	}
}

// TestCarriedIsNotRun says that what Plan calls Carry leaves a Space as it is.
func TestCarriedIsNotRun(t *testing.T) {
	t.Parallel()
	for _, command := range []string{
		"SET k v EX 5", "SET k v IFNE x", "SETEX k 5 v", "GETEX k PX 5", "MSETEX 1 k v EX 5", "INCRBYFLOAT k 1", "BITOP DIFF k a b", "BITFIELD k ROTATE u8 1",
	} {
		s := New(NewTable(), Options{})
		var unknown *UnknownCommandError
		require.ErrorAs(t, s.Run(0, toArgs(strings.Fields(command))), &unknown, command)
		require.Zero(t, s.Used(), command)
	}
}

// TestStringsReplayed is for what differs between a log and a client: nothing has expired, however long ago.
func TestStringsReplayed(t *testing.T) {
	t.Parallel()
	checkReplay(t, all,
		"SET a v PXAT 1", "SET a w NX", "APPEND a x", "SET b v PXAT 5", "SET b w KEEPTTL", "SET c v NX PXAT 2", "SET c w XX PXAT 3", "SETNX c x",
		"INCR d", "PEXPIREAT d 1", "INCR d", "SET e v EXAT 1", "MSETNX e 1 f 2", "PFADD h a", "PEXPIREAT h 7", "PFADD h b", "PFCOUNT h", "PFMERGE i h",
		"SETBIT j 7 1", "PEXPIREAT j 9", "BITOP NOT k j", "BITFIELD j INCRBY u8 0 1", "SETRANGE j 4 x", "SET l v PXAT 3", "SET l w XX GET PXAT 4")
}

func TestStringsTooBig(t *testing.T) {
	for _, command := range []string{
		"SETRANGE k 536870912 x", "SETRANGE k 9223372036854775807 x", "SETBIT k 4294967296 1", "SETBIT k 9223372036854775807 0",
		"BITFIELD k SET u8 4294967290 1", "BITFIELD k SET i64 #9223372036854775807 1",
	} {
		require.ErrorIs(t, New(NewTable(), Options{}).Run(0, toArgs(strings.Fields(command))), ErrTooBig, command)
	}
	limited := Options{MaxBytes: 1 << 20}
	for _, command := range []string{"SETRANGE k 2000000 x", "SETBIT k 16000000 1", "BITFIELD k SET u1 16000000 1"} {
		require.ErrorIs(t, New(NewTable(), limited).Run(0, toArgs(strings.Fields(command))), ErrTooBig, command)
	}
	s := spaceWith(t, limited, "SETBIT a 6000000 1")
	require.ErrorIs(t, s.Run(0, toArgs([]string{"BITOP", "NOT", "b", "a"})), ErrTooBig)
}

// TestStringsPastLimit is for a string that is as long as one may be.
func TestStringsPastLimit(t *testing.T) {
	t.Parallel()
	c := &call{space: New(NewTable(), Options{})}
	require.NoError(t, c.growString(maxStringBytes-1, maxStringBytes))
	require.ErrorIs(t, c.growString(maxStringBytes, maxStringBytes+1), ErrTooBig)
}

// TestStringsAccounted says that a Space knows what its strings take as they grow, shrink and go.
func TestStringsAccounted(t *testing.T) {
	s := spaceWith(t, Options{}, "SET k v")
	small := s.Used()
	for _, command := range []string{"SETRANGE k 100000 x", "APPEND k " + strings.Repeat("x", 10_000), "SETBIT k 1600000 1", "BITFIELD k SET u8 3000000 1"} {
		before := s.Used()
		require.NoError(t, s.Run(0, toArgs(strings.Fields(command))))
		require.Greater(t, s.Used(), before, command)
	}
	require.Greater(t, s.Used(), small+200_000)
	require.NoError(t, s.Run(0, toArgs([]string{"SET", "k", "v"})))
	require.Equal(t, small, s.Used(), "memory far too large is given back")
	require.NoError(t, s.Run(0, toArgs([]string{"GETDEL", "k"})))
	require.Zero(t, s.Used())
}

func TestStringsDoNotAllocate(t *testing.T) {
	s := spaceWith(t, Options{}, "SET n 5", "SET text abcdefghij", "SET long "+strings.Repeat("x", 100), "SETBIT bits 1000 1", "PFADD dense a", "PFDEBUG TODENSE dense", "PFCOUNT dense")
	for _, command := range []string{
		"INCR n", "INCRBY n 1000", "DECRBY n 7", "SET n 77", "SET text klmnopqrst", "SET text klmno PXAT 33000000000000", "SET text x KEEPTTL NX", "SETNX n 1",
		"MSET n 1 text zyxwvutsrq", "SETRANGE text 2 xx", "SETBIT bits 77 1", "BITFIELD bits OVERFLOW SAT INCRBY u8 #2 5 GET i8 0", "GETEX n PERSIST",
		"PFADD dense a b c d e", "PFCOUNT dense",
	} {
		args := toArgs(strings.Fields(command))
		require.NoError(t, s.Run(0, args))
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = s.Run(0, args) }), command)
	}
	require.Zero(t, s.Refused())
	var p Plan
	for _, command := range []string{"SET k v", "SET k v PXAT 5 KEEPTTL", "INCR k", "MSET a 1 b 2", "BITOP OR d a b", "BITFIELD k SET u8 0 1", "PFMERGE d a b"} {
		args := toArgs(strings.Fields(command))
		require.Zero(t, testing.AllocsPerRun(100, func() { s.table.Plan(args, &p) }), command)
	}
}

// TestAppendGrows says that many small pieces cost few copies.
func TestAppendGrows(t *testing.T) {
	s := spaceWith(t, Options{}, "SET k v")
	args := toArgs([]string{"APPEND", "k", "0123456789"})
	const pieces = 10_000
	allocs := testing.AllocsPerRun(1, func() {
		for range pieces {
			_ = s.Run(0, args)
		}
	})
	require.Less(t, allocs, 100.0)
	v, ok := s.db(0).find([]byte("k")).value.(*stringValue)
	require.True(t, ok)
	require.Equal(t, "v"+strings.Repeat("0123456789", 2*pieces), string(v.data))
	require.LessOrEqual(t, cap(v.data), 3*len(v.data)/2)
}

func TestStringKeepsNoArgument(t *testing.T) {
	s := New(NewTable(), Options{})
	arg := []byte("hello")
	for _, args := range [][][]byte{{[]byte("SET"), []byte("k"), arg}, {[]byte("SET"), []byte("k"), arg}, {[]byte("APPEND"), []byte("a"), arg}} {
		require.NoError(t, s.Run(0, args))
	}
	copy(arg, "XXXXX")
	for _, key := range []string{"k", "a"} {
		v, ok := s.db(0).find([]byte(key)).value.(*stringValue)
		require.True(t, ok && v.is([]byte("hello")), key)
	}
	clone, ok := s.db(0).find([]byte("k")).value.clone().(*stringValue)
	require.True(t, ok)
	require.NoError(t, s.Run(0, toArgs([]string{"SETRANGE", "k", "0", "J"})))
	require.True(t, clone.is([]byte("hello")))
}

// TestStringBody reads what it wrote, integers and such as almost are.
func TestStringBody(t *testing.T) {
	for _, text := range []string{
		"", "0", "-0", "5", "007", "-1", "127", "128", "-32769", "2147483648", "-9223372036854775808", "9223372036854775807", "9223372036854775808",
		"\x00", "x", strings.Repeat("abc", 1000), strings.Repeat("z", 20),
	} {
		v := newStringValue([]byte(text))
		require.Equal(t, len(text), v.length())
		typ, body := v.appendRDB([]byte("before"), rdb.Format{Version: 12})
		require.Equal(t, rdb.TypeString, typ)
		got, err := decodeString(bytes.TrimPrefix(body, []byte("before")))
		require.NoError(t, err)
		require.Equal(t, v, got, "%q", text)
		require.Equal(t, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$"+strconv.Itoa(len(text))+"\r\n"+text+"\r\n", string(v.appendCommands(nil, []byte("k"))))
	}
	_, err := decodeString([]byte{0x05, 'x'})
	require.Error(t, err)
}

// FuzzStringArgs runs commands of any arguments: no panic, and what is refused or carried changes nothing.
func FuzzStringArgs(f *testing.F) {
	for _, command := range []string{
		"SET k v NX GET PXAT 5", "SET k v EXAT 9223372036854775807", "SET k v IFEQ", "GETEX k EXAT 1 PERSIST", "MSETEX 9223372036854775807 k v", "MSETEX -1 k v NX", "MSETNX a 1 a",
		"SETRANGE k 536870911 x", "SETBIT k -1 1", "BITFIELD k SET i64 #4294967296 -9223372036854775808 OVERFLOW FAIL INCRBY u63 1 -1", "BITFIELD k GET u 0", "BITOP NOT d a b",
		"DECRBY k -9223372036854775808", "APPEND k", "PFDEBUG DECODE k", "PFCOUNT k",
	} {
		f.Add(strings.ReplaceAll(command, " ", "\n"))
	}
	table := NewTable()
	f.Fuzz(func(t *testing.T, command string) {
		args := toArgs(strings.Split(command, "\n"))
		var p Plan
		table.Plan(args, &p)
		s := New(table, Options{MaxBytes: 1 << 20})
		if p.Effect != Run && p.Effect != Carry {
			return
		}
		before := s.Used()
		if err := s.Run(0, args); err != nil || s.Refused() > 0 {
			require.Equal(t, before, s.Used())
		}
	})
}
