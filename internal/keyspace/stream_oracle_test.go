package keyspace

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// checkStream is check, and compares the stream s with the server's node by node, and all that an RDB has of its groups but the times of
// consumers.
func checkStream(t tester, commands ...string) {
	t.Helper()
	checkStreamOn(t, all, commands...)
}

func checkStreamOn(t tester, w want, commands ...string) {
	t.Helper()
	checkStreamArgs(t, w, split(t, commands))
}

func checkStreamArgs(t tester, w want, commands [][]string) {
	t.Helper()
	for _, o := range oracles(t) {
		if w(o.family) {
			o.check(t, commands)
			o.checkNodes(t, commands)
		}
	}
}

func (o *oracle) checkNodes(t tester, commands [][]string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	steps := make([]step, len(commands))
	e := o.runSpace(t, commands, steps).db(0).find([]byte("s"))
	if e == nil || e.value.typeName() != "stream" {
		return
	}
	var dump *redis.Cmd
	o.exec(t, func(ctx context.Context, pipe redis.Pipeliner) {
		pipe.Do(ctx, "RESET")
		pipe.Do(ctx, "FLUSHALL")
		for i, command := range commands {
			args := make([]any, len(command))
			for n, arg := range command {
				args[n] = arg
			}
			steps[i].reply = pipe.Do(ctx, args...)
		}
		dump = pipe.Do(ctx, "DUMP", "s")
	})
	payload, err := dump.Text()
	require.NoError(t, err)
	require.Greater(t, len(payload), 11)
	theirs, err := rdb.DecodeStream(o.format, rdb.Type(payload[0]), []byte(payload[1:len(payload)-10]))
	require.NoError(t, err)
	typ, body := e.value.appendRDB(nil, o.format)
	require.Equal(t, rdb.Type(payload[0]), typ)
	ours, err := rdb.DecodeStream(o.format, typ, body)
	require.NoError(t, err)
	require.Equal(t, timeless(theirs), timeless(ours), "%s\n%s", o.family, transcript(steps))
	v, _ := e.value.(*streamValue)
	require.Equal(t, v.recount(), v.size(), "the memory of the stream, counted anew and as kept")
}

// recount is size from scratch.
func (s *streamValue) recount() int64 {
	n := int64(streamBytes)
	for i := range s.nodes {
		n += s.nodes[i].size()
	}
	for name, g := range s.groups {
		n += int64(len(name)) + g.size()
	}
	return n
}

// timeless takes out when consumers were seen.
func timeless(s *rdb.Stream) *rdb.Stream {
	for i := range s.Groups {
		for j := range s.Groups[i].Consumers {
			s.Groups[i].Consumers[j].SeenMs, s.Groups[i].Consumers[j].ActiveMs = 0, 0
		}
	}
	return s
}

// entries makes XADDs of n entries from id 1-first on.
func entries(first, n int, fields string) (commands []string) {
	for i := range n {
		commands = append(commands, fmt.Sprintf("XADD s 1-%d %s", first+i, fields))
	}
	return commands
}

// with joins lists of commands.
func with(commands []string, more ...string) []string {
	return append(slices.Clip(commands), more...)
}

func TestXAdd(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("v", 1000)
	cases := map[string][]string{
		"first":           {"XADD s 1-1 a b"},
		"several":         {"XADD s 1-1 a b", "XADD s 1-2 a c", "XADD s 2-0 a b c d", "XADD s 3 a x", "XADD s 4-18446744073709551615 a x", "XADD s 5-0 a x"},
		"integers":        {"XADD s 5-5 1 2", "XADD s 5-6 1 -3", "XADD s 5-7 01 2", "XADD s 5-8 1 9223372036854775807", "XADD s 5-9 1 9223372036854775808", "XADD s 5-10 -0 -0"},
		"integer widths":  {"XADD s 1-1 a 127", "XADD s 1-2 a 128", "XADD s 1-3 a -1", "XADD s 1-4 a -4096", "XADD s 1-5 a 4095", "XADD s 1-6 a -4097", "XADD s 1-7 a 32767", "XADD s 1-8 a 8388607", "XADD s 1-9 a -8388609", "XADD s 1-10 a 2147483648", "XADD s 1-11 a -9223372036854775808"},
		"empty texts":     {`XADD s 1-1 "" ""`, `XADD s 1-2 "" x`, `XADD s 1-3 x ""`},
		"binary":          {`XADD s 1-1 "\x00\xff" "\r\n"`, `XADD s 1-2 "\x00\xff" "\x00"`},
		"other fields":    {"XADD s 1-1 a 1 b 2", "XADD s 1-2 b 1 a 2", "XADD s 1-3 a 1", "XADD s 1-4 a 1 b 2 c 3", "XADD s 1-5 a 1 b 2", "XADD s 1-6 a 1 bb 2"},
		"id not larger":   {"XADD s 5-5 a b", "XADD s 5-5 a b", "XADD s 5-4 a b", "XADD s 4-9 a b", "XADD s 5 a b"},
		"id zero":         {"XADD s 0-0 a b", "XADD s 0 a b", "XADD s 0-1 a b"},
		"id largest":      {"XADD s 18446744073709551615-18446744073709551614 a b", "XADD s 18446744073709551615-18446744073709551615 a b", "XADD s 18446744073709551615-18446744073709551615 a b"},
		"id too large":    {"XADD s 18446744073709551616-0 a b", "XADD s 0-18446744073709551616 a b"},
		"id forms":        {"XADD s 01-1 a b", "XADD s +2-+2 a b", `XADD s " 3- 3" a b`, "XADD s 4--1 a b", "XADD s 5--01 a b", `XADD s "6-6\x00junk" a b`, `XADD s "7\x00-9" a b`},
		"id none":         {"XADD s x a b", "XADD s - a b", "XADD s + a b", `XADD s "" a b`, "XADD s 1- a b", "XADD s -1 a b", "XADD s 1-1-1 a b", `XADD s " " a b`, "XADD s 1-x a b", "XADD s 0x1 a b", "XADD s 1_0 a b", "XADD s 1-+ a b", "XADD s ( a b"},
		"id long":         {"XADD s " + strings.Repeat("0", 100) + "7-7 a b", "XADD s " + strings.Repeat("0", 125) + "7-8 a b", "XADD s " + strings.Repeat("0", 126) + "9-9 a b"},
		"id delta falls":  {"XADD s 5-100 a b", "XADD s 6-1 a b", "XADD s 7-18446744073709551615 a b", "XADD s 9223372036854775899-0 a b"},
		"arity":           {"XADD s 1-1 a b c", "XADD s NOMKSTREAM 1-1 a", "XADD s MAXLEN 5 1-1", "XADD s MAXLEN 5 NOMKSTREAM", "XADD s 1-1 a b"},
		"no key":          {"XADD s NOMKSTREAM 1-1 a b"},
		"no key, made":    {"XADD s 1-1 a b", "XADD s nomkSTREAM 1-2 a b"},
		"node by bytes":   {"XADD s 1-1 a " + long, "XADD s 1-2 a " + long, "XADD s 1-3 a " + long, "XADD s 1-4 a " + long, "XADD s 1-5 a " + long, "XADD s 1-6 a b"},
		"node of one":     {"XADD s 1-1 a " + strings.Repeat("v", 5000), "XADD s 1-2 a b", "XADD s 2-1 b " + strings.Repeat("v", 70000), "XADD s 2-2 a b"},
		"nodes by number": entries(1, 205, "a b"),
		"back lengths":    {"XADD s 1-1 a " + strings.Repeat("v", 63), "XADD s 1-2 a " + strings.Repeat("v", 64), "XADD s 1-3 a " + strings.Repeat("v", 126), "XADD s 1-4 a " + strings.Repeat("v", 127), "XADD s 1-5 a " + strings.Repeat("v", 4095), "XADD s 1-6 a " + strings.Repeat("v", 4096), "XADD s 1-7 a " + strings.Repeat("v", 16379), "XADD s 1-8 a " + strings.Repeat("v", 16380)},
		"many fields":     {"XADD s 1-1 " + strings.Repeat("f v ", 300), "XADD s 1-2 " + strings.Repeat("f v ", 300), "XADD s 1-3 " + strings.Repeat("f v ", 129)},
	}
	for name, commands := range cases {
		t.Run(name, func(t *testing.T) { checkStream(t, commands...) })
	}
}

func TestXAddTrims(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"length":             with(entries(1, 5, "a b"), "XADD s MAXLEN 3 2-1 a b", "XADD s MAXLEN = 3 2-2 a b", "XADD s maxlen = 100 2-3 a b"),
		"to nothing":         with(entries(1, 5, "a b"), "XADD s MAXLEN 0 2-1 a b", "XADD s 2-2 a b"),
		"new, to nothing":    {"XADD s MAXLEN 0 0-1 x y"},
		"id":                 with(entries(1, 5, "a b"), "XADD s MINID 1-3 2-1 a b", "XADD s MINID = 1-3 2-2 a b", "XADD s MINID 2 2-3 a b"),
		"id of its own":      with(entries(1, 5, "a b"), "XADD s MINID 2-1 2-1 a b", "XADD s MINID 9-9 2-2 a b"),
		"both":               {"XADD s MAXLEN 3 MINID 1-1 1-1 a b", "XADD s MAXLEN 3 MAXLEN 3 1-1 a b"},
		"limit":              {"XADD s LIMIT 5 1-2 a b", "XADD s LIMIT -1 1-3 a b", "XADD s LIMIT x 1-4 a b"},
		"negative":           {"XADD s MAXLEN -1 1-1 a b", "XADD s MAXLEN = -0 1-1 a b"},
		"no number":          {"XADD s MAXLEN x 1-1 a b", "XADD s MAXLEN 01 1-1 a b", "XADD s MAXLEN = = 1-1 a b", "XADD s MINID - 1-1 a b", "XADD s MINID + 1-1 a b", "XADD s MINID x 1-1 a b"},
		"largest":            with(entries(1, 3, "a b"), "XADD s MAXLEN 9223372036854775807 1-4 a b", "XADD s MINID 18446744073709551615-18446744073709551615 1-5 a b"),
		"unknown word":       {"XADD s MAXLEM 3 1-1 a b", "XADD s KEEPREF 1-1 a b"},
		"no key":             {"XADD s NOMKSTREAM MAXLEN 3 1-1 a b", "XADD s MAXLEN 3 NOMKSTREAM 1-1 a b"},
		"nodes and a part":   with(entries(1, 250, "a b"), "XADD s MAXLEN = 120 2-1 a b", "XADD s MAXLEN = 51 2-2 a b", "XADD s MAXLEN = 2 2-3 a b"),
		"by id across nodes": with(entries(1, 250, "a b"), "XADD s MINID = 1-100 2-1 a b", "XADD s MINID = 1-101 2-2 a b", "XADD s MINID = 1-230 2-3 a b"),
	} {
		t.Run(name, func(t *testing.T) { checkStream(t, commands...) })
	}
}

func TestXTrim(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"no key":             {"XTRIM s MAXLEN 3", "XTRIM s MINID = 3"},
		"length":             with(entries(1, 5, "a b"), "XTRIM s MAXLEN 9", "XTRIM s MAXLEN 5", "XTRIM s MAXLEN = 4", "XTRIM s MAXLEN 1", "XTRIM s MAXLEN 0", "XTRIM s MAXLEN 0"),
		"id":                 with(entries(1, 5, "a b"), "XTRIM s MINID 0", "XTRIM s MINID 1-1", "XTRIM s MINID = 1-2", "XTRIM s MINID 1-5", "XTRIM s MINID 1-6", "XTRIM s MINID 1-6"),
		"each by one":        with(entries(1, 4, "a b"), "XTRIM s MAXLEN 3", "XTRIM s MAXLEN 2", "XTRIM s MAXLEN 1", "XADD s 1-5 a b"),
		"behind deleted":     with(entries(1, 6, "a b"), "XDEL s 1-1 1-3 1-4", "XTRIM s MAXLEN 2", "XTRIM s MAXLEN 1"),
		"last is deleted":    with(entries(1, 3, "a b"), "XDEL s 1-3", "XTRIM s MINID 1-3", "XADD s 1-4 a b", "XTRIM s MINID 1-4"),
		"all but deleted":    with(entries(1, 3, "a b"), "XDEL s 1-2 1-3", "XTRIM s MINID 1-2", "XTRIM s MAXLEN 0", "XADD s 1-9 a b", "XTRIM s MAXLEN 0"),
		"node without any":   with(entries(1, 3, "a b"), "XDEL s 1-2 1-3", "XTRIM s MINID 1-2", "XADD s 1-4 a b", "XADD s 1-5 a b", "XTRIM s MAXLEN 1"),
		"empty node ahead":   with(entries(1, 101, "a b"), "XDEL s 1-100", "XTRIM s MINID 1-100", "XTRIM s MAXLEN 1", "XTRIM s MINID 1-101", "XADD s 2-0 a b", "XTRIM s MAXLEN 1"),
		"other options":      with(entries(1, 5, "a b"), "XTRIM s NOMKSTREAM MAXLEN 1", "XTRIM s MAXLEN =", "XTRIM s LIMIT 3", "XTRIM s LIMIT 0", "XTRIM s MAXLEN 3 x", "XTRIM s MAXLEN 3 MINID", "XTRIM s MAXLEN 1 MINID 3", "XTRIM s MAXLEN = 3 = 3", "XTRIM s MAXLEN -1"),
		"mixed fields":       {"XADD s 1-1 a b", "XADD s 1-2 x 1 y 2", "XADD s 1-3 a c", "XADD s 1-4 z 1", "XTRIM s MAXLEN 2", "XTRIM s MAXLEN 1"},
		"nodes":              with(entries(1, 350, "a b"), "XTRIM s MAXLEN 300", "XTRIM s MAXLEN 250", "XTRIM s MAXLEN 50", "XTRIM s MAXLEN 49", "XADD s 2-1 a b"),
		"nodes by id":        with(entries(1, 350, "a b"), "XTRIM s MINID 1-100", "XTRIM s MINID 1-101", "XTRIM s MINID 1-102", "XTRIM s MINID 1-333", "XTRIM s MINID 2"),
		"whole word":         with(entries(1, 5, "a b"), `XTRIM s "MAXLEN\x00x" "=\x00" 3`),
		"deleted then added": with(with(entries(1, 99, "a b"), "XTRIM s MAXLEN 5"), entries(100, 30, "a b")...),
	} {
		t.Run(name, func(t *testing.T) { checkStream(t, commands...) })
	}
}

func TestXDel(t *testing.T) {
	t.Parallel()
	ids := func(first, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " 1-%d", first+i)
		}
		return b.String()
	}
	for name, commands := range map[string][]string{
		"no key":            {"XDEL s 1-1"},
		"missing":           {"XADD s 1-1 a b", "XDEL s 1-2 0-1 0 2 18446744073709551615-18446744073709551615", "XDEL s 1"},
		"first":             with(entries(1, 3, "a b"), "XDEL s 1-1", "XDEL s 1-2"),
		"last":              with(entries(1, 3, "a b"), "XDEL s 1-3", "XADD s 1-3 a b", "XADD s 1-4 a b"),
		"middle":            with(entries(1, 3, "a b"), "XDEL s 1-2"),
		"all":               with(entries(1, 3, "a b"), "XDEL s 1-1 1-2 1-3", "XADD s 1-3 a b", "XADD s 1-4 a b"),
		"twice":             with(entries(1, 3, "a b"), "XDEL s 1-1 1-1 1-1", "XDEL s 1-1"),
		"bad id":            with(entries(1, 3, "a b"), "XDEL s 1-1 x", "XDEL s - +", "XDEL s 1-*"),
		"largest falls":     with(entries(1, 5, "a b"), "XDEL s 1-4", "XDEL s 1-2", "XDEL s 1-1"),
		"other fields":      {"XADD s 1-1 a b", "XADD s 1-2 x 1 y 2", "XADD s 1-3 a c", "XDEL s 1-2", "XADD s 1-4 x 1 y 2", "XDEL s 1-1"},
		"first node":        with(entries(1, 250, "a b"), "XDEL s"+ids(1, 100), "XADD s 2-1 a b"),
		"middle node":       with(entries(1, 250, "a b"), "XDEL s"+ids(101, 100), "XDEL s 1-100 1-201", "XADD s 2-1 a b"),
		"last node":         with(entries(1, 250, "a b"), "XDEL s"+ids(201, 50), "XADD s 2-1 a b", "XDEL s 2-1", "XADD s 2-2 a b"),
		"nodes in the back": with(entries(1, 650, "a b"), "XDEL s"+ids(401, 100), "XDEL s"+ids(101, 100), "XDEL s"+ids(301, 100), "XDEL s"+ids(1, 100)),
		"full of deleted":   with(with(entries(1, 99, "a b"), "XDEL s"+ids(1, 98)), entries(100, 20, "a b")...),
		"trimmed first":     with(entries(1, 9, "a b"), "XTRIM s MAXLEN 5", "XDEL s 1-5", "XDEL s 1-1", "XDEL s 1-6"),
	} {
		t.Run(name, func(t *testing.T) { checkStream(t, commands...) })
	}
}

func TestStreamsOfAnotherType(t *testing.T) {
	t.Parallel()
	check(t, "HSET s f v", "XADD s 1-1 a b", "XADD s NOMKSTREAM 1-1 a b", "XTRIM s MAXLEN 1", "XDEL s 1-1", "XSETID s 1-1", "XACK s g 1-1",
		claimed("c", "1-1"), "XGROUP CREATE s g 0", "XGROUP CREATE s g 0 MKSTREAM", "XGROUP SETID s g 0", "XGROUP DESTROY s g",
		"XGROUP CREATECONSUMER s g c", "XGROUP DELCONSUMER s g c")
}

func TestXSetID(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"no key":        {"XSETID s 1-1"},
		"old form":      with(entries(1, 3, "a b"), "XSETID s 1-3", "XSETID s 5", "XADD s 4 a b", "XADD s 5-1 a b"),
		"below":         with(entries(1, 3, "a b"), "XSETID s 1-2", "XSETID s 0"),
		"all":           with(entries(1, 3, "a b"), "XSETID s 9-9 ENTRIESADDED 100 MAXDELETEDID 2-2", "XSETID s 9-9 MAXDELETEDID 0-0 ENTRIESADDED 3", "XSETID s 9-9 MAXDELETEDID 1-1"),
		"deleted above": with(entries(1, 3, "a b"), "XSETID s 9-9 MAXDELETEDID 9-10", "XSETID s 9-9 MAXDELETEDID 9-9"),
		"added less":    with(entries(1, 3, "a b"), "XSETID s 9-9 ENTRIESADDED 2", "XSETID s 9-9 ENTRIESADDED -1", "XSETID s 9-9 ENTRIESADDED x", "XSETID s 9-9 ENTRIESADDED 9223372036854775807"),
		"added nothing": {"XADD s MAXLEN 0 1-1 a b", "XSETID s 1-1 ENTRIESADDED 0", "XSETID s 0-0", "XADD s 0-1 a b"},
		"not an id":     with(entries(1, 3, "a b"), "XSETID s x", "XSETID s -", "XSETID s +", "XSETID s $", "XSETID s 1-*", "XSETID s 5 x", "XSETID s 5 x y", "XSETID s 5 ENTRIESADDED", "XSETID s 5 MAXDELETEDID x"),
		"twice":         with(entries(1, 3, "a b"), "XSETID s 9-9 ENTRIESADDED 7 ENTRIESADDED 8 entriesadded 9"),
		"last deleted":  with(entries(1, 3, "a b"), "XDEL s 1-3", "XSETID s 1-2", "XADD s 1-3 x y", "XADD s 1-4 x y", "XDEL s 1-3", "XADD s 1-9 a b"),
		"all deleted":   with(entries(1, 3, "a b"), "XDEL s 1-1 1-2 1-3", "XSETID s 1-2", "XSETID s 0-5 MAXDELETEDID 0-1", "XADD s 0-6 x y", "XADD s 1-1 x y"),
		"turned back":   with(entries(5, 3, "a b"), "XDEL s 1-6 1-7", "XTRIM s MINID 1-6", "XSETID s 0-1", "XADD s 0-2 a b", "XADD s 0-3 a b", "XADD s 1-6 a b", "XDEL s 0-2", "XTRIM s MAXLEN 1"),
		"largest":       {"XADD s MAXLEN 0 1-1 a b", "XSETID s 18446744073709551615-18446744073709551615", "XADD s 18446744073709551615-18446744073709551615 a b"},
	} {
		t.Run(name, func(t *testing.T) { checkStream(t, commands...) })
	}
}

// TestXSetIDFarBack has Redis 7.0 put entries before deleted ones of a larger id, and more than that node takes. As commands, which must have ids in order,
// there is no saying it.
func TestXSetIDFarBack(t *testing.T) {
	t.Parallel()
	commands := with(entries(1, 102, "a b"), "XDEL s 1-102", "XTRIM s MINID 1-102", "XSETID s 0-0")
	for _, command := range entries(1, 120, "a b") {
		commands = append(commands, strings.Replace(command, " 1-", " 0-", 1))
	}
	for _, o := range oracles(t) {
		o.checkNodes(t, split(t, commands))
	}
}

func TestStreamsReplayed(t *testing.T) {
	t.Parallel()
	// Only a log may have a LIMIT beside an exact trim.
	checkReplay(t, all, "XADD s LIMIT 0 1-1 a b", "XADD s MAXLEN = 5 LIMIT 1 1-2 a b", "XADD s LIMIT 1 MAXLEN = 1 1-3 a b", "XTRIM s MINID = 1-3 LIMIT 2")
	checkReplay(t, all, with(entries(1, 150, "a b"), "XTRIM s MAXLEN = 7 LIMIT 100", "XGROUP CREATE s g 0", claimed("c", "1-150", "LASTID 1-150"),
		claimed("c", "1-1"), "XACK s g 1-150", "XSETID s 2-2 ENTRIESADDED 200")...)
	checkReplay(t, all, "XGROUP CREATE s g $ MKSTREAM", "XGROUP CREATECONSUMER s g c")
}

func TestStreamsAtRandom(t *testing.T) {
	t.Parallel()
	commands := genStreamCommands()
	rapid.Check(t, func(rt *rapid.T) { checkStreamArgs(rt, all, commands.Draw(rt, "commands")) })
}

// genStreamCommands makes a list of commands on the stream s as a log may have them: enough to have entries and groups, and then more of what adds
// than of what removes.
func genStreamCommands() *rapid.Generator[[][]string] {
	id := rapid.Map(rapid.IntRange(0, 60), func(n int) string { return fmt.Sprintf("1-%d", n) })
	text := rapid.OneOf(genWord(), genWord(), genInt(), genBlob(), rapid.Just(strings.Repeat("v", 1000)))
	one := func(s ...string) *rapid.Generator[string] { return rapid.SampledFrom(s) }
	newID := one("next", "next", "next", "next", "next", "1-20")
	number := rapid.Map(rapid.IntRange(0, 90), strconv.Itoa)
	group, consumer := one("g", "g", "h"), one("c", "d", "")
	fields := []*rapid.Generator[string]{one("a", "a", "a", "7", ""), text}
	add := genMany("XADD", []*rapid.Generator[string]{one("s"), newID}, fields)
	claim := genCommand("XCLAIM", one("s"), group, consumer, one("0"), id, one("TIME"), one("0", "1700000000000"), one("RETRYCOUNT"), number,
		one("FORCE"), one("JUSTID"), one("LASTID"), id)
	claimMore := genCommand("XCLAIM", one("s"), group, consumer, one("0"), id, id, id, one("TIME"), one("5"), one("FORCE", "JUSTID"))
	ack := genMany("XACK", []*rapid.Generator[string]{one("s"), group}, []*rapid.Generator[string]{id})
	remove := genMany("XDEL", []*rapid.Generator[string]{one("s")}, []*rapid.Generator[string]{id})
	rare := rapid.OneOf(
		genMany("XADD", []*rapid.Generator[string]{one("s"), one("MAXLEN"), one("="), number, newID}, fields),
		genMany("XADD", []*rapid.Generator[string]{one("s"), one("NOMKSTREAM"), one("MINID"), id, newID}, fields),
		genCommand("XTRIM", one("s"), one("MAXLEN"), number),
		genCommand("XTRIM", one("s"), one("MINID"), one("="), id),
		genCommand("XSETID", one("s"), id),
		genCommand("XSETID", one("s"), id, one("ENTRIESADDED"), number, one("MAXDELETEDID"), id),
		genCommand("XGROUP", one("CREATE"), one("s"), group, one("$", "0", "1-7"), one("MKSTREAM")),
		genCommand("XGROUP", one("SETID"), one("s"), group, id, one("ENTRIESREAD"), number),
		genCommand("XGROUP", one("CREATECONSUMER", "DELCONSUMER"), one("s"), group, consumer),
		genCommand("XGROUP", one("DESTROY"), one("s"), group),
	)
	command := rapid.OneOf(add, add, add, add, add, claim, claim, claimMore, claimMore, ack, remove, rare)
	return rapid.Custom(func(t *rapid.T) [][]string {
		begin := rapid.SliceOfN(add, 10, 60).Draw(t, "entries")
		begin = append(begin, []string{"XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"}, []string{"XGROUP", "CREATE", "s", "h", "$", "ENTRIESREAD", "3"})
		commands := slices.Concat(begin, rapid.SliceOfN(command, 20, 80).Draw(t, "commands"))
		next := 0
		for _, args := range commands {
			if at := slices.Index(args, "next"); at >= 0 {
				next++
				args[at] = fmt.Sprintf("1-%d", next)
			}
		}
		return commands
	})
}
