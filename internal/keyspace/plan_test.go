package keyspace

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// form is a way to write a command, and what it does. In words, @k is a key, @k+ are keys, @kv+ are keys and values, @nk+ is a number and
// so many keys, @nkv+ a number and so many keys and values.
type form struct {
	words  string
	effect Effect
}

// forms are all write commands that there are, in each form that a plan tells apart.
//
// The rule: of what a stream holds (classes V and V~ of write-commands.tsv), all is run but STOREDIST, whose scores are the server's libm's, and
// modules' commands, and two rare forms (see carriedForms, which has the reason for each form that is carried). Of what is in no stream since 7.0,
// as the server sends what came of it (classes R and E, and some forms of V~), and only in a log that a client wrote, that is carried which
// nobody but a server can run, and the loader is one:
//   - relative times (EXPIRE, SET EX, HEXPIRE and so on; RESTORE with a relative time): a log does not say when they ran, but for marks that are a
//     second apart and by our clock;
//   - what a server makes up: XADD *, XREADGROUP, XAUTOCLAIM;
//   - sums in a long double: INCRBYFLOAT, HINCRBYFLOAT. It has 64 bits of precision on x86, 113 on most ARM and 53 on some, so that there is no
//     result that is right for all of them;
//   - MIGRATE, which would write to another server, and scripts.
func forms() []form {
	return []form{
		// strings
		{"APPEND @k v", Run},
		{"DECR @k", Run},
		{"DECRBY @k 5", Run},
		{"INCR @k", Run},
		{"INCRBY @k 5", Run},
		{"INCRBYFLOAT @k 1.5", Carry},
		{"SET @k v", Run},
		{"SET @k v NX", Run},
		{"SET @k v XX KEEPTTL", Run},
		{"SET @k v PXAT 33000000000000", Run},
		{"SET @k v EXAT 33000000000", Run},
		{"SET @k v XX GET PXAT 33000000000000", Run},
		{"SET @k v EX 5", Carry},
		{"SET @k v PX 5", Carry},
		{"SETEX @k 5 v", Carry},
		{"PSETEX @k 5 v", Carry},
		{"SETNX @k v", Run},
		{"GETSET @k v", Run},
		{"GETDEL @k", Run},
		{"DELIFEQ @k v", Run},
		{"GETEX @k PERSIST", Run},
		{"GETEX @k PXAT 33000000000000", Run},
		{"GETEX @k EX 5", Carry},
		{"MSET @kv+", Run},
		{"MSETNX @kv+", Run},
		{"MSETEX @nkv+", Run},
		{"MSETEX @nkv+ PXAT 33000000000000", Run},
		{"MSETEX @nkv+ EX 5", Carry},
		{"SETRANGE @k 5 v", Run},
		{"BITFIELD @k SET u8 0 5", Run},
		{"BITOP AND @k @k+", Run},
		{"BITOP NOT @k @k", Run},
		{"SETBIT @k 7 1", Run},
		{"PFADD @k a b", Run},
		{"PFCOUNT @k", Run},
		{"PFCOUNT @k @k @k", Nothing},
		{"PFMERGE @k @k+", Run},
		{"PFMERGE @k", Run},
		{"PFDEBUG GETREG @k", Run},
		// lists, sets, SORT
		{"BLMOVE @k @k LEFT RIGHT 0", Run},
		{"BLMPOP 0 @nk+ LEFT", Run},
		{"BLPOP @k+ 0", Run},
		{"BRPOP @k+ 0", Run},
		{"BRPOPLPUSH @k @k 0", Run},
		{"LINSERT @k BEFORE a b", Run},
		{"LMOVE @k @k LEFT RIGHT", Run},
		{"LMPOP @nk+ LEFT COUNT 2", Run},
		{"LPOP @k", Run},
		{"LPOP @k 2", Run},
		{"LPUSH @k a b", Run},
		{"LPUSHX @k a", Run},
		{"LREM @k 0 a", Run},
		{"LSET @k 0 a", Run},
		{"LTRIM @k 0 -1", Run},
		{"RPOP @k", Run},
		{"RPOPLPUSH @k @k", Run},
		{"RPUSH @k a b", Run},
		{"RPUSHX @k a", Run},
		{"SADD @k a b", Run},
		{"SDIFFSTORE @k @k+", Run},
		{"SINTERSTORE @k @k+", Run},
		{"SUNIONSTORE @k @k+", Run},
		{"SMOVE @k @k a", Run},
		{"SPOP @k", Run},
		{"SPOP @k 2", Run},
		{"SREM @k a", Run},
		{"SORT @k STORE @k", Run},
		{"SORT @k ALPHA STORE @k LIMIT 0 5 DESC", Run},
		{"SORT @k", Nothing},
		{"SORT @k BY w_* GET # GET o_*->f STORE @k", Run},
		// hashes
		{"HDEL @k f", Run},
		{"HSET @k f v", Run},
		{"HMSET @k f v", Run},
		{"HSETNX @k f v", Run},
		{"HINCRBY @k f 1", Run},
		{"HINCRBYFLOAT @k f 1", Carry},
		{"HGETDEL @k FIELDS 1 f", Run},
		{"HGETEX @k PXAT 33000000000000 FIELDS 1 f", Run},
		{"HGETEX @k PERSIST FIELDS 1 f", Run},
		{"HGETEX @k EX 5 FIELDS 1 f", Carry},
		{"HSETEX @k PXAT 33000000000000 FIELDS 1 f v", Run},
		{"HSETEX @k EX 5 FIELDS 1 f v", Carry},
		{"HSETEX @k FIELDS 1 f v", Run},
		{"HPEXPIREAT @k 33000000000000 FIELDS 1 f", Run},
		{"HEXPIREAT @k 33000000000 FIELDS 1 f", Run},
		{"HEXPIRE @k 5 FIELDS 1 f", Carry},
		{"HPEXPIRE @k 5 FIELDS 1 f", Carry},
		{"HPERSIST @k FIELDS 1 f", Run},
		// sorted sets
		{"BZMPOP 0 @nk+ MIN", Run},
		{"BZPOPMAX @k+ 0", Run},
		{"BZPOPMIN @k+ 0", Run},
		{"ZADD @k 1 a", Run},
		{"ZDIFFSTORE @k @nk+", Run},
		{"ZINCRBY @k 1 a", Run},
		{"ZINTERSTORE @k @nk+", Run},
		{"ZUNIONSTORE @k @nk+ AGGREGATE MAX", Run},
		{"ZMPOP @nk+ MIN", Run},
		{"ZPOPMAX @k", Run},
		{"ZPOPMIN @k 2", Run},
		{"ZRANGESTORE @k @k 0 -1", Run},
		{"ZREM @k a", Run},
		{"ZREMRANGEBYLEX @k - +", Run},
		{"ZREMRANGEBYRANK @k 0 1", Run},
		{"ZREMRANGEBYSCORE @k 0 1", Run},
		{"GEOADD @k 1 2 a", Run},
		{"GEORADIUS @k 1 2 3 km", Nothing},
		{"GEORADIUS @k 1 2 3 km STORE @k", Run},
		{"GEORADIUS @k 1 2 3 km STOREDIST @k", Carry},
		{"GEORADIUSBYMEMBER @k a 3 km", Nothing},
		{"GEORADIUSBYMEMBER @k a 3 km ASC STORE @k", Run},
		{"GEORADIUSBYMEMBER @k a 3 km STOREDIST @k", Carry},
		{"GEOSEARCHSTORE @k @k FROMLONLAT 1 2 BYRADIUS 3 km", Run},
		{"GEOSEARCHSTORE @k @k FROMMEMBER a BYBOX 3 4 km STOREDIST", Carry},
		{"GEOSEARCHSTORE @k @k BYPOLYGON 3 5 0 1 1 5 1", Run},
		{"GEOSEARCHSTORE @k @k BYPOLYGON 3 5 0 1 1 5", Nothing},
		// streams
		{"XACK @k g 1-1", Run},
		{"XADD @k 1-1 f v", Run},
		{"XADD @k NOMKSTREAM MAXLEN = 5 1-1 f v", Run},
		{"XADD @k * f v", Carry},
		{"XAUTOCLAIM @k g c 0 0", Carry},
		{"XCLAIM @k g c 0 1-1 TIME 5 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1", Run},
		{"XDEL @k 1-1", Run},
		{"XTRIM @k MAXLEN 5", Run},
		{"XGROUP CREATE @k g $ MKSTREAM", Run},
		{"XGROUP CREATECONSUMER @k g c", Run},
		{"XGROUP DELCONSUMER @k g c", Run},
		{"XGROUP DESTROY @k g", Run},
		{"XGROUP SETID @k g 1-1", Run},
		{"XREADGROUP GROUP g c STREAMS @k >", Carry},
		{"XSETID @k 5-5", Run},
		// keys
		{"COPY @k @k", Run},
		{"COPY @k @k DB 3 REPLACE", Run},
		{"DEL @k+", Run},
		{"UNLINK @k+", Run},
		{"EXPIRE @k 5", Carry},
		{"EXPIREAT @k 33000000000 GT", Run},
		{"PEXPIRE @k 5", Carry},
		{"PEXPIREAT @k 33000000000000", Run},
		{"PERSIST @k", Run},
		{"MOVE @k 3", Run},
		{"RENAME @k @k", Run},
		{"RENAMENX @k @k", Run},
		{"MIGRATE host 1 @k 0 5", Carry},
		{"MIGRATE host 1 '' 0 5 KEYS @k+", Carry},
		{"RESTORE @k 0 payload", Run},
		{"RESTORE @k 33000000000000 payload REPLACE ABSTTL", Run},
		{"RESTORE @k 5 payload", Carry},
		{"RESTORE @k 5 payload FOO", Nothing},
		{"RESTORE-ASKING @k 33000000000000 payload ABSTTL", Run},
		{"RESTORE-ASKING @k 5 payload", Carry},
		// databases and the server
		{"FLUSHALL", FlushAll},
		{"FLUSHALL ASYNC", FlushAll},
		{"FLUSHDB sync", FlushDB},
		{"FLUSHDB foo", Nothing},
		{"SWAPDB 0 1", SwapDB},
		{"SWAPDB 0 x", Nothing},
		{"CLUSTER FLUSHSLOT 5", FlushSlots},
		{"CLUSTER FLUSHSLOT 5 SYNC", FlushSlots},
		{"CLUSTER FLUSHSLOT 16384", Nothing},
		{"SFLUSH 0 5 7 9", FlushSlots},
		{"SFLUSH 5 0", Nothing},
		{"CLUSTER SETSLOT 5 STABLE", Nothing},
		{"CLUSTER SYNCSLOTS FINISH", Nothing},
		{"FUNCTION LOAD code", Functions},
		{"FUNCTION DELETE x", Functions},
		{"FUNCTION FLUSH", Functions},
		{"FUNCTION RESTORE payload", Functions},
		// scripts, messages, the protocol
		{"EVAL script @nk+ arg", Carry},
		{"EVALSHA sha @nk+", Carry},
		{"FCALL f @nk+", Carry},
		{"EVAL script 0 arg", Unknown},
		{"FCALL f x", Nothing},
		{"PUBLISH c m", Nothing},
		{"SPUBLISH c m", Nothing},
		{"SELECT 5", Nothing},
		{"PING", Nothing},
		{"ping x", Nothing},
		{"REPLCONF GETACK *", Nothing},
		{"MULTI", Nothing},
		{"EXEC", Nothing},
		{"SCRIPT LOAD s", Nothing},
		{"SCRIPT FLUSH", Nothing},
		// modules
		{"VADD @k VALUES 2 1 2 e", Carry},
		{"VREM @k e", Carry},
		{"VSETATTR @k e {}", Carry},
		{"bf.add @k x", Unknown},
	}
}

// expand writes out a form's words, and returns the keys.
func (f form) expand(r *rand.Rand) (args, keys []string) {
	key := func() {
		name := "k" + strconv.Itoa(r.IntN(1000))
		if r.IntN(5) == 0 {
			name = string([]byte{0, '{', byte(r.IntN(256)), '}', '\r', '\n', byte(r.IntN(256))})
		}
		args, keys = append(args, name), append(keys, name)
	}
	for i, word := range strings.Fields(f.words) {
		n := 1 + r.IntN(4)
		switch word {
		case "@k":
			key()
		case "@nk+", "@nkv+":
			args = append(args, strconv.Itoa(n))
			fallthrough
		case "@k+", "@kv+":
			for range n {
				if key(); strings.Contains(word, "v") {
					args = append(args, "value")
				}
			}
		default:
			if i == 0 && r.IntN(2) == 0 {
				word = strings.ToLower(word)
			}
			args = append(args, strings.Trim(word, "'"))
		}
	}
	return args, keys
}

func TestPlanOfEveryForm(t *testing.T) {
	table, r := NewTable(), rand.New(rand.NewPCG(1, 2))
	for _, f := range forms() {
		for range 20 {
			args, keys := f.expand(r)
			var p Plan
			table.Plan(toArgs(args), &p)
			require.Equal(t, f.effect, p.Effect, "%q", args)
			if f.effect != Run && f.effect != Carry {
				require.Empty(t, p.Keys, "%q", args)
				continue
			}
			var planned []string
			for _, use := range p.Keys {
				if !use.Pattern {
					planned = append(planned, string(use.Key))
				}
			}
			require.Equal(t, set(keys), set(planned), "%q", args)
		}
	}
}

func set(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// Every row of the list of write commands has a form, and what is in a stream is run, as the rule above forms says.
func TestEveryWriteCommandHasAPlan(t *testing.T) {
	t.Parallel()
	file, err := os.Open("../testenv/workload/write-commands.tsv")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	rows := 0
	for lines := bufio.NewScanner(file); lines.Scan(); rows++ {
		name, _, _ := strings.Cut(lines.Text(), "\t")
		if rows == 0 || name[0] == '<' { // the heading; <module commands>
			continue
		}
		columns := strings.Split(lines.Text(), "\t")
		inStream := slices.Contains([]string{"V", "V~"}, columns[9]) && !strings.Contains(columns[8], "module")
		found := false
		for _, f := range forms() {
			if !strings.HasPrefix(f.words+" ", name+" ") {
				continue
			}
			found = true
			if inStream && f.effect == Carry {
				require.True(t, neverSent(f) || strings.Contains(f.words, "STOREDIST"), "%s is in a stream, and carried", f.words)
			}
		}
		require.True(t, found, "%s has no form", name)
	}
	require.Greater(t, rows, 140)
}

// neverSent reports whether a server sends this form of the command as another.
func neverSent(f form) bool {
	words := strings.Fields(f.words)
	relative := slices.Contains(words, "EX") || slices.Contains(words, "PX")
	restore := strings.HasPrefix(words[0], "RESTORE") && words[2] == "5"
	return relative || restore || f.words == "XADD @k * f v"
}

// Every command of the servers is known, and those that write are no harmless ones.
func TestTableKnowsAllCommands(t *testing.T) {
	t.Parallel()
	table := NewTable()
	for _, o := range oracles(t) {
		var reply *redis.Cmd
		o.exec(t, func(ctx context.Context, pipe redis.Pipeliner) { reply = pipe.Do(ctx, "COMMAND") })
		infos, err := reply.Slice()
		require.NoError(t, err)
		eachCommand(infos, func(info []any) {
			name := strings.ToUpper(fmt.Sprint(info[0]))
			c := table.lookup(toArgs(strings.Split(name, "|")))
			require.NotNil(t, c, "%s: %s", o.family, name)
			if flags, _ := info[2].([]any); slices.Contains(flags, any("write")) {
				require.Contains(t, []string{name, strings.ReplaceAll(name, "|", " ")}, c.name, "%s: %s is harmless", o.family, name)
				arity, _ := info[1].(int64)
				require.Equal(t, arity, int64(c.arity), "%s: %s", o.family, name)
			}
		})
	}
}

// eachCommand visits the commands that COMMAND tells of, and the subcommands of containers in their place.
func eachCommand(infos []any, visit func(info []any)) {
	for _, info := range infos {
		fields, _ := info.([]any)
		if len(fields) > 9 {
			if subs, _ := fields[9].([]any); len(subs) > 0 {
				eachCommand(subs, visit)
				continue
			}
		}
		visit(fields)
	}
}

// The servers name the same keys, and say of those that a plan writes to that they may be written.
func TestKeysAreThoseOfTheServers(t *testing.T) {
	t.Parallel()
	table := NewTable()
	for _, o := range oracles(t) {
		r := rand.New(rand.NewPCG(3, 4))
		var asked [][]string
		var replies []*redis.Cmd
		o.exec(t, func(ctx context.Context, pipe redis.Pipeliner) {
			for _, f := range forms() {
				for range 10 {
					args, _ := f.expand(r)
					command := []any{"COMMAND", "GETKEYSANDFLAGS"}
					for _, arg := range args {
						command = append(command, arg)
					}
					asked, replies = append(asked, args), append(replies, pipe.Do(ctx, command...))
				}
			}
		})
		for i, args := range asked {
			var p Plan
			table.Plan(toArgs(args), &p)
			if p.Effect == Run || p.Effect == Carry {
				o.requireSameKeys(t, args, replies[i], &p)
			}
		}
	}
}

func (o *oracle) requireSameKeys(t *testing.T, args []string, reply *redis.Cmd, p *Plan) {
	t.Helper()
	list, err := reply.Slice()
	if err != nil {
		// It does not have the command; or its way to find keys does not know that PFMERGE takes a target alone.
		require.Regexp(t, "Invalid command specified|Invalid arguments", err.Error(), "%s: %q", o.family, args)
		return
	}
	var theirs, mine []string
	readOnly := map[string]bool{}
	for _, element := range list {
		pair, _ := element.([]any)
		flags, _ := pair[1].([]any)
		key := fmt.Sprint(pair[0])
		theirs = append(theirs, key)
		if slices.Contains(flags, any("RO")) {
			readOnly[key] = true
		}
	}
	for _, use := range p.Keys {
		if use.Pattern {
			continue
		}
		mine = append(mine, string(use.Key))
		if p.Effect == Run && count(theirs, string(use.Key)) == 1 {
			require.Equal(t, readOnly[string(use.Key)], use.Use == Reads, "%s: %q: key %q", o.family, args, use.Key)
		}
	}
	require.Equal(t, set(theirs), set(mine), "%s: %q", o.family, args)
}

func count(list []string, s string) (n int) {
	for _, element := range list {
		if element == s {
			n++
		}
	}
	return n
}

func TestPlanDoesNotAllocate(t *testing.T) {
	table, r := NewTable(), rand.New(rand.NewPCG(7, 8))
	var p Plan
	for _, f := range forms() {
		if strings.Contains(f.words, "*->f") || strings.HasPrefix(f.words, "GEO") {
			continue // they are rare, and make something of their arguments: SORT patterns, GEO a query
		}
		args, _ := f.expand(r)
		command := toArgs(args)
		table.Plan(command, &p)
		require.Zero(t, testing.AllocsPerRun(10, func() { table.Plan(command, &p) }), "%q", args)
	}
}
