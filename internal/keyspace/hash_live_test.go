package keyspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// The tests of this file run commands on a live upstream that has fields past their time, and the stream that came of them on a Space.
// In KEY, f and g are past their time; z and, in the large variant, more than 600 others are not.

// liveCommands are those after which the Space has at once what the upstream shows.
func liveCommands(family testenv.Family) []string {
	commands := []string{
		"HSET KEY f 1", "HMSET KEY f 1 z 2", "HINCRBY KEY f 5", "HINCRBY KEY z 5", "HINCRBYFLOAT KEY f 5", "HSETNX KEY f 7", "HSETNX KEY new 7",
		"HDEL KEY f", "HDEL KEY f g", "HDEL KEY f z", "HPERSIST KEY FIELDS 1 f", "HPERSIST KEY FIELDS 1 z", "HGET KEY f", "HGETALL KEY", "HRANDFIELD KEY 5", "COPY KEY KEY:copy", "RENAME KEY KEY:new",
		"HPEXPIREAT KEY FUTURE NX FIELDS 2 f z", "HPEXPIREAT KEY PAST FIELDS 2 f z", "HPEXPIREAT KEY FUTURE LT FIELDS 1 z", "HEXPIRE KEY 100000 FIELDS 1 z", "HPEXPIRE KEY 100000 GT FIELDS 2 z nope",
		"HSETEX KEY KEEPTTL FIELDS 2 f a z b", "HSETEX KEY FXX KEEPTTL FIELDS 2 f a z b", "HSETEX KEY FXX PX 100000 FIELDS 1 z b", "HSETEX KEY FNX PX 100000 FIELDS 1 f a", "HSETEX KEY FNX EX 100000 FIELDS 2 f a z b",
		"HSETEX KEY PX 100000 FIELDS 2 f a q b", "HSETEX KEY FIELDS 2 f a z b", "HSETEX KEY PXAT PAST FIELDS 2 f a q b", "HSETEX KEY PXAT PAST FIELDS 2 z a q b", "HSETEX KEY:other PXAT PAST FIELDS 1 a b",
		"HGETEX KEY PX 1000000 FIELDS 3 f z nope", "HGETEX KEY PERSIST FIELDS 3 f z nope", "HGETEX KEY PXAT PAST FIELDS 3 f z nope",
		"HGETDEL KEY FIELDS 2 f z", "SORT KEY:none BY nosort GET KEY->f STORE KEY:dst",
	}
	if family.Dialect == testenv.Redis {
		return append(commands, "HGETDEL KEY FIELDS 3 f g z",
			"HPEXPIREAT KEY FUTURE FIELDS 2 f z", "HPEXPIREAT KEY FUTURE XX FIELDS 2 f z", "HPEXPIREAT KEY FUTURE GT FIELDS 3 f z nope")
	}
	return append(commands, "HINCRBYFLOAT KEY z 5") // Redis 8.0.2 does not tell that z keeps its expiry
}

// lateCommands are those after which the Space has what the upstream shows as soon as its active expiry has run.
func lateCommands(family testenv.Family) []string {
	commands := []string{"HPERSIST KEY FIELDS 2 f z"}
	if family.Dialect == testenv.Valkey {
		return append(commands, "HGETDEL KEY FIELDS 3 f g z",
			"HPEXPIREAT KEY FUTURE FIELDS 2 f z", "HPEXPIREAT KEY FUTURE XX FIELDS 2 f z", "HPEXPIREAT KEY FUTURE GT FIELDS 3 f z nope")
	}
	return commands
}

func TestExpiredFieldsOfLiveUpstream(t *testing.T) {
	t.Parallel()
	for _, o := range loaders(t) {
		if !o.family.Has(testenv.HashSetEx) {
			continue
		}
		for _, large := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/large=%t", o.family, large), func(t *testing.T) {
				t.Parallel()
				testExpiredFields(t, o, large)
			})
		}
	}
}

func testExpiredFields(t *testing.T, o *oracle, large bool) {
	t.Helper()
	upstream := testenv.StartServer(t, o.family, testenv.WithConfig("appendonly yes", "appendfsync always", "auto-aof-rewrite-percentage 0"))
	run := func(command string) {
		args := []any{}
		for word := range strings.FieldsSeq(command) {
			args = append(args, word)
		}
		err := upstream.Client().Do(t.Context(), args...).Err()
		require.False(t, serverSaid(err) && err.Error() != "redis: nil", "%s: %v", command, err)
	}
	run("DEBUG SET-ACTIVE-EXPIRE 0")

	live, late := liveCommands(o.family), lateCommands(o.family)
	all := slices.Concat(live, late)
	for i := range all {
		key := fmt.Sprintf("key:%d", i)
		run("HSET " + key + " f 10 g 20 z 30")
		if large {
			run(fillHash(key, 0, 600, 3))
		}
		run("HPEXPIRE " + key + " 1 FIELDS 2 f g")
		run("HPEXPIRE " + key + " 10000000 FIELDS 1 z")
	}
	last := fmt.Sprintf("key:%d", len(all)-1)
	testenv.Eventually(t, "the fields' time to pass", func(ctx context.Context) (any, bool) {
		times, err := upstream.Client().Do(ctx, "HPEXPIRETIME", last, "FIELDS", "1", "g").Int64Slice()
		return times, err == nil && times[0] == -2
	})

	words := func(i int) *strings.Replacer {
		return strings.NewReplacer("KEY", fmt.Sprintf("key:%d", i), "FUTURE", "9999999999999", "PAST", "1000")
	}
	for i, command := range live {
		run(words(i).Replace(command))
	}
	require.Empty(t, o.streamDiff(t, upstream))
	for i, command := range late {
		run(words(len(live) + i).Replace(command))
	}
	require.NotEmpty(t, o.streamDiff(t, upstream), "none of these commands differs: they belong to the others")

	run("DEBUG SET-ACTIVE-EXPIRE 1")
	testenv.Eventually(t, "the upstream to delete what is past its time", func(ctx context.Context) (string, bool) {
		return pastFields(ctx, t, upstream)
	})
	require.Empty(t, o.streamDiff(t, upstream))
}

// pastFields names a hash with fields that are in memory and not shown, and reports whether there is none.
func pastFields(ctx context.Context, t *testing.T, upstream *testenv.Server) (string, bool) {
	t.Helper()
	keys, err := upstream.Client().Keys(ctx, "*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		if upstream.Client().Type(ctx, key).Val() != "hash" {
			continue
		}
		// HKEYS does not delete what is past its time, as HLEN does not.
		if length, names := upstream.Client().HLen(ctx, key).Val(), upstream.Client().HKeys(ctx, key).Val(); int(length) != len(names) {
			return fmt.Sprintf("%s has %d fields and shows %q", key, length, names), false
		}
	}
	return "", true
}

// streamDiff says how an upstream differs from what a Space makes of its whole stream.
func (o *oracle) streamDiff(t *testing.T, upstream *testenv.Server) string {
	t.Helper()
	release, err := testenv.Freeze(t.Context(), upstream.Client())
	require.NoError(t, err)
	space := o.newSpace()
	increments, err := filepath.Glob(filepath.Join(upstream.Dir(), "appendonlydir", "*.incr.aof"))
	require.NoError(t, err)
	require.Len(t, increments, 1)
	log, err := os.ReadFile(increments[0])
	require.NoError(t, err)
	replay(t, space, log)

	o.mu.Lock()
	defer o.mu.Unlock()
	o.load(t, o.base(t, space), nil)
	diff, err := testenv.Compare(t.Context(), upstream, o.server)
	require.NoError(t, err)
	require.NoError(t, release(t.Context()))
	return diff
}

// replay runs a log on a Space.
func replay(t *testing.T, space *Space, log []byte) {
	t.Helper()
	commands, err := parse(log)
	require.NoError(t, err)
	db := 0
	var plan Plan
	for _, command := range commands {
		args := make([][]byte, len(command))
		for i, arg := range command {
			args[i] = fmt.Append(nil, arg)
		}
		if string(args[0]) == "SELECT" {
			db, err = strconv.Atoi(string(args[1]))
			require.NoError(t, err)
			continue
		}
		space.table.Plan(args, &plan)
		if plan.Effect == Nothing {
			continue
		}
		require.Equal(t, Run, plan.Effect, "%s", args)
		require.NoError(t, space.Run(db, args), "%s", args)
	}
	require.Zero(t, space.Refused(), "a stream has no commands that fail")
}

// TestReplayOfPastFieldExpiry compares with a server that loads the same commands; of fields that are past their time, Redis 8.0 itself
// loses some (protocol.md 4.8).
func TestReplayOfPastFieldExpiry(t *testing.T) {
	t.Parallel()
	past := "HPEXPIREAT h 1000 FIELDS 2 a b"
	for name, commands := range map[string][]string{
		"set":      {"HSET h a 1 b 2 c 3", past, "HSET h c 4"},
		"move":     {"HSET h a 1 b 2 c 3", past, "HPEXPIREAT h 1000000 FIELDS 1 a"},
		"revive":   {"HSET h a 1 b 2 c 3", past, "HPEXPIREAT h 9999999999999 XX FIELDS 1 a", "HPEXPIREAT h 9999999999999 GT FIELDS 1 b"},
		"nx":       {"HSET h a 1 b 2 c 3", past, "HPEXPIREAT h 9999999999999 NX FIELDS 2 a c"},
		"delete":   {"HSET h a 1 b 2 c 3", past, "HDEL h a"},
		"all gone": {"HSET h a 1 b 2", past, "HDEL h a b", "HSET h c 1"},
		"all past": {"HSET h a 1 b 2", past},
		"clear":    {"HSET h a 1 b 2 c 3", past, "HSET h a 5"},
		"setex":    {"HSET h a 1 b 2 c 3", past, "HSETEX h PXAT 2000 FIELDS 2 a 5 d 6"},
		"copy":     {"HSET h a 1 b 2 c 3", past, "COPY h g", "RENAME h i"},
	} {
		t.Run(name, func(t *testing.T) {
			checkReplay(t, having(testenv.HashSetEx), commands...)
			checkPhysical(t, having(testenv.HashSetEx), commands...)
		})
	}
	t.Run("incr", func(t *testing.T) {
		valkey := func(family testenv.Family) bool {
			return family.Has(testenv.FieldTTL) && !family.Has(testenv.FieldTTLReplayHazard)
		}
		commands := []string{"HSET h a 10 b 20 c 30", past, "HINCRBY h a 5", "HSETNX h b 7", "HPERSIST h FIELDS 1 b"}
		checkReplay(t, valkey, commands...)
		checkPhysical(t, valkey, commands...)
	})
}

// checkPhysical compares the fields that a server has in memory after it loaded the commands, those past their time as well, with the Space's, and
// with what it has in memory after it loaded the Space's RDB.
func checkPhysical(t *testing.T, w want, commands ...string) {
	t.Helper()
	for _, o := range loaders(t) {
		if !w(o.family) {
			continue
		}
		list := split(t, commands)
		space := o.runSpace(t, list, make([]step, len(list)))
		var log []byte
		for _, command := range list {
			log = appendCommand(log, command...)
		}
		mine := map[string]map[string]modelField{}
		require.NoError(t, space.Each(func(k *Key) error {
			h, ok := k.entry.value.(*hashValue)
			require.True(t, ok, "key %q", k.Name)
			mine[k.Name] = h.contents(t)
			return nil
		}))
		o.mu.Lock()
		o.load(t, nil, log)
		theirs := o.savedHashes(t)
		o.load(t, o.base(t, space), nil)
		loaded := o.savedHashes(t)
		o.mu.Unlock()
		require.Equal(t, theirs, mine, "%s", o.family)
		require.Equal(t, theirs, loaded, "%s", o.family)
	}
}

// savedHashes reads the hashes of the server's own snapshot.
func (o *oracle) savedHashes(t *testing.T) map[string]map[string]modelField {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(o.server.Dir(), "dump.rdb"))
	require.NoError(t, err)
	r, err := rdb.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	hashes := map[string]map[string]modelField{}
	for {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return hashes
		}
		require.NoError(t, err)
		if item.Kind != rdb.KeyItem {
			continue
		}
		name := string(item.Key)
		var raw bytes.Buffer
		require.NoError(t, r.CopyRaw(&raw))
		v, err := decodeHash(o.format, item.Type, raw.Bytes()[item.HeadBytes:])
		require.NoError(t, err)
		h, ok := v.(*hashValue)
		require.True(t, ok)
		hashes[name] = h.contents(t)
	}
}

// TestHashEncodings lets servers write hashes in each of their encodings, and reads them.
func TestHashEncodings(t *testing.T) {
	t.Parallel()
	edges := []string{
		"0", "12", "13", "-1", "127", "128", "-128", "-129", "4095", "4096", "-4097", "32767", "32768", "8388607", "8388608", "2147483647", "2147483648", "-2147483649",
		"9223372036854775807", "-9223372036854775808", "9223372036854775808", "007", "-0", "1e3", strings.Repeat("x", 62), strings.Repeat("ab", 32),
	}
	small := "HSET h"
	for i, edge := range edges {
		small += fmt.Sprintf(" f%d %s %s v", i, edge, edge)
	}
	for name, commands := range map[string][]string{
		"small":       {small},
		"long value":  {"HSET h a " + strings.Repeat("x", 300) + " b 1"},
		"many":        {fillHash("h", 0, 700, 5)},
		"small timed": {small, "HPEXPIREAT h " + soon + " FIELDS 1 f1", "HPEXPIREAT h 8000000012345 FIELDS 2 f3 12"},
		"many timed":  {fillHash("h", 0, 700, 5), "HPEXPIREAT h " + soon + " FIELDS 2 f1 f2", "HPEXPIREAT h 7999999999999 FIELDS 1 f650"},
		"timed once":  {"HSET h a 1 b 2", "HPEXPIREAT h " + soon + " FIELDS 1 a", "HPERSIST h FIELDS 1 a"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, o := range oracles(t) {
				if strings.Contains(name, "timed") && !o.family.Has(testenv.FieldTTL) {
					continue
				}
				o.checkArgsWithDump(t, split(t, commands))
			}
		})
	}
}

// checkArgsWithDump checks a RESTORE of what DUMP says after the commands, and a change of it.
func (o *oracle) checkArgsWithDump(t *testing.T, commands [][]string) {
	t.Helper()
	payload := o.dump(t, commands)
	o.check(t, [][]string{{"RESTORE", "g", "0", payload}})
	o.check(t, [][]string{{"RESTORE", "g", "0", payload}, {"HSET", "g", "a", "changed", "new", "1"}, {"HDEL", "g", "12", "f2"}})
}

// dump returns what DUMP says of h after the commands.
func (o *oracle) dump(t *testing.T, commands [][]string) string {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	ctx := t.Context()
	require.NoError(t, o.conn.FlushAll(ctx).Err())
	for _, command := range commands {
		args := make([]any, len(command))
		for i, arg := range command {
			args[i] = arg
		}
		require.NoError(t, o.conn.Do(ctx, args...).Err())
	}
	payload, err := o.conn.Dump(ctx, "h").Result()
	require.NoError(t, err)
	return payload
}
