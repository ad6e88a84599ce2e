package keyspace

import (
	"math"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// expireCommands are the commands for the expiry of keys. EXPIRE and PEXPIRE count from the time at which they run, which a log does not say; they
// are in none that a server writes since 7.0 (protocol.md 2.9).
func expireCommands() []command {
	return []command{
		{name: "PEXPIREAT", arity: -3, plan: writes1, run: func(c *call) error { return c.expireAt(1) }},
		{name: "EXPIREAT", arity: -3, plan: writes1, run: func(c *call) error { return c.expireAt(1000) }},
		{name: "EXPIRE", arity: -3, plan: writes1},
		{name: "PEXPIRE", arity: -3, plan: writes1},
		{name: "PERSIST", arity: 2, plan: writes1, run: runPersist},
	}
}

// expireCondition is a set of the words NX, XX, GT and LT.
type expireCondition uint8

const (
	expireNX expireCondition = 1 << iota
	expireXX
	expireGT
	expireLT
)

// parseExpireCondition parses all of args (expire.c:parseExtendedExpireArgumentsOrReply).
func parseExpireCondition(args [][]byte) (cond expireCondition, ok bool) {
	for _, arg := range args {
		switch {
		case isWord(arg, "NX"):
			cond |= expireNX
		case isWord(arg, "XX"):
			cond |= expireXX
		case isWord(arg, "GT"):
			cond |= expireGT
		case isWord(arg, "LT"):
			cond |= expireLT
		default:
			return 0, false
		}
	}
	withOthers := cond&expireNX != 0 && cond != expireNX
	bothWays := cond&(expireGT|expireLT) == expireGT|expireLT
	return cond, !withOthers && !bothWays
}

// allows reports whether the time may become at, when it is now, or rdb.NoExpire, which GT and LT take for never.
func (cond expireCondition) allows(now, at int64) bool {
	none := now == rdb.NoExpire
	switch {
	case cond&expireNX != 0 && !none,
		cond&expireXX != 0 && none,
		cond&expireGT != 0 && (none || at <= now),
		cond&expireLT != 0 && !none && at >= now:
		return false
	default:
		return true
	}
}

// expireAt is PEXPIREAT and EXPIREAT (expire.c:expireGenericCommand) with a time of that many milliseconds a unit.
func (c *call) expireAt(unit int64) error {
	cond, ok := parseExpireCondition(c.args[3:])
	if !ok {
		return errFailed
	}
	at, ok := parseInt(c.args[2])
	if !ok || at > math.MaxInt64/unit || at < math.MinInt64/unit {
		return errFailed
	}
	if at *= unit; at < 0 && c.space.opt.Format.Dialect == rdb.Valkey {
		at = 0 // Valkey 9; others store what they are told
	}
	if e := c.space.db(c.db).find(c.args[1]); e != nil && cond.allows(e.expire, at) {
		e.expire = at
	}
	return nil
}

// runPersist is PERSIST (expire.c:persistCommand).
func runPersist(c *call) error {
	if e := c.space.db(c.db).find(c.args[1]); e != nil {
		e.expire = rdb.NoExpire
	}
	return nil
}

// appendExpire appends the command that gives the key its expiry.
func appendExpire(dst []byte, key string, at int64) []byte {
	return appendCommand(dst, "PEXPIREAT", key, strconv.FormatInt(at, 10))
}
