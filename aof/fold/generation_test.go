package fold_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
)

// drawLog returns commands on a few keys, of which many taint, link and overwrite.
func drawLog(t *rapid.T, label string) []string {
	var (
		key = rapid.SampledFrom(strings.Fields("a b c d w_1 w_2 v_1 l"))
		db  = rapid.IntRange(0, 2)
		at  = func(label string) string { return key.Draw(t, label) }
	)
	lines := []string{fmt.Sprint("SELECT ", db.Draw(t, "selected"))}
	for n := rapid.IntRange(0, 25).Draw(t, label); n > 0; n-- {
		a, b, c := at("a"), at("b"), at("c")
		lines = append(lines, rapid.SampledFrom([]string{
			"M.X " + a + " x", "M.X " + a + " y", "M.X " + a + " z",
			"SET " + a + " s", "SET " + a + " 5 PXAT 99999999999999", "MSET " + a + " 1 " + b + " 2", "SET " + a + " n NX",
			"DEL " + a, "DEL " + a, "DEL " + a + " " + b, "UNLINK " + a + " " + b + " " + c,
			"APPEND " + a + " +", "INCR " + a, "RPUSH " + a + " 2 1", "RPUSH l 1 2",
			"HSET " + a + " f v", "HPEXPIREAT " + a + " 33177117420000 FIELDS 1 f",
			"RENAME " + a + " " + b, "RENAME " + a + " " + b, "RENAMENX " + a + " " + b,
			"COPY " + a + " " + b, "COPY " + a + " " + b + " REPLACE", fmt.Sprintf("COPY %s %s DB %d REPLACE", a, b, db.Draw(t, "db")),
			fmt.Sprintf("MOVE %s %d", a, db.Draw(t, "db")), fmt.Sprint("SELECT ", db.Draw(t, "db")), fmt.Sprint("SELECT ", db.Draw(t, "db")),
			fmt.Sprintf("SWAPDB %d %d", db.Draw(t, "db"), db.Draw(t, "db")),
			"FLUSHDB", "FLUSHDB", "MULTI", "EXEC",
			"SORT " + a + " BY nosort STORE " + b, "SORT l BY w_* STORE " + b, "SORT l GET *_1 STORE " + b,
			fmt.Sprint("CLUSTER FLUSHSLOT ", keyspace.Slot(a)), "FLUSHALL",
			"M.Y " + a + " q", "GETDEL " + a, "GETSET " + a + " u", "PERSIST " + a, "PEXPIREAT " + a + " 99999999999999", "SET " + a + " 5 KEEPTTL",
			"SETNX " + a + " 1", "MSETNX " + a + " 1 " + b + " 2", "BITOP NOT " + a + " " + b, "BITOP OR " + a + " " + b + " " + c,
			"SADD " + a + " 1 2", "SMOVE " + a + " " + b + " 1", "SINTERSTORE " + a + " " + b + " " + c, "SUNIONSTORE " + a + " " + b, "SDIFFSTORE " + a + " " + a + " " + b,
			"LMOVE " + a + " " + b + " LEFT RIGHT", "RPOPLPUSH " + a + " " + b, "XADD " + a + " 1-1 a b", "XGROUP CREATE " + a + " g 0",
			"ZADD " + a + " 1 1 2 2", "ZRANGESTORE " + a + " " + b + " 0 0", "ZUNIONSTORE " + a + " 2 " + b + " " + c,
			"PFADD " + a + " 1", "PFCOUNT " + a + " " + b, "PFMERGE " + a + " " + b, "COPY " + a + " " + b + " DB 1 REPLACE DB 2",
			"SORT l BY *_* DESC GET # GET v_* STORE " + a, "SORT " + a + " BY w_*->f GET w_*->f STORE " + b,
		}).Draw(t, "command"))
	}
	return lines
}

// TestGenerations wants what a loader of the whole log has, however often it is folded, in whatever form, and with whatever memory.
func TestGenerations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := drawLog(t, "base")
		for i, line := range first {
			if strings.HasPrefix(line, "M.") {
				first[i] = "SET b 0"
			}
		}
		base := baseOf(t, first...)
		var log [][]byte
		folded := base
		for range rapid.IntRange(1, 4).Draw(t, "rewrites") {
			var increments [][]byte
			for range rapid.IntRange(1, 2).Draw(t, "increments") {
				increments = append(increments, commandsOf(drawLog(t, "commands")...))
			}
			log = append(log, increments...)
			whole, out := requireFold(t, folded, fold.Options{}, increments...)
			for _, limit := range []int64{1, 300, 1000, 1 << 30} {
				res, _ := requireFold(t, folded, fold.Options{MaxMemory: limit}, increments...)
				if limit == 1<<30 {
					require.Equal(t, whole.Carried, res.Carried)
				}
			}
			limit := rapid.SampledFrom([]int64{0, 0, 0, 1, 500}).Draw(t, "limit")
			_, asCommands := requireFold(t, folded, fold.Options{NoPreamble: true, MaxMemory: limit}, increments...)
			if folded = out; rapid.Bool().Draw(t, "as commands") {
				folded = asCommands
			}
			require.Equal(t, load(t, base, log...), load(t, folded))
		}
	})
}

// TestCarryEnds wants nothing of what is no longer there, in the base and behind it; a second fold changes nothing.
func TestCarryEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		base, increment []string
		copied, touched int64
		carried         int64 // keys
	}{
		"deleted":                      {base: []string{"SET a 0"}, increment: []string{"M.X a 1", "DEL a"}},
		"unlinked with others":         {base: []string{"SET a 0", "SET b 0"}, increment: []string{"M.X a 1", "APPEND b 1", "UNLINK b a"}},
		"set":                          {base: []string{"SET a 0"}, increment: []string{"M.X a 1", "SET a 2", "APPEND a 3"}, touched: 1},
		"set again and again":          {increment: []string{"M.X a 1", "SET a 2", "M.X a 3", "SET a 4", "M.X a 5", "SET a 6"}, touched: 1},
		"set, then tainted":            {base: []string{"SET a 0"}, increment: []string{"M.X a 1", "SET a 2", "M.X a 3"}, carried: 1},
		"set only if it is there":      {base: []string{"SET a 0"}, increment: []string{"M.X a 1", "SET a 2 XX"}, carried: 1},
		"deleted before it is tainted": {base: []string{"SET a 0"}, increment: []string{"COPY a b", "DEL a", "M.X b 1", "DEL b"}},
		"one of two that are linked":   {base: []string{"SET a 0"}, increment: []string{"M.X a 1", "COPY a b", "DEL a", "APPEND a 2"}, carried: 2},
		"two that are linked":          {base: []string{"SET a 0", "SET c 0"}, increment: []string{"M.X a 1", "COPY a b", "DEL a", "APPEND a 2", "SET b 3"}, copied: 1, touched: 2},
		"renamed":                      {base: []string{"SET a 0"}, increment: []string{"M.X a 1", "RENAME a b", "DEL b"}},
		"renamed, and used again":      {base: []string{"SET a 0"}, increment: []string{"M.X a 1", "RENAME a b", "APPEND a 2", "DEL b"}, touched: 1},
		"renamed to itself":            {base: []string{"SET a 0"}, increment: []string{"M.X a 1", "RENAME a a"}, carried: 1},
		"renamed after one another":    {increment: []string{"M.X t 1", "RENAME t a", "M.X t 2", "RENAME t b", "M.X t 3", "RENAME t c", "DEL a", "DEL b"}, carried: 2},
		"flushed":                      {base: []string{"SET a 0", "SET b 0"}, increment: []string{"M.X a 1", "FLUSHDB", "APPEND b 1"}, touched: 1},
		"flushed, and used again":      {base: []string{"SET a 0"}, increment: []string{"M.X a 1", "FLUSHDB", "APPEND a 1"}, touched: 1},
		"flushed in another database":  {base: []string{"SET a 0"}, increment: []string{"M.X a 1", "SELECT 1", "FLUSHDB", "M.X a 1"}, carried: 2},
		"flushed, alive elsewhere":     {base: []string{"SET a 0"}, increment: []string{"M.X a 1", "COPY a a DB 1", "FLUSHDB", "APPEND a 2"}, carried: 2},
		"flushed, dead elsewhere":      {base: []string{"SET a 0"}, increment: []string{"M.X a 1", "COPY a a DB 1", "FLUSHDB", "APPEND a 2", "SWAPDB 1 5", "SELECT 5", "DEL a"}, touched: 1},
		"flushed after a swap":         {base: []string{"SET a 0"}, increment: []string{"M.X a 1", "SWAPDB 0 1", "M.X a 2", "SELECT 1", "FLUSHDB"}, carried: 1},
		"slots":                        {base: []string{"SET a 0", "SET b 0"}, increment: []string{"M.X a 1", "M.X b 1", "CLUSTER FLUSHSLOT 15495"}, carried: 1},
		"set in a transaction":         {base: []string{"SET b 0"}, increment: []string{"MULTI", "M.X a 1", "MSET a 3 b 4", "EXEC"}, touched: 2},
		"a pattern may have read it":   {base: []string{"SET w_1 0", "RPUSH l 1"}, increment: []string{"M.X w_1 1", "SORT l BY w_* STORE d", "DEL w_1 l d"}, carried: 3},
		"for want of field expiry":     {base: []string{"SET h 0"}, increment: []string{"M.X h 1", "DEL h", "HSET h f v", "HPEXPIREAT h 33177117420000 FIELDS 1 f"}, touched: 1, carried: 1},
	} {
		t.Run(name, func(t *testing.T) {
			base, increment := baseOf(t, tc.base...), commandsOf(tc.increment...)
			res, once := requireFold(t, base, fold.Options{}, increment)
			require.Equal(t, []int64{tc.copied, tc.touched, tc.carried}, []int64{res.Copied, res.Touched, res.Carried})
			require.Equal(t, tc.carried > 0, res.CarriedBytes > 0)
			again, twice := requireFold(t, once, fold.Options{})
			require.Equal(t, tc.carried, again.Carried)
			require.Equal(t, once, twice)
			asCommands, _ := requireFold(t, base, fold.Options{NoPreamble: true}, increment)
			if name != "for want of field expiry" {
				require.Equal(t, []int64{tc.copied, tc.touched, tc.carried}, []int64{asCommands.Copied, asCommands.Touched, asCommands.Carried})
			}
		})
	}
}

// TestCarryOfTheRewriteBefore wants a carry to be there as long as it must, and to be gone with the next fold.
func TestCarryOfTheRewriteBefore(t *testing.T) {
	_, folded := requireFold(t, baseOf(t, "SET a 0"), fold.Options{}, commandsOf("M.X a 1", "COPY a b DB 3"))
	res, folded := requireFold(t, folded, fold.Options{}, commandsOf("SWAPDB 3 4", "DEL a", "SELECT 4", "M.X b 2"))
	require.EqualValues(t, 2, res.Carried)
	res, folded = requireFold(t, folded, fold.Options{}, commandsOf("SET c 1"))
	require.EqualValues(t, 2, res.Carried)
	res, folded = requireFold(t, folded, fold.Options{}, commandsOf("SELECT 4", "SET b 3"))
	require.Zero(t, res.CarriedBytes)
	require.Equal(t, folded, func() []byte { _, again := requireFold(t, folded, fold.Options{}); return again }())
}

// TestPatternsThatMeet has a key in the base only, which two patterns match: one link is carried, and so must the other be.
func TestPatternsThatMeet(t *testing.T) {
	base := baseOf(t, "RPUSH k 1", "RPUSH l 1", "SET w_1 "+strings.Repeat("x", 1000), "SET x_1 1")
	increment := commandsOf("SORT k BY w_* STORE d", "APPEND k 1", "SORT l BY *_1 STORE e", "M.X l 1")
	for _, limit := range []int64{0, 1, 300, 3000} {
		requireFold(t, base, fold.Options{MaxMemory: limit}, increment)
	}
}
