package fold_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
)

var format = rdb.Format{Dialect: rdb.Redis, Version: 11}

// tb is a test or one check of rapid's.
type tb interface {
	rapid.TB
	Context() context.Context
}

// source is a file in memory.
func source(name string, data []byte) fold.Source {
	return fold.Source{Name: name, R: bytes.NewReader(data), Size: int64(len(data))}
}

// baseOf is an RDB with what the commands make; SELECT works.
func baseOf(t tb, lines ...string) []byte {
	t.Helper()
	sp := keyspace.New(keyspace.NewTable(), keyspace.Options{Format: format})
	run(t, sp, commandsOf(lines...))
	var b bytes.Buffer
	w := rdb.NewWriter(&b, format)
	require.NoError(t, w.Aux("redis-ver", "7.2.4"))
	for _, f := range sp.Functions() {
		require.NoError(t, w.Function(f))
	}
	require.NoError(t, sp.Each(func(k *keyspace.Key) error {
		if err := w.SelectDB(k.DB); err != nil {
			return err
		}
		typ, body := k.AppendRDB(nil)
		a := rdb.Attributes{}
		if k.Expire != rdb.NoExpire {
			a = rdb.Attributes{HasExpire: true, Expire: k.Expire}
		}
		return w.Key(typ, a, []byte(k.Name), body)
	}))
	require.NoError(t, w.Close())
	return b.Bytes()
}

// commandsOf is a file of commands: words are split at spaces.
func commandsOf(lines ...string) []byte {
	out := resp.AppendCommandStrings(nil, "SELECT", "0")
	for _, line := range lines {
		out = resp.AppendCommandStrings(out, strings.Fields(line)...)
	}
	return out
}

// load returns what a loader has of a base and increments, as text.
func load(t tb, base []byte, increments ...[]byte) map[string]string {
	t.Helper()
	sp := keyspace.New(keyspace.NewTable(), keyspace.Options{Format: format})
	tail := base
	if bytes.HasPrefix(base, []byte("REDIS")) || bytes.HasPrefix(base, []byte("VALKEY")) {
		rd, err := rdb.NewReader(bytes.NewReader(base))
		require.NoError(t, err)
		sp = keyspace.New(keyspace.NewTable(), keyspace.Options{Format: rdb.Format{Dialect: rd.Dialect(), Version: rd.Version()}})
		seen := map[string]bool{}
		for {
			it, err := rd.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			var b bytes.Buffer
			require.NoError(t, rd.CopyRaw(&b))
			switch it.Kind { //nolint:exhaustive // the others hold no data
			case rdb.KeyItem:
				name := fmt.Sprintf("%d:%s", it.DB, it.Key)
				require.False(t, seen[name], "%s comes twice", name)
				seen[name] = true
				sp.PutRaw(it.DB, it.Key, it.Type, b.Bytes()[it.HeadBytes:], rdb.Attributes{HasExpire: it.HasExpire, Expire: it.Expire})
			case rdb.FunctionItem:
				source, err := rdb.DecodeString(b.Bytes()[1:])
				require.NoError(t, err)
				require.NoError(t, sp.PutFunction(source))
			}
		}
		tail = base[rd.Offset():]
	}
	state := map[string]string{}
	for _, file := range append([][]byte{tail}, increments...) {
		run(t, sp, file)
	}
	require.NoError(t, sp.Each(func(k *keyspace.Key) error {
		text, err := k.AppendCommands(nil)
		state[fmt.Sprintf("%d:%s", k.DB, k.Name)] += string(text)
		return err
	}))
	for _, f := range sp.Functions() {
		state["function "+string(f)] = ""
	}
	return state
}

// run runs commands as a loader does. M.X is a module's command that appends: it can be run here, and the fold does not know it.
func run(t tb, sp *keyspace.Space, commands []byte) {
	t.Helper()
	rd := resp.NewReader(bytes.NewReader(commands))
	rd.MaxArgBytes = -1
	db := 0
	for {
		cmd, err := rd.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		switch {
		case cmd.Kind == resp.Select:
			_, err := fmt.Sscan(string(cmd.Args[1]), &db)
			require.NoError(t, err)
		case cmd.Kind == resp.Other && bytes.HasPrefix(cmd.Args[0], []byte("M.")):
			require.NoError(t, sp.Run(db, [][]byte{[]byte("APPEND"), cmd.Args[1], cmd.Args[2]}))
		case cmd.Kind == resp.Other:
			require.NoError(t, sp.Run(db, cmd.Args), "%q", cmd.Args)
		}
	}
}

// firstArg says that a module's commands have their key behind the name.
func firstArg(args [][]byte) ([][]byte, bool) {
	return args[1:2], bytes.HasPrefix(args[0], []byte("M."))
}

// requireFold folds, and wants the result to be what a loader makes of the input.
func requireFold(t tb, base []byte, opt fold.Options, increments ...[]byte) (fold.Result, []byte) {
	t.Helper()
	in := fold.Input{Base: source("base", base)}
	for i, data := range increments {
		in.Increments = append(in.Increments, source(fmt.Sprintf("increment %d", i+1), data))
	}
	opt.Table = keyspace.NewTable()
	opt.Keys = firstArg
	var out bytes.Buffer
	res, err := fold.Fold(t.Context(), in, &out, opt)
	require.NoError(t, err)
	require.Equal(t, int64(out.Len()), res.Bytes)
	want := load(t, base, increments...)
	require.Equal(t, want, load(t, out.Bytes()))
	if opt.MaxMemory == 0 || opt.MaxMemory > 10_000 {
		requireFoldInOneGo(t, want, base, opt, increments)
	}
	if !opt.NoPreamble && res.CarriedBytes == 0 {
		sum, err := rdb.Check(bytes.NewReader(out.Bytes()))
		require.NoError(t, err)
		require.Equal(t, res.Keys, sum.Keys)
		require.True(t, sum.Checksummed)
	}
	return res, out.Bytes()
}

// requireFoldInOneGo folds the same with so much more to read that the base is small beside it: PINGs are nothing.
func requireFoldInOneGo(t tb, want map[string]string, base []byte, opt fold.Options, increments [][]byte) {
	t.Helper()
	ping := resp.AppendCommandStrings(nil, "PING")
	in := fold.Input{Base: source("base", base), Increments: []fold.Source{source("pings", bytes.Repeat(ping, 1+8*len(base)/len(ping)))}}
	for i, data := range increments {
		in.Increments = append(in.Increments, source(fmt.Sprintf("increment %d", i), data))
	}
	var out bytes.Buffer
	res, err := fold.Fold(t.Context(), in, &out, opt)
	require.NoError(t, err)
	require.Equal(t, int64(out.Len()), res.Bytes)
	require.Equal(t, want, load(t, out.Bytes()))
}

func TestFold(t *testing.T) {
	for name, tc := range map[string]struct {
		base, increment []string
		want            fold.Result // of it Copied, Touched, Carried
	}{
		"nothing":               {want: fold.Result{}},
		"untouched":             {base: []string{"SET a 1", "RPUSH l 1 2"}, want: fold.Result{Copied: 2}},
		"counted":               {base: []string{"SET a 1", "SET b 1"}, increment: []string{"INCR a", "INCR a", "INCR c"}, want: fold.Result{Copied: 1, Touched: 2}},
		"deleted":               {base: []string{"SET a 1", "SET b 1"}, increment: []string{"DEL a"}, want: fold.Result{Copied: 1}},
		"overwritten":           {base: []string{"SET a 1 PXAT 99999999999999"}, increment: []string{"SET a 2", "APPEND a x"}, want: fold.Result{Touched: 1}},
		"renamed":               {base: []string{"RPUSH a 1", "SET b x"}, increment: []string{"RENAME a b", "RPUSH b 2"}, want: fold.Result{Touched: 1}},
		"swapped":               {base: []string{"SET a 0", "SET b 0"}, increment: []string{"SWAPDB 0 3", "SET a new", "SELECT 3", "APPEND a x", "SWAPDB 3 5", "SELECT 5", "APPEND b y"}, want: fold.Result{Touched: 3}},
		"swapped, copied":       {base: []string{"SET a 0", "SET b 0"}, increment: []string{"SWAPDB 0 3", "SET c new"}, want: fold.Result{Copied: 2, Touched: 1}},
		"flushed db":            {base: []string{"SET a 0", "SET b 0"}, increment: []string{"APPEND a 1", "FLUSHDB", "APPEND a 2"}, want: fold.Result{Touched: 1}},
		"flushed before a swap": {base: []string{"SET a 0", "SET b 0"}, increment: []string{"SWAPDB 0 1", "FLUSHDB", "SELECT 1", "FLUSHDB", "SET z 1"}, want: fold.Result{Touched: 1}},
		"flushed all":           {base: []string{"SET a 0", "SET b 0"}, increment: []string{"M.X a 1", "SWAPDB 0 1", "FLUSHALL", "APPEND a 2", "SELECT 1", "APPEND b 3"}, want: fold.Result{Touched: 2}},
		"moved":                 {base: []string{"SET a 0", "SET b 0"}, increment: []string{"MOVE a 4", "SELECT 4", "APPEND a 1", "COPY a b DB 0 REPLACE"}, want: fold.Result{Touched: 2}},
		"sorted by patterns": {
			base:      []string{"RPUSH l 1 2 3", "SET w_1 9", "SET w_2 8", "SET w_3 7", "SET o_1 x", "SET q 1"},
			increment: []string{"SET o_2 y", "SORT l BY w_* GET o_* GET # STORE d", "SET w_1 0"},
			want:      fold.Result{Copied: 1, Touched: 7},
		},
		"tainted":          {base: []string{"SET a 0", "SET b 0", "SET c 0"}, increment: []string{"APPEND a 1", "M.X a 2", "APPEND a 3", "APPEND b 4"}, want: fold.Result{Copied: 1, Touched: 1, Carried: 1}},
		"tainted, renamed": {base: []string{"SET a 0", "SET b 0"}, increment: []string{"APPEND b 1", "M.X a 2", "RENAME a b", "APPEND b 3"}, want: fold.Result{Carried: 2}},
		"tainted, moved and swapped": {
			base:      []string{"SET a 0", "SET b 0"},
			increment: []string{"M.X a 1", "SWAPDB 0 2", "SELECT 2", "MOVE a 7", "SELECT 7", "APPEND a 2", "SWAPDB 7 8", "SELECT 8", "COPY a c DB 7", "APPEND a 3"},
			want:      fold.Result{Copied: 1, Carried: 3},
		},
		"tainted, flushed": {
			base:      []string{"SET a 0", "SET b 0"},
			increment: []string{"M.X a 1", "COPY a z DB 5", "FLUSHDB", "APPEND a 2", "APPEND b 3"},
			want:      fold.Result{Touched: 1, Carried: 2},
		},
		"tainted through a transaction": {
			base:      []string{"SET a 0", "SET b 0"},
			increment: []string{"MULTI", "M.X a 1", "APPEND b 2", "MSETNX a 3 c 4", "EXEC"},
			want:      fold.Result{Touched: 1, Carried: 2},
		},
		"slots":   {base: []string{"SET a 0", "SET b 0", "SET {a}2 0"}, increment: []string{"APPEND {a}2 1", "CLUSTER FLUSHSLOT 15495", "APPEND a 2"}, want: fold.Result{Copied: 1, Touched: 1}},
		"refused": {base: []string{"SET a x"}, increment: []string{"INCR a", "RPUSH a 1", "LSET l 0 x"}, want: fold.Result{Touched: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			base, increment := baseOf(t, tc.base...), commandsOf(tc.increment...)
			for _, noPreamble := range []bool{false, true} {
				res, out := requireFold(t, base, fold.Options{NoPreamble: noPreamble}, increment)
				got := fold.Result{Copied: res.Copied, Touched: res.Touched, Carried: res.Carried}
				require.Equal(t, tc.want, got)
				// What came of it is folded with the same commands again, or with none.
				requireFold(t, out, fold.Options{}, increment)
				requireFold(t, out, fold.Options{NoPreamble: true})
			}
		})
	}
}

// TestFoldInPasses wants the same with any limit of memory.
func TestFoldInPasses(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		var base, increment []string
		for i := range 60 {
			base = append(base, fmt.Sprintf("SET k%d %s", i, strings.Repeat("v", rng.IntN(400))+"!"), fmt.Sprintf("RPUSH l%d a b c", i))
		}
		for range 300 {
			a, b := rng.IntN(80), rng.IntN(80)
			increment = append(increment, []string{
				fmt.Sprintf("APPEND k%d xyz", a), fmt.Sprintf("SET k%d new", a), fmt.Sprintf("DEL k%d", a), fmt.Sprintf("LPUSH l%d x", a),
				fmt.Sprintf("RENAME k%d k%d", a, b), fmt.Sprintf("M.X m%d z", a), fmt.Sprintf("COPY k%d m%d REPLACE", a, b%10),
				fmt.Sprintf("MOVE k%d %d", a, b%4), fmt.Sprintf("SELECT %d", b%3), "SWAPDB 0 2",
			}[min(rng.IntN(20), 9)])
		}
		from, file := baseOf(t, base...), commandsOf(increment...)
		whole, _ := requireFold(t, from, fold.Options{}, file)
		require.Equal(t, 1, whole.Passes)
		for _, limit := range []int64{1, 500, 3000, 20_000, 1 << 30} {
			res, _ := requireFold(t, from, fold.Options{MaxMemory: limit}, file)
			if limit == 3000 {
				require.Greater(t, res.Passes, 1)
			}
		}
	}
}

// TestAKeyThatComesTwice has a base as a Valkey cluster node may send it, whose scripts put a key into the table of another slot.
func TestAKeyThatComesTwice(t *testing.T) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, format)
	require.NoError(t, w.SelectDB(0))
	for range 2 {
		require.NoError(t, w.Key(rdb.TypeString, rdb.Attributes{}, []byte("a"), []byte{1, 'x'}))
	}
	require.NoError(t, w.Close())
	for _, command := range []string{"APPEND a y", "SET a y", "M.X a y"} {
		in := fold.Input{Base: source("base", b.Bytes()), Increments: []fold.Source{source("incr", commandsOf(command))}}
		_, err := fold.Fold(t.Context(), in, io.Discard, fold.Options{Table: keyspace.NewTable(), Keys: firstArg})
		corrupt := (*fold.InputError)(nil)
		require.ErrorAs(t, err, &corrupt)
		require.Equal(t, "base", corrupt.File)
		require.ErrorContains(t, err, `the key "a" comes twice`)
	}
}

// TestUseOfKeysStays has a server's notes of when and how often a key was used, of keys that nothing touches and of one whose time changes only.
func TestUseOfKeysStays(t *testing.T) {
	for name, pings := range map[string]int{"planned": 0, "in one go": 1000} {
		t.Run(name, func(t *testing.T) {
			var b, out bytes.Buffer
			w := rdb.NewWriter(&b, format)
			require.NoError(t, w.SelectDB(0))
			for key, a := range map[string]rdb.Attributes{
				"a": {HasIdle: true, Idle: 17}, "b": {HasFreq: true, Freq: 9, HasExpire: true, Expire: 1 << 42}, "c": {HasIdle: true, Idle: 3}, "d": {HasIdle: true, Idle: 4},
			} {
				require.NoError(t, w.Key(rdb.TypeString, a, []byte(key), []byte{1, 'x'}))
			}
			require.NoError(t, w.Close())
			commands := append(bytes.Repeat(resp.AppendCommandStrings(nil, "PING"), pings), commandsOf("PEXPIREAT c 99999999999999", "APPEND d y")...)
			in := fold.Input{Base: source("base", b.Bytes()), Increments: []fold.Source{source("incr", commands)}}
			res, err := fold.Fold(t.Context(), in, &out, fold.Options{Table: keyspace.NewTable()})
			require.NoError(t, err)
			require.Equal(t, 1, res.Passes)
			got := map[string]rdb.Attributes{}
			rd, err := rdb.NewReader(bytes.NewReader(out.Bytes()))
			require.NoError(t, err)
			for {
				it, err := rd.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				if it.Kind == rdb.KeyItem {
					got[string(it.Key)] = rdb.Attributes{HasExpire: it.HasExpire, Expire: it.Expire, HasIdle: it.HasIdle, Idle: it.Idle, HasFreq: it.HasFreq, Freq: it.Freq}
				}
			}
			require.Equal(t, map[string]rdb.Attributes{
				"a": {HasIdle: true, Idle: 17}, "b": {HasFreq: true, Freq: 9, HasExpire: true, Expire: 1 << 42},
				"c": {HasIdle: true, Idle: 3, HasExpire: true, Expire: 99999999999999}, "d": {},
			}, got)
		})
	}
}
