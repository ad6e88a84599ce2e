package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof"
)

func TestInspectBase(t *testing.T) {
	dir, _ := directoryOf(t, []string{"SET", "a\"\x01", "1"}, []string{"RPUSH", "list", "x", "y"}, []string{"SADD", "set", "1", "2", "3"},
		[]string{"PEXPIREAT", "set", "99999999999999"}, []string{"SET", "large", strings.Repeat("xyz", 9000)})
	code, out, errs := runCommand(t, "rewrite", "--set", "control.socket=", dir)
	require.Zero(t, code, errs)
	require.Contains(t, out, "appendonly.aof.2.base.rdb")

	code, out, errs = runCommand(t, "inspect", "--base", dir)
	require.Zero(t, code, errs)
	require.Contains(t, out, `db0  list  `)
	require.Regexp(t, `(?m)^db0  set\S*  \d+ bytes  3  5138-11-16T09:46:39\.999Z  "set"$`, out)
	require.Contains(t, out, `  -  "a\"\x01"`+"\n")

	code, out, _ = runCommand(t, "inspect", "--base", "--json", "--key", "list", dir)
	require.Zero(t, code)
	var line keyLine
	require.NoError(t, json.Unmarshal([]byte(out), &line))
	require.Equal(t, keyLine{Key: "list", Type: "list", Encoding: line.Encoding, Bytes: line.Bytes, Elements: 2, Expire: -1}, line)

	code, out, _ = runCommand(t, "inspect", "--biggest", "1", "--json", dir)
	require.Zero(t, code)
	var summary baseSummary
	require.NoError(t, json.Unmarshal([]byte(out), &summary))
	require.Len(t, summary.Biggest, 1)
	require.Equal(t, "large", summary.Biggest[0].Key)
	require.EqualValues(t, 27000, summary.Biggest[0].Elements)
	code, out, _ = runCommand(t, "inspect", "--biggest", "3", dir)
	require.Zero(t, code)
	require.Contains(t, out, `db0 "large"`)

	for _, args := range [][]string{{"--biggest", "-1"}, {"--base", "--biggest", "2"}, {"--biggest", "100001"}} {
		code, _, _ = runCommand(t, append([]string{"inspect", dir}, args...)...)
		require.Equal(t, exitUsage, code, "%q", args)
	}
	code, _, _ = runCommand(t, "inspect", "--base", t.TempDir())
	require.Equal(t, exitNothing, code)

	code, _, errs = runCommand(t, "rewrite", "--set", "control.socket=", "--set", "aof.aof-use-rdb-preamble=no", dir)
	require.Zero(t, code, errs)
	code, out, _ = runCommand(t, "verify", dir)
	require.Zero(t, code)
	require.Regexp(t, `(?m)^base .*\.base\.aof, .*, commands, \d+ keys, \d+ commands in `, out)
}

// The largest keys are those that sorting all of them finds.
func TestBaseTotals(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const keys = 4000
	totals := func(limit int) *baseTotals {
		return &baseTotals{limit: limit, encodings: map[encodingID]*encodingTotal{}}
	}
	all, few := totals(keys), []*baseTotals{totals(1), totals(7), totals(5000)}
	for i := range keys {
		key := aof.BaseKey{Key: fmt.Append(nil, i), Kind: "string", Encoding: "string", Bytes: 1 + rng.Int64N(1<<40), Elements: -1, Expire: -1}
		for _, b := range append(few, all) {
			require.NoError(t, b.add(&key))
		}
	}
	want := all.summary(aof.BaseReport{}).Biggest
	for _, b := range few {
		require.Equal(t, want[:min(b.limit, keys)], b.summary(aof.BaseReport{}).Biggest)
		require.EqualValues(t, keys, b.encodings[encodingID{"string", "string"}].Keys)
	}
}
