package keyspace

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// fuzzWords are arguments that mean something to one command or another.
func fuzzWords() []string {
	return []string{
		"a", "b", "c", "", "0", "1", "-1", "2", "3", "-7", "10", "1.5", "-inf", "nan", "(1", "[a", "-", "+", "9223372036854775807", "-9223372036854775808", "536870912",
		"1-1", "2-2", "5-*", "*", "$", ">", "0-0", "33000000000000", "1000", "#", "w_*", "*->f", "u8", "i64", "u63", "#1", "\x00\xff",
		"NX", "XX", "GT", "LT", "CH", "INCR", "GET", "SET", "EX", "PX", "PXAT", "EXAT", "KEEPTTL", "PERSIST", "IFEQ", "FNX", "FXX", "FIELDS",
		"LEFT", "RIGHT", "BEFORE", "AFTER", "COUNT", "MIN", "MAX", "WITHSCORES", "BYSCORE", "BYLEX", "REV", "LIMIT", "WEIGHTS", "AGGREGATE", "SUM",
		"STORE", "STOREDIST", "BY", "ALPHA", "ASC", "DESC", "FROMMEMBER", "FROMLONLAT", "BYRADIUS", "BYBOX", "km", "m", "ANY",
		"MAXLEN", "MINID", "=", "~", "NOMKSTREAM", "MKSTREAM", "ENTRIESREAD", "ENTRIESADDED", "MAXDELETEDID", "FORCE", "JUSTID", "IDLE", "TIME", "RETRYCOUNT", "LASTID",
		"g", "REPLACE", "ABSTTL", "DB", "ASYNC", "AND", "OR", "XOR", "NOT", "OVERFLOW", "WRAP", "SAT", "FAIL", "INCRBY", "GETREG", "TODENSE",
		"KEYS", "STREAMS", "GROUP", "FREQ", "IDLETIME", "#!lua name=x\n", "f", "VALUES", "APPEND", "FLUSH", "BYPOLYGON",
	}
}

// FuzzRun runs any commands. None panics; the books stay right; the plan names what changes; whoever looks at the result can write it.
func FuzzRun(f *testing.F) {
	table := NewTable()
	names := slices.Sorted(maps.Keys(table.byName))
	words := fuzzWords()
	at := func(word string) byte { return byte(slices.Index(words, word)) }
	for i := range names {
		// Each command with few and with many arguments, behind one that makes its key.
		n := uint16(i)
		f.Add([]byte{byte(n >> 8), byte(n), 3, at("a"), at("1"), at("b"), byte(n >> 8), byte(n), 5, at("a"), at("2"), at("a"), at("b"), at("1")})
	}
	f.Add([]byte{0, 0, 255, 0, 1})
	search := slices.Index(names, "GEOSEARCHSTORE")
	for _, vertices := range []string{"3", "2", "-7", "9223372036854775807", "1.5"} {
		f.Add([]byte{
			byte(search >> 8), byte(search), 11, at("a"), at("b"), at("BYPOLYGON"), at(vertices), at("1"), at("2"), at("10"), at("3"), at("1.5"), at("10"), at("DESC"),
		})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []rdb.Format{{Version: 10}, {Version: 12}, {Dialect: rdb.Valkey, Version: 80}} {
			s := New(table, Options{Format: format, MaxBytes: 1 << 20})
			fuzzCommands(t, s, data, names, words)
			requireSum(t, s)
			require.NoError(t, s.Each(func(k *Key) error {
				typ, body := k.AppendRDB(nil)
				_, err := rdb.CheckValue(format, typ, body)
				if err == nil {
					_, err = k.AppendCommands(nil)
				}
				return err
			}))
		}
	})
}

// fuzzCommands reads commands from data: two bytes for the name, one for how many arguments follow, one for each.
func fuzzCommands(t *testing.T, s *Space, data []byte, names, words []string) {
	t.Helper()
	var p Plan
	for len(data) >= 3 {
		command := []string{names[(int(data[0])<<8|int(data[1]))%len(names)]}
		if container, sub, ok := cutSpace(command[0]); ok {
			command = []string{container, sub}
		}
		n := min(int(data[2])%24, len(data)-3)
		for _, b := range data[3 : 3+n] {
			command = append(command, words[int(b)%len(words)])
		}
		data = data[3+n:]
		args := toArgs(command)
		s.table.Plan(args, &p)
		if p.Effect == Carry || p.Effect == Unknown || s.table.lookup(args).run == nil {
			continue
		}
		if !runFuzzed(t, s, args, &p, &step{args: command}) {
			return
		}
	}
}

// runFuzzed is runPlanned where a Space may say that it cannot: that the command is too big for it, or restores what is too new. Then it returns
// false.
func runFuzzed(t *testing.T, s *Space, args [][]byte, p *Plan, what *step) bool {
	t.Helper()
	clone := New(s.table, s.opt)
	for n, d := range s.dbs {
		for name, e := range d.all() {
			clone.set(place{n, string(name)}, e.copy())
		}
	}
	clone.libraries.bytes = s.libraries.bytes
	if err := clone.Run(0, args); err != nil {
		_, unknown := errors.AsType[*rdb.UnknownError](err)
		require.True(t, unknown || errors.Is(err, ErrTooBig), "%s: %v", what, err)
		return false
	}
	runPlanned(t, s, s.image(), 0, args, p, what)
	return true
}

func cutSpace(s string) (before, after string, ok bool) {
	at := slices.Index([]byte(s), ' ')
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+1:], true
}
