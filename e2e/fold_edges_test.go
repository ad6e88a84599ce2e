package e2e_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// edgeCommands are commands with arguments at their edges. %x is drawn: see edges.argument. Words between [ and ] come every other time, those
// between { and } once or several times; a|b is one of them.
//
// Left out is what servers do not do the same twice: lexical ranges over different scores (a skip list's levels are drawn), SORT BY texts of
// which some are the same or absent, negative offsets of ZRANGESTORE, and -0 as
// a score, of which a skip list keeps the sign and a listpack does not; SORT by number where testenv.SortByNumber is not. Nothing gives the field float a time: Redis 8.0 tells nobody that
// HINCRBYFLOAT leaves it (redis#14218).
const edgeCommands = `
SET %s %i [NX|XX] [GET] [KEEPTTL]
SET %s %f PX %t2
SET %s %v EXAT|PXAT %t
SETRANGE %s|%b %n0 %v
APPEND %s|%n %i|%v
INCRBY|DECRBY %n %i
INCR|DECR %n
INCRBYFLOAT %n %f
SET %n %i|%f
GETSET %n %i
GETEX %s|%n [PERSIST]
GETDEL %k
MSET { %s %i } %s %v
MSETNX %s %v %n %i
SETBIT %b %N 0|1
BITFIELD %b { SET|INCRBY i8|u7|i64|u63|i1|u1|i33 #3|%N|0 %i }
BITFIELD %b OVERFLOW SAT|WRAP|FAIL { INCRBY i8|u7|i64|u63|i1|u1|i33 #2|%N|1 %i } OVERFLOW WRAP|SAT { INCRBY u4|i13 %N %i } GET u8 0
BITOP AND|OR|XOR %b|%s { %b|%s|%n }
BITOP NOT %b %b|%s
PFADD %p { %i }
PFADD %p
PFMERGE %p { %p }
PFCOUNT %p [%p]
LPUSH|RPUSH|LPUSHX|RPUSHX %l { %m|%i|%v }
LINSERT %l BEFORE|AFTER %m|%i %v
LSET %l %j %v|%i
LREM %l %j %m|%i
LTRIM %l %j %j
LMOVE %l %l LEFT|RIGHT LEFT|RIGHT
RPOPLPUSH %l %l
LPOP|RPOP %l [%c]
LMPOP 3 %l %l %l LEFT|RIGHT COUNT %c
SADD %S { %m|%i|%v }
SREM %S { %m|%i }
SMOVE %S %S %m|%i
SPOP %S [%c]
SUNIONSTORE|SINTERSTORE|SDIFFSTORE %S { %S }
SORT %S|%l|%z [LIMIT %j %j] [GET #] [GET str:*] [GET hash:*->f1] [ASC|DESC] ALPHA STORE %l
SORT %S|%l|%z BY weight:*|nosort|num:* [LIMIT %j %j] [GET #] [GET str:*] [ASC|DESC] STORE %l
SORT %l|%S [LIMIT 0 %c] [DESC] STORE %l
HSET %h|%f1 { %m|f1|f2|int %v|%i }
HSETNX %h|%f1 %m|f3 %v
HINCRBY %h|%f1 %m|int %i
HINCRBYFLOAT %h|%f1 float %f
HDEL %h|%f1 { %m|f1|f2 }
HEXPIRE|HPEXPIRE %f1 %t1 [NX|XX|GT|LT] FIELDS 3 f1 f2 %m
HPERSIST %f1 FIELDS 2 f1 %m
HSETEX %f1 [FNX|FXX] [KEEPTTL] FIELDS 2 f1 %v %m %i
HSETEX %f1 PX %t2 FIELDS 2 f2 %v f1 %i
HGETEX %f1 [PERSIST] FIELDS 2 f1 %m
HGETEX %f1 PX %t2 FIELDS 2 f2 %m
HGETDEL %h|%f1 FIELDS 2 f1 %m
ZADD %z [NX|XX] [GT|LT] [CH] { %F %m|%i }
ZADD %z INCR %F %m
ZINCRBY %z %F %m|%i
ZREM %z { %m|%i }
ZREMRANGEBYRANK %z %j %j
ZREMRANGEBYSCORE %z %b1 %b1
ZADD %L { 0 %m|%i|%v }
ZREMRANGEBYLEX %L -|[a|(m1|[m5 +|[m7|(z
ZPOPMIN|ZPOPMAX %z [%c]
ZMPOP 2 %z %z MIN|MAX COUNT %c
ZUNIONSTORE %z 2 %z|%S %z [AGGREGATE SUM|MIN|MAX]
ZUNIONSTORE|ZINTERSTORE %z 3 %z %S %z WEIGHTS %W %W %W [AGGREGATE SUM|MIN|MAX]
ZDIFFSTORE %z 3 %z %S|%z %z
ZRANGESTORE %z %z %j %j [REV]
ZRANGESTORE %z %z %b1 %b1 BYSCORE [REV] [LIMIT 0|1|5 %j]
ZRANGESTORE %L %L -|[a|(m1 +|[m7 BYLEX LIMIT 0 %c
GEOADD %g [NX|XX] [CH] { %lo %la %m }
GEOSEARCHSTORE %z %g FROMLONLAT %lo %la BYRADIUS|BYBOX %F1 [%F1] km|m|mi|ft [ASC|DESC] [COUNT %c]
GEOSEARCHSTORE %z|%g %g FROMMEMBER %m BYRADIUS %F1 km ASC COUNT %c
GEORADIUSBYMEMBER %g %m %F1 km COUNT %c STORE %z
XADD %x|%i1 [NOMKSTREAM] [MAXLEN ~ %c] * f %v [g %i]
XADD %x MAXLEN %c * { %m %v }
XADD %i1 %id { %m %v }
XTRIM %x|%i1 MAXLEN %c
XTRIM %x|%i1 MINID [~] %id
XDEL %i1 { %id }
XSETID %x|%i1 %id [ENTRIESADDED %c] [MAXDELETEDID %id]
XGROUP CREATE %x|%i1 g1|g2 $|0|%id [MKSTREAM] [ENTRIESREAD %j]
XGROUP SETID %x|%i1 g0|g1|g2 $|0|%id [ENTRIESREAD %j]
XGROUP DESTROY %x|%i1 g1
XGROUP CREATECONSUMER|DELCONSUMER %x|%i1 g0|g1|g2 c0|c1
XREADGROUP GROUP g0|g1|g2 c0|c1|c2 COUNT %c [NOACK] STREAMS %x|%i1 >
XREADGROUP GROUP g1|g2 c0|c1|c2 COUNT %c STREAMS %x %i1 > >
XACK %i1|%x g0|g1|g2 { %id }
XCLAIM %i1|%x g0|g1|g2 c0|c3 0 %id %id [IDLE %c] [TIME %t] [RETRYCOUNT %c] [FORCE] [JUSTID] [LASTID %id]
XAUTOCLAIM %i1|%x g0|g1|g2 c0|c4 0 0-0|%id [COUNT %c] [JUSTID]
DEL|UNLINK { %k }
COPY %k %k [DB %d] [REPLACE]
MOVE %k %d
RENAME|RENAMENX %k %k
EXPIRE|PEXPIRE %k %t1 [NX|XX|GT|LT]
PEXPIREAT %k %t [NX|XX|GT|LT]
PERSIST %k
SWAPDB %d %d
`

// edges draws such commands.
type edges struct {
	rng             *rand.Rand
	databases, keys int
	lines           []string
	long            bool // nothing expires within a minute
}

func newEdges(rng *rand.Rand, o workload.Options) edges {
	e := edges{rng: rng, databases: o.Databases, keys: o.Keys, long: o.LongExpiry, lines: strings.Split(strings.TrimSpace(edgeCommands), "\n")}
	if o.NoFieldTTL {
		e.lines = slices.DeleteFunc(e.lines, func(line string) bool { return strings.HasPrefix(line, "HEXP") || strings.Contains(line, "EX %f1") })
	}
	if o.NoSortByNumber {
		e.lines = slices.DeleteFunc(e.lines, func(line string) bool { return strings.HasPrefix(line, "SORT") && !strings.Contains(line, "ALPHA") })
	}
	return e
}

func (e *edges) of(choices ...any) any { return choices[e.rng.IntN(len(choices))] }

// draw returns one command.
func (e *edges) draw() []any {
	args := e.drawLine()
	switch args[0] {
	case "COPY", "RENAME", "RENAMENX": // the scores under lex are the same
		from, _ := args[1].(string)
		if to, ok := args[2].(string); ok && strings.HasPrefix(to, "lex:") && !strings.HasPrefix(from, "lex:") {
			args[2] = strings.Replace(to, "lex", "zset", 1)
		}
	}
	return args
}

func (e *edges) drawLine() []any {
	var args []any
	words := strings.Fields(e.lines[e.rng.IntN(len(e.lines))])
	for i := 0; i < len(words); i++ {
		times, last := 1, i
		switch {
		case words[i] == "{":
			times, i = 1+e.rng.IntN(4), i+1
			for last = i; words[last] != "}"; last++ {
			}
		case strings.HasPrefix(words[i], "[") && words[i] != "[" && e.optional(words[i:]):
			for last = i; !strings.HasSuffix(words[last], "]"); last++ {
			}
			times = e.rng.IntN(2)
		}
		for range times {
			for _, word := range words[i : last+1] {
				if word = strings.TrimSuffix(strings.TrimPrefix(word, "["), "]"); word != "}" {
					args = append(args, e.word(word))
				}
			}
		}
		i = last
	}
	return args
}

// optional reports whether the words begin with some in brackets, and not with a bound such as [a.
func (e *edges) optional(words []string) bool {
	if strings.Contains(words[0], "|(") || strings.Contains(words[0], "|[") {
		return false
	}
	for _, word := range words {
		if strings.HasSuffix(word, "]") {
			return true
		}
	}
	return false
}

func (e *edges) word(word string) any {
	choices := strings.Split(word, "|")
	word = choices[e.rng.IntN(len(choices))]
	if name, ok := strings.CutPrefix(word, "%"); ok {
		return e.argument(name)
	}
	return word
}

// kinds are the workload's names for keys of a type.
func (e *edges) key(name string) (any, bool) {
	kinds := map[string]string{
		"s": "str", "n": "num", "b": "bit", "p": "hll", "l": "list", "S": "set", "h": "hash", "f1": "fields", "z": "zset", "g": "geo",
		"x": "stream", "i1": "ids", "L": "lex",
	}
	kind, ok := kinds[name]
	if name == "k" {
		kind, ok = e.of("str", "num", "bit", "hll", "list", "set", "hash", "fields", "zset", "geo", "stream", "ids", "lex").(string)
	}
	if !ok {
		return nil, false
	}
	if e.rng.IntN(60) == 0 {
		kind = "str"
	}
	return fmt.Sprintf("%s:%d", kind, e.rng.IntN(min(e.keys, 6))), true
}

func (e *edges) argument(name string) any {
	if key, ok := e.key(name); ok {
		return key
	}
	switch name {
	case "i": // an integer
		return e.of(0, 1, -1, 7, 255, -129, 4095, -4097, 65536, 1<<23, -1<<23-1, math.MaxInt32, int64(math.MinInt32)-1, int64(math.MaxInt64),
			int64(math.MinInt64), "9223372036854775808", "007", "-0", "+1", " 1", e.rng.IntN(100))
	case "j": // an index
		return e.of(0, 1, -1, 2, -3, 5, -50, 100, -1000)
	case "c": // a count
		return e.of(0, 1, 1, 2, 3, 10, 200)
	case "f":
		return e.of("-0", e.argument("F"))
	case "F":
		return e.of("0", "0.1", "1e17", "3.0e-5", "inf", "-inf", "1e308", "-1.5", "0x1p-3", "123456789.123456789", "nan", 3, "1e-320",
			e.rng.NormFloat64())
	case "W": // more than 0: else a score becomes -0
		return e.of("0.1", "1e17", "3.0e-5", "inf", "1e308", "0x1p-3", "123456789.123456789", 3)
	case "F1":
		return e.of("0", "1", "500.5", "9000", "40000")
	case "b1":
		return e.of("-inf", "+inf", "(0", "0", "(1.5", "-1", "100", "(-0.0")
	case "lo":
		return e.of("-180", "180", "0", "13.361389", e.rng.Float64()*360-180)
	case "la":
		return e.of("-85.05112878", "85.05112878", "0", "38.115556", e.rng.Float64()*170-85)
	case "v":
		return e.of("", "\x00", "\r\n", "a", strings.Repeat("z", e.rng.IntN(200)), strings.Repeat("ab", e.rng.IntN(5000)), 12345, "1.5")
	case "m":
		return fmt.Sprintf("m%d", e.rng.IntN(12))
	case "d":
		return e.rng.IntN(e.databases)
	case "n0":
		return e.of(0, 1, 10, 1000, 40_000)
	case "N":
		return e.of(0, 1, 7, 8, 63, 100, 10_000)
	case "id":
		return e.of("0-0", "0-1", "5-*", "*", "1-1", "18446744073709551615-1", "-", fmt.Sprintf("%d-%d", e.rng.IntN(5000), e.rng.IntN(3)),
			fmt.Sprintf("%d-1", e.rng.IntN(2000)), e.rng.IntN(5000))
	case "t":
		if e.long {
			return time.Now().UnixMilli() + 100_000 + e.rng.Int64N(8_000_000)
		}
		return time.Now().UnixMilli() + e.rng.Int64N(8_000_000) - 500
	case "t2": // a time to live in milliseconds
		if e.long {
			return 100_000 + e.rng.Int64N(8_000_000)
		}
		return e.of(1, 50, 3000, 100_000)
	case "t1":
		if e.long {
			return e.of(100_000, 5_000_000)
		}
		return e.of(1, 50, 3000, 100_000, -1, 0)
	default:
		panic("no argument " + name)
	}
}

// timedFields are the commands that come with all fields as the client wrote them, if the time of one is not past.
var timedFields = []string{"HPERSIST", "HEXPIRE", "HEXPIREAT", "HPEXPIRE", "HPEXPIREAT", "HGETEX", "HGETDEL"}

// anyCase is a client's hook that writes words in capitals now and then in other letters, as servers allow.
//
// Where fields expire while it writes, it makes the commands that look at their time name one field only. A server that gets a field that is
// past its time beside one that is not sends both on, and Valkey's replicas then revive what the upstream takes for gone; so does a
// fold, of HPERSIST also Redis' (see package keyspace).
type anyCase struct {
	mu       sync.Mutex // commands that block come from another goroutine
	rng      *rand.Rand
	oneField bool
}

var _ redis.Hook = (*anyCase)(nil)

// DialHook satisfies redis.Hook.
func (*anyCase) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook satisfies redis.Hook.
func (*anyCase) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook satisfies redis.Hook.
func (a *anyCase) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		a.change(cmd.Args())
		return next(ctx, cmd)
	}
}

func (a *anyCase) change(args []any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if name, ok := args[0].(string); ok && a.oneField {
		first := len(args)
		if at := slices.Index(args, any("FIELDS")); at > 0 && slices.Contains(timedFields, name) {
			first = at + 2
		}
		if name == "HDEL" {
			first = 2
		}
		for i := first + 1; i < len(args); i++ {
			args[i] = args[first]
		}
	}
	for i, arg := range args {
		word, ok := arg.(string)
		if ok && len(word) > 1 && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" && a.rng.IntN(4) == 0 {
			args[i] = strings.ToLower(word[:len(word)/2]) + word[len(word)/2:]
		}
	}
}
