package keyspace

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// zadds makes a sorted set of n members, by a command each 50, as score and member say.
func zadds(key string, n int, pair func(i int) string) []string {
	var commands []string
	for i := 0; i < n; i += 50 {
		var b strings.Builder
		b.WriteString("ZADD " + key)
		for j := i; j < min(i+50, n); j++ {
			b.WriteString(" " + pair(j))
		}
		commands = append(commands, b.String())
	}
	return commands
}

func TestZAdd(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("m", 65)
	for name, commands := range map[string][]string{
		"plain":             {"ZADD k 1 a 2 b 3 c", "ZADD k 5 a", "ZADD k 1 a 1 a 2 a"},
		"empty member":      {`ZADD k 1 ""`, `ZADD k 0 "\x00" 0 "\xff\x00" 0 "\r\n"`},
		"infinities":        {"ZADD k inf a -inf b +inf c Infinity d -INFINITY e +infinity f iNf g"},
		"not a number":      {"ZADD k nan a", "ZADD k 1 a nan b", "ZADD k -nan a", "ZADD k nan(1) a"},
		"texts":             {"ZADD k 1. a .5 b -.5 c 1e5 d 1E+5 e 00012 f 0e99999999999 g 1e00005 h +1 i +.5 j -0 k"},
		"extremes":          {"ZADD k 1.7976931348623157e308 a 4.9e-324 b 1e-310 c 1.7976931348623158e308 d 9007199254740993 e 9223372036854775807 f"},
		"wrong texts":       {"ZADD k 1e400 a", "ZADD k -1e400 a", "ZADD k 1e-400 a", "ZADD k 2e-324 a", "ZADD k . a", `ZADD k "" a`, "ZADD k - a", "ZADD k 1e a", "ZADD k 1e+ a"},
		"spaces":            {`ZADD k " 1" a`, `ZADD k "1 " a`, `ZADD k "1\n" a`, `ZADD k "\t1" a`, `ZADD k "1\x00" a`, `ZADD k "1\x002" a`, "ZADD k 1_0 a", "ZADD k 1,5 a", "ZADD k 0b1 a", "ZADD k 0x a"},
		"all or nothing":    {"ZADD k 1 a x b", "ZADD k 1 a 2", "ZADD k", "ZADD k 1", "ZADD k NX", "ZADD k NX 1"},
		"nx":                {"ZADD k 1 a", "ZADD k NX 2 a 3 b", "ZADD k nx CH 9 b 8 c"},
		"xx":                {"ZADD k XX 1 a", "ZADD k 1 a", "ZADD k XX 2 a 3 b", "ZADD k xX ch 0 a"},
		"gt and lt":         {"ZADD k 5 a 5 b", "ZADD k GT 4 a 6 b 1 c", "ZADD k LT 4 a 6 b 1 d", "ZADD k XX GT 9 a 9 z", "ZADD k LT XX -9 a 9 z", "ZADD k GT 5 a inf b"},
		"at odds":           {"ZADD k NX XX 1 a", "ZADD k NX GT 1 a", "ZADD k LT NX 1 a", "ZADD k GT LT 1 a", "ZADD k INCR 1 a 2 b", "ZADD k GT XX LT 1 a"},
		"twice":             {"ZADD k NX NX CH CH 1 a", "ZADD k INCR INCR 1 a"},
		"option with zero":  {`ZADD k "nx\x00tail" 1 a`, `ZADD k "nxx" 1 a`},
		"incr":              {"ZADD k INCR 1.5 a", "ZADD k INCR 1.5 a", "ZADD k XX INCR 1 b", "ZADD k NX INCR 1 a", "ZADD k GT INCR -1 a", "ZADD k LT INCR -1 a", "ZADD k INCR GT 0 a"},
		"incr to nan":       {"ZADD k inf a", "ZADD k INCR -inf a", "ZINCRBY k -inf a", "ZINCRBY k inf a", "ZINCRBY k nan a"},
		"zincrby":           {"ZINCRBY k 0.1 a", "ZINCRBY k 0.2 a", "ZINCRBY k 1e308 a", "ZINCRBY k 1e308 a", "ZINCRBY k 1 NX", "ZINCRBY k NX 1", "ZINCRBY k x a", "ZINCRBY k 1 a b"},
		"zincrby rounding":  {"ZADD k 3 a", "ZINCRBY k 1.1 a", "ZINCRBY k -3.3000000000000003 a", "ZINCRBY k 1e-17 a", "ZINCRBY k 9007199254740992 a", "ZINCRBY k 1 a"},
		"wrong type":        {"HSET k f v", "ZADD k 1 a", "ZADD k XX 1 a", "ZINCRBY k 1 a"},
		"keeps expiry":      {"ZADD k 1 a", "PEXPIREAT k 33177117420000", "ZADD k 2 a", "ZINCRBY k 1 b"},
		"long member":       {"ZADD k 1 " + long, "ZADD k 0 a 2 b", "ZADD k 3 " + long},
		"long member later": {"ZADD k -0 a 2 b", "ZADD k 3 " + long, "ZADD k -0 a 1 c"},
		"sign of zero":      {"ZADD k -0 a 0 b", "ZADD k 0 a", "ZADD k -0 b", "ZINCRBY k -0 c", "ZADD k 1 d", "ZADD k -0 d", "ZINCRBY k -0.0 d"},
		"sign of zero, long": {
			"ZADD k -1 " + long + " 0 b", "ZADD k -0 c", "ZADD k 0 c", "ZADD k -0 b", "ZADD k 5 b", "ZADD k -0 b",
		},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestZAddHexadecimal(t *testing.T) {
	t.Parallel()
	takes := func(o *oracle) bool { return o.format.Version != 80 }
	for _, o := range oracles(t) {
		if takes(o) {
			o.check(t, split(t, []string{"ZADD k 0x10 a 0x1p3 b -0x1.8p1 c 0X.8 d 0x1p-1074 e +0xA f", "ZADD k 0x8p g", "ZADD k 0x1p2000 h", "ZADD k 0x1p-2000 h"}))
		}
	}
}

func TestZSetGrows(t *testing.T) {
	t.Parallel()
	signs := func(i int) string { return fmt.Sprintf("%d m%03d", -200+i, i) }
	check(t, append(zadds("k", 128, signs), "ZADD k -0 z", "ZADD k -0 a 0 b", "ZADD k 1 a", "ZADD k -0 a")...)
	check(t, append(zadds("k", 127, signs), "ZADD k -0 z", "ZADD k -0 zz")...)
	check(t, append(zadds("k", 400, signs), "ZREMRANGEBYRANK k 5 -6", "ZADD k -0 z 7 a", "ZPOPMIN k 3", "ZPOPMAX k 2", "ZREM k z")...)
	check(t, append(zadds("k", 400, signs), "ZREMRANGEBYSCORE k -300 300")...)

	// Servers since Redis 7.2 expect many members of a command with many.
	var many strings.Builder
	for i := range 129 {
		fmt.Fprintf(&many, " %d n%d", -500+i, i)
	}
	check(t, "ZADD k"+many.String(), "ZADD k -0 z")
	check(t, "ZADD k -1 a", "ZADD k"+many.String()+" -0 z", "ZREMRANGEBYRANK k 0 0")
	check(t, "ZADD k -1 a", "ZADD k XX"+many.String(), "ZADD k -5 b")
}

func TestZRem(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"zrem":           {"ZREM k a", "ZADD k 1 a 2 b 3 c", "ZREM k a a x", "ZREM k b c d", "ZADD k 1 a"},
		"zrem wrong":     {"HSET k f v", "ZREM k a", "ZREM k"},
		"rank":           {"ZADD k 1 a 2 b 3 c 4 d 5 e", "ZREMRANGEBYRANK k 1 1", "ZREMRANGEBYRANK k -1 -1", "ZREMRANGEBYRANK k 2 1", "ZREMRANGEBYRANK k 3 9", "ZREMRANGEBYRANK k -9 0"},
		"rank of all":    {"ZADD k 1 a 2 b 3 c", "ZREMRANGEBYRANK k 0 -1"},
		"rank far":       {"ZADD k 1 a 2 b 3 c", "ZREMRANGEBYRANK k -9223372036854775808 -9223372036854775808", "ZREMRANGEBYRANK k 9223372036854775807 9223372036854775807", "ZREMRANGEBYRANK k 1 9223372036854775807"},
		"rank wrong":     {"ZADD k 1 a", "ZREMRANGEBYRANK k x 1", "ZREMRANGEBYRANK k 0 1.5", "ZREMRANGEBYRANK k 00 1", "ZREMRANGEBYRANK k 0 9223372036854775808", "ZREMRANGEBYRANK k 0"},
		"score":          {"ZADD k 1 a 2 b 3 c 4 d 5 e inf f -inf g", "ZREMRANGEBYSCORE k (1 2", "ZREMRANGEBYSCORE k 3 (4", "ZREMRANGEBYSCORE k (4 (5", "ZREMRANGEBYSCORE k 9 1", "ZREMRANGEBYSCORE k (5 5", "ZREMRANGEBYSCORE k (-inf (+inf"},
		"score of all":   {"ZADD k 1 a inf f -inf g", "ZREMRANGEBYSCORE k -inf +inf"},
		"score texts":    {"ZADD k -1 a 0 b 1 c 5 d", `ZREMRANGEBYSCORE k "" ""`, "ZREMRANGEBYSCORE k ( (1e400", "ZADD k 1 c", `ZREMRANGEBYSCORE k "1\x00" "1\x002"`, "ZREMRANGEBYSCORE k -1e400 1e-400"},
		"score wrong":    {"ZADD k 1 a", "ZREMRANGEBYSCORE k nan 1", "ZREMRANGEBYSCORE k 0 nan", "ZREMRANGEBYSCORE k x 1", "ZREMRANGEBYSCORE k 1x 2", "ZREMRANGEBYSCORE k ((1 2", "ZREMRANGEBYSCORE k [1 2", `ZREMRANGEBYSCORE k "1 " 2`, "ZREMRANGEBYSCORE k - +", "ZREMRANGEBYSCORE k 1e 2"},
		"score and zero": {"ZADD k -0 a 0 b 1 c", "ZREMRANGEBYSCORE k (-0 0", "ZREMRANGEBYSCORE k (0 1", "ZREMRANGEBYSCORE k 0 -0"},
		"lex":            {`ZADD k 0 "" 0 a 0 aa 0 b 0 c 0 d 0 "\xff"`, "ZREMRANGEBYLEX k (a [b", "ZREMRANGEBYLEX k - (a", "ZREMRANGEBYLEX k [d +", "ZREMRANGEBYLEX k + -", "ZREMRANGEBYLEX k - -", "ZREMRANGEBYLEX k + +", "ZREMRANGEBYLEX k [c (c", "ZREMRANGEBYLEX k [c [c"},
		"lex of all":     {"ZADD k 0 a 0 b", "ZREMRANGEBYLEX k - +"},
		"lex empty":      {`ZADD k 0 "" 0 a 0 b`, "ZREMRANGEBYLEX k [ [", "ZREMRANGEBYLEX k ( (b"},
		"lex wrong":      {"ZADD k 0 a", "ZREMRANGEBYLEX k a b", "ZREMRANGEBYLEX k -x +", "ZREMRANGEBYLEX k - ++", `ZREMRANGEBYLEX k "" +`, "ZREMRANGEBYLEX k 1 2", `ZREMRANGEBYLEX k "-\x00" "+\x00x"`},
		// The first member behind the minimum is looked for from the lowest score on, whatever the members are.
		"lex of scores 1": {"ZADD k 1 m 2 a 3 z 4 b 5 c", "ZREMRANGEBYLEX k [a [c"},
		"lex of scores 2": {"ZADD k 1 b 2 a 3 z 4 b2 5 c", "ZREMRANGEBYLEX k [a [c"},
		"lex of scores 3": {"ZADD k 1 a 2 b 3 z 4 b2 5 c", "ZREMRANGEBYLEX k [b [c"},
		"lex of scores 4": {"ZADD k 1 z 2 b", "ZREMRANGEBYLEX k [a [c"},
		"lex of scores 5": {"ZADD k 1 b 2 a", "ZREMRANGEBYLEX k [b [c"},
		"wrong type":      {"HSET k f v", "ZREMRANGEBYLEX k - +", "ZREMRANGEBYSCORE k 1 2", "ZREMRANGEBYRANK k 0 1", "ZPOPMIN k", "ZPOPMAX k 0"},
		"no key":          {"ZREMRANGEBYLEX k - +", "ZREMRANGEBYSCORE k 1 2", "ZREMRANGEBYRANK k 0 1", "ZPOPMIN k", "ZPOPMAX k 2"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestZPop(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"ends":        {"ZADD k 1 a 2 b 3 c 4 d", "ZPOPMIN k", "ZPOPMAX k", "ZPOPMIN k 1", "ZPOPMAX k 9"},
		"ties":        {"ZADD k 1 b 1 a 1 c 1 aa", "ZPOPMIN k", "ZPOPMAX k"},
		"counts":      {"ZADD k 1 a 2 b 3 c 4 d", "ZPOPMIN k 0", "ZPOPMAX k -1", "ZPOPMIN k x", "ZPOPMIN k 1 2", "ZPOPMAX k 9223372036854775807"},
		"all":         {"ZADD k 1 a 2 b", "ZPOPMIN k 9223372036854775807"},
		"expiry":      {"ZADD k 1 a 2 b", "PEXPIREAT k 33177117420000", "ZPOPMIN k"},
		"blocking":    {"ZADD k 1 a 2 b 3 c", "BZPOPMIN x k 0", "BZPOPMAX k x 0.5", "BZPOPMIN k -1", "BZPOPMIN k x", "BZPOPMIN k inf"},
		"wrong first": {"ZADD k 1 a", "HSET s f v", "BZPOPMIN s k 0", "BZPOPMIN k s 0", "ZMPOP 2 s k MIN"},
		"zmpop":       {"ZADD k 1 a 2 b 3 c 4 d", "ZADD l 1 a", "ZMPOP 2 x k MIN", "ZMPOP 2 k l max COUNT 2", "ZMPOP 2 k l MIN COUNT 9", "ZMPOP 2 k l MIN"},
		"zmpop wrong": {"ZADD k 1 a 2 b 3 c 4 d", "ZMPOP 0 k MIN", "ZMPOP 2 k MIN", "ZMPOP 1 k MID", "ZMPOP 1 k MIN COUNT 0", "ZMPOP 1 k MIN COUNT", "ZMPOP 1 k MIN COUNT 1 COUNT 1", "ZMPOP x k MIN", "ZMPOP 1 k", "ZMPOP -1 k MIN", "ZMPOP 1 k MIN 2"},
		"bzmpop":      {"ZADD k 1 a 2 b 3 c 4 d", "BZMPOP 0 2 x k MIN", "BZMPOP 1.5 1 k MAX COUNT 2", "BZMPOP -1 1 k MIN", "BZMPOP 0 0 k MIN"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestZRangeStore(t *testing.T) {
	t.Parallel()
	abc := "ZADD k 1 a 2 b 3 c 4 d 5 e"
	lex := "ZADD k 0 a 0 b 0 c 0 d 0 e"
	for name, commands := range map[string][]string{
		"rank":          {abc, "ZRANGESTORE d k 0 -1", "ZRANGESTORE d k 1 2", "ZRANGESTORE e k -2 -1", "ZRANGESTORE f k 1 2 REV", "ZRANGESTORE g k -100 100 rev"},
		"rank empty":    {abc, "ZADD d 1 x", "ZRANGESTORE d k 3 1", "ZRANGESTORE d k 9 10", "HSET d f v", "ZRANGESTORE d k 9 10"},
		"rank limit":    {abc, "ZRANGESTORE d k 0 -1 LIMIT 0 1", "ZRANGESTORE d k 0 -1 LIMIT 3 -1", "ZRANGESTORE e k 0 -1 LIMIT -3 -1"},
		"score":         {abc, "ZRANGESTORE d k (1 3 BYSCORE", "ZRANGESTORE e k (3 1 BYSCORE REV", "ZRANGESTORE f k 1 3 BYSCORE REV", "ZRANGESTORE g k -inf +inf BYSCORE LIMIT 1 2", "ZRANGESTORE h k +inf -inf REV BYSCORE LIMIT 1 2"},
		"score limits":  {abc, "ZRANGESTORE d k 2 4 BYSCORE LIMIT 0 0", "ZRANGESTORE e k 2 4 BYSCORE LIMIT 2 9", "ZRANGESTORE f k 2 4 BYSCORE LIMIT 3 1", "ZRANGESTORE g k 2 4 BYSCORE LIMIT 1 -7", "ZRANGESTORE h k 4 2 BYSCORE REV LIMIT 1 -1", "ZRANGESTORE i k 4 2 BYSCORE REV LIMIT 3 -1", "ZRANGESTORE j k 2 4 BYSCORE LIMIT 5 1", "ZRANGESTORE j k 2 4 BYSCORE LIMIT 9223372036854775807 9223372036854775807"},
		"limit twice":   {abc, "ZRANGESTORE d k 2 4 BYSCORE LIMIT 0 1 LIMIT 1 2"},
		"lex":           {lex, "ZRANGESTORE d k [b (d BYLEX", "ZRANGESTORE e k + (b BYLEX REV LIMIT 1 1", "ZRANGESTORE f k - + BYLEX LIMIT 3 9", "ZRANGESTORE g k + - BYLEX", "ZRANGESTORE h k - + BYLEX REV"},
		"lex of scores": {"ZADD k 1 m 2 a 3 z 4 b 5 c", "ZRANGESTORE d k [a [c BYLEX", "ZRANGESTORE e k [c [a BYLEX REV", "ZRANGESTORE f k [c [a BYLEX REV LIMIT 1 5", "ZRANGESTORE g k [z [a BYLEX REV LIMIT 1 5", "ZRANGESTORE h k [b [z BYLEX LIMIT 2 5", "ZRANGESTORE i k [m [z BYLEX LIMIT 1 5"},
		"lex touches":   {"ZADD k 1 z 2 b 3 a", "ZRANGESTORE d k [b [c BYLEX", "ZRANGESTORE e k [c [b BYLEX REV", "ZRANGESTORE f k [z [b BYLEX REV", "ZRANGESTORE g k [z [a BYLEX"},
		"wrong":         {abc, "ZRANGESTORE d k 0 -1 BYLEX BYSCORE", "ZRANGESTORE d k 0 -1 REV REV", "ZRANGESTORE d k 0 -1 WITHSCORES", "ZRANGESTORE d k 0 -1 LIMIT 1", "ZRANGESTORE d k 0 x", "ZRANGESTORE d k x 1 BYSCORE", "ZRANGESTORE d k a b BYLEX", "ZRANGESTORE d k 0 1 BYSCORE LIMIT x 1", "ZRANGESTORE d k 0 1 LIMIT 0 2", "ZRANGESTORE d k 0"},
		"no source":     {"HSET d f v", "ZRANGESTORE d x 0 -1", "HSET d f v", "ZRANGESTORE d x 0 y", "ZRANGESTORE d x 0 1 BYSCORE"},
		"wrong type":    {"HSET k f v", "HSET d f v", "ZRANGESTORE d k 0 -1"},
		"itself":        {abc, "PEXPIREAT k 33177117420000", "ZRANGESTORE k k 1 2", "ZRANGESTORE k k 5 6"},
		"expiry":        {abc, "HSET d f v", "PEXPIREAT d 33177117420000", "ZRANGESTORE d k 0 1"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestZRangeStoreOfMany(t *testing.T) {
	t.Parallel()
	scores := zadds("k", 300, func(i int) string { return fmt.Sprintf("%d m%03d", i%7-3, i) })
	check(t, append(scores,
		"ZRANGESTORE a k 10 -10", "ZRANGESTORE b k 100 109 REV", "ZRANGESTORE c k (-1 2 BYSCORE LIMIT 5 140",
		"ZRANGESTORE d k 2 (-1 BYSCORE REV LIMIT 5 140", "ZRANGESTORE e k -inf inf BYSCORE", "ZRANGESTORE f k 3 3 BYSCORE LIMIT 41 9",
		"ZRANGESTORE k k 0 -200")...)
	lex := zadds("k", 300, func(i int) string { return fmt.Sprintf("0 m%03d", (i*7)%300) })
	check(t, append(lex, "ZRANGESTORE a k [m100 (m250 BYLEX LIMIT 3 100", "ZRANGESTORE b k (m250 - BYLEX REV LIMIT 3 200", "ZREMRANGEBYLEX k (m010 [m2",
		"ZREMRANGEBYLEX k (m299 +", "ZREMRANGEBYRANK k -3 -2", "ZPOPMIN k", "ZPOPMAX k 3")...)
}

func TestZSetStore(t *testing.T) {
	t.Parallel()
	a, b, s := "ZADD a 1 x 2 y 3 z", "ZADD b 10 y 20 z 30 w 40 v", "SADD s x y w 7"
	for name, commands := range map[string][]string{
		"sets":           {a, b, s, "ZUNIONSTORE d 2 a s", "ZINTERSTORE e 2 s a", "ZDIFFSTORE f 2 s a", "ZDIFFSTORE g 2 a s", "ZUNIONSTORE h 2 s s WEIGHTS 2 0.5"},
		"union":          {a, b, "ZUNIONSTORE d 2 a b", "ZUNIONSTORE e 1 a", "ZUNIONSTORE f 3 a nothing b"},
		"inter":          {a, b, "ZINTERSTORE d 2 a b", "ZINTERSTORE e 1 a", "ZINTERSTORE f 3 a nothing b", "ZINTERSTORE a 2 a a"},
		"diff":           {a, b, "ZDIFFSTORE d 2 a b", "ZDIFFSTORE e 1 a", "ZDIFFSTORE f 2 nothing b", "ZDIFFSTORE g 2 a a", "ZDIFFSTORE h 3 b a nothing"},
		"weights":        {a, b, "ZUNIONSTORE d 2 a b WEIGHTS 2 -3", "ZINTERSTORE e 2 a b WEIGHTS 0.1 0.2", "ZUNIONSTORE f 2 a b weights inf -inf", "ZUNIONSTORE g 2 a b WEIGHTS 1 1 WEIGHTS 2 2"},
		"aggregate":      {a, b, "ZUNIONSTORE d 2 a b AGGREGATE MIN", "ZUNIONSTORE e 2 a b AGGREGATE max WEIGHTS 1 -1", "ZINTERSTORE f 2 a b aggregate SUM", "ZINTERSTORE g 2 b a AGGREGATE MIN WEIGHTS -1 1", "ZUNIONSTORE h 2 a b AGGREGATE MIN AGGREGATE MAX"},
		"wrong":          {a, b, "ZUNIONSTORE d 0 a", "ZUNIONSTORE d 3 a b", "ZUNIONSTORE d x a", "ZUNIONSTORE d 2 a b WEIGHTS 1", "ZUNIONSTORE d 2 a b WEIGHTS 1 x", "ZUNIONSTORE d 2 a b WEIGHTS 1 nan", "ZUNIONSTORE d 2 a b AGGREGATE", "ZUNIONSTORE d 2 a b AGGREGATE AVG", "ZUNIONSTORE d 2 a b WITHSCORES", "ZDIFFSTORE d 1 a WEIGHTS 1", "ZDIFFSTORE d 1 a AGGREGATE SUM", "ZUNIONSTORE d 1", "ZUNIONSTORE d -1 a"},
		"wrong type":     {a, "HSET t f v", "ZUNIONSTORE d 2 a t", "ZINTERSTORE d 2 t a", "ZDIFFSTORE d 2 a t", "ZINTERSTORE d 2 nothing t"},
		"nothing":        {"HSET d f v", "ZUNIONSTORE d 1 nothing", "HSET d f v", "ZINTERSTORE d 2 nothing nothing", "HSET d f v", "ZDIFFSTORE d 1 nothing", "ZUNIONSTORE d 1 nothing"},
		"itself":         {a, b, "PEXPIREAT a 33177117420000", "ZUNIONSTORE a 2 a b", "ZINTERSTORE b 2 a b", "ZDIFFSTORE a 2 a b"},
		"over a string":  {a, "HSET d f v", "PEXPIREAT d 33177117420000", "ZUNIONSTORE d 1 a"},
		"infinities":     {"ZADD a inf x -inf y inf z", "ZADD b -inf x inf y inf z", "ZUNIONSTORE d 2 a b", "ZINTERSTORE e 2 a b", "ZUNIONSTORE f 2 a b WEIGHTS 0 1", "ZINTERSTORE g 2 a b WEIGHTS 0 1", "ZINTERSTORE h 2 a b WEIGHTS 1 0", "ZUNIONSTORE i 2 a b WEIGHTS 1 0", "ZINTERSTORE j 2 a b WEIGHTS 1 0 AGGREGATE MIN", "ZINTERSTORE k 2 a b WEIGHTS 0 0 AGGREGATE MAX", "ZUNIONSTORE l 2 a b WEIGHTS 1 0 AGGREGATE MAX"},
		"infinity times": {"ZADD a 5 x 0 y", "ZADD b 7 x 0 y", "ZINTERSTORE d 2 a b WEIGHTS 1 inf", "ZINTERSTORE e 2 a b WEIGHTS inf 1", "ZUNIONSTORE f 2 a b WEIGHTS 1 inf", "ZADD b 1 q", "ZINTERSTORE g 2 b a WEIGHTS inf 1", "ZINTERSTORE h 2 b a WEIGHTS 1 inf AGGREGATE MIN", "ZINTERSTORE i 2 b a WEIGHTS inf 1 AGGREGATE MIN"},
		"order of sums":  {"ZADD a 1e16 x 1 p 1 q", "ZADD b 1 x 1 p", "ZADD c -1e16 x", "ZUNIONSTORE d 3 a b c", "ZUNIONSTORE e 3 c b a", "ZINTERSTORE f 3 a b c", "ZINTERSTORE g 3 b c a"},
		"order of equal": {"ZADD a 1e16 x", "ZADD b 1 x", "ZADD c -1e16 x", "ZADD e 1 x", "ZUNIONSTORE d 4 a b c e", "ZUNIONSTORE f 4 b e a c", "ZUNIONSTORE g 4 a c b e", "ZINTERSTORE h 4 a b c e", "ZINTERSTORE i 4 a c e b"},
		"last bits":      {"ZADD a 0.1 x", "ZADD b 0.2 x", "ZADD c 0.3 x", "ZUNIONSTORE d 3 a b c", "ZUNIONSTORE e 3 c b a", "ZUNIONSTORE f 3 a b c WEIGHTS 0.1 0.7 0.3", "ZINTERSTORE g 3 c a b WEIGHTS 1e-300 1e300 1.1"},
		"sign of zero":   {"ZADD a 0 x 1 y", "ZUNIONSTORE d 1 a WEIGHTS -1", "ZUNIONSTORE e 1 a WEIGHTS -0", "ZINTERSTORE f 2 a d WEIGHTS -1 -1"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestZSetStoreOfMany(t *testing.T) {
	t.Parallel()
	a := zadds("a", 300, func(i int) string { return fmt.Sprintf("%d.1 m%d", i-400, i) })
	b := zadds("b", 200, func(i int) string { return fmt.Sprintf("%d.7 m%d", i*3, i*2) })
	check(t, append(append(a, b...),
		"ZUNIONSTORE c 2 a b WEIGHTS 0.3 0.7", "ZINTERSTORE d 2 a b WEIGHTS 0.3 0.7", "ZDIFFSTORE e 2 a b", "ZDIFFSTORE f 2 b a", "ZADD b 0 m0 0 m2",
		"ZUNIONSTORE g 2 a b WEIGHTS 1 -1 AGGREGATE MAX", "ZRANGESTORE h g -inf inf BYSCORE", "ZRANGESTORE i g inf -inf BYSCORE REV", "ZINTERSTORE a 3 a b g")...)
}

// TestZSetReplay: in a log, a set whose time has passed is like any other.
func TestZSetReplay(t *testing.T) {
	t.Parallel()
	checkReplay(t, all, "ZADD k 1 a 2 b 3 c", "PEXPIREAT k 1", "zadd k NX 3 a 4 d", "ZINCRBY k 5 a", "ZUNIONSTORE d 1 k WEIGHTS 2", "ZINTERSTORE e 2 k d",
		"ZRANGESTORE f k 0 0", "ZPOPMIN k 1", "PEXPIREAT d 1", "ZDIFFSTORE d 2 d f", "GEOSEARCHSTORE g k FROMMEMBER a BYRADIUS 1 km", "BZPOPMAX k 0", "ZREMRANGEBYSCORE k 4 4")
}

func TestZSetsAtRandom(t *testing.T) {
	t.Parallel()
	score := rapid.OneOf(
		rapid.SampledFrom([]string{"0", "-0", "1", "-1", "0.1", "0.2", "1e16", "inf", "-inf", "nan", "3.5", "x", "(1", ""}),
		rapid.Map(rapid.Float64(), func(f float64) string { return string(appendDouble(nil, f)) }),
	)
	flag := rapid.SampledFrom([]string{"NX", "XX", "GT", "LT", "CH", "INCR"})
	lex := rapid.SampledFrom([]string{"-", "+", "[x", "(x", "[y", "(0", "[", "(z", "["})
	two := rapid.SampledFrom([]string{"2"})
	how := rapid.SampledFrom([]string{"SUM", "MIN", "MAX"})
	word := rapid.Just[string]
	group := []*rapid.Generator[string]{score, genWord()}
	checkRandom(t, all, rapid.OneOf(
		genMany("ZADD", []*rapid.Generator[string]{genKey()}, group),
		genMany("ZADD", []*rapid.Generator[string]{genKey(), flag}, group),
		genMany("ZADD", []*rapid.Generator[string]{genKey(), flag, flag}, group),
		genCommand("ZINCRBY", genKey(), score, genWord()),
		genMany("ZREM", []*rapid.Generator[string]{genKey()}, []*rapid.Generator[string]{genWord()}),
		genCommand("ZREMRANGEBYRANK", genKey(), genIndex(), genIndex()),
		genCommand("ZREMRANGEBYSCORE", genKey(), score, score),
		genCommand("ZREMRANGEBYLEX", genKey(), lex, lex),
		genCommand("ZPOPMIN", genKey(), genIndex()),
		genCommand("ZPOPMAX", genKey()),
		genCommand("ZRANGESTORE", genKey(), genKey(), genIndex(), genIndex()),
		genCommand("ZRANGESTORE", genKey(), genKey(), score, score, word("BYSCORE"), word("LIMIT"), word("1"), genIndex()),
		genCommand("ZRANGESTORE", genKey(), genKey(), lex, lex, word("BYLEX"), word("REV")),
		genCommand("ZUNIONSTORE", genKey(), two, genKey(), genKey(), word("WEIGHTS"), score, score, word("AGGREGATE"), how),
		genCommand("ZINTERSTORE", genKey(), two, genKey(), genKey(), word("WEIGHTS"), score, score, word("AGGREGATE"), how),
		genCommand("ZUNIONSTORE", genKey(), rapid.Just("3"), genKey(), genKey(), genKey()),
		genCommand("ZDIFFSTORE", genKey(), two, genKey(), genKey()),
		genMany("SADD", []*rapid.Generator[string]{genKey()}, []*rapid.Generator[string]{genWord()}),
		genCommand("DEL", genKey()),
	))
}
