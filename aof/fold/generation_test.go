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
