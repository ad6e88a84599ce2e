package keyspace

import (
	"math"
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// What a field's expiry does to commands here, and why that comes to what the upstream has.
//
// The upstream has a clock; a field whose time has passed is as good as gone for its commands, though it stays in memory until something
// deletes it. We have none: a field exists until a command deletes it. The stream makes up for that:
//
//   - Redis deletes such a field when a command looks at it (t_hash.c:hashTypeGetValue), and sends "HDEL key field" first, in the same
//     MULTI: HINCRBY, HINCRBYFLOAT, HSETNX, HSETEX with FNX or FXX, HGETEX, HGETDEL, HGET, SORT. HSET and HSETEX without condition do not look:
//     they overwrite it, here as there. HPEXPIREAT does not look either: it revives it, here as there.
//   - Valkey leaves the field where it is, and sends what the command came to: HSET for HSETNX and HINCRBY, or HSETEX with the time, HDEL
//     and HSETEX for HSETEX KEEPTTL (t_hash.c:hincrbyCommand, hsetexCommand). Conditions of HSETEX are not sent.
//   - Both send HDEL for what a time in the past was given to, and the active expiry sends HDEL for the rest.
//
// Three commands arrive as the client sent them, with fields that the upstream took for gone: HPERSIST from both, HPEXPIREAT and HGETDEL
// from Valkey. Here they find the field: HPERSIST takes its expiry away and HPEXPIREAT moves it, as they do on the upstream's own replicas (a
// primary's commands see such fields: db.c:getExpirationPolicyWithFlags, t_hash.c:hashTypeGetValue). That lasts until the upstream's HDEL,
// from its next active expiry. The other choice, to compare with the time at which the command came, loses fields for good when clocks differ.
//
// Redis 8.0 before 8.0.3 and Redis 7.4 send HSET for HINCRBYFLOAT and so say nothing of the expiry that the upstream keeps. Nobody who sees
// only the stream can know of it.
//
// A time in the past that does come, in a log that a client wrote, is set, as all servers do when they load a log
// (expire.c:checkAlreadyExpired).

// maxRedisExpire is the latest expiry of a field that Redis takes, in Unix milliseconds (server.h:HFE_MAX_ABS_TIME_MSEC).
const maxRedisExpire = 1<<46 - 1

// fieldList returns the arguments behind "FIELDS n", which args begins with, if there are n groups of them.
func fieldList(args [][]byte, each int) ([][]byte, bool) {
	if len(args) < 2+each || !isWord(args[0], "FIELDS") {
		return nil, false
	}
	n, ok := parseInt(args[1])
	fields := args[2:]
	if !ok || n < 1 || n > int64(len(fields)) || n*int64(each) != int64(len(fields)) {
		return nil, false
	}
	return fields, true
}

// fieldTime parses an expiry of fields in units of that many milliseconds.
func (c *call) fieldTime(arg []byte, unit int64) (int64, bool) {
	limit := int64(math.MaxInt64)
	if c.space.opt.Format.Dialect == rdb.Redis {
		limit = maxRedisExpire
	}
	n, ok := parseInt(arg)
	if !ok || n < 0 || n > limit/unit {
		return 0, false
	}
	return n * unit, true
}

// runHPExpireAt is t_hash.c:hpexpireatCommand.
func runHPExpireAt(c *call) error { return expireFields(c, 1) }

// runHExpireAt is t_hash.c:hexpireatCommand.
func runHExpireAt(c *call) error { return expireFields(c, 1000) }

// expireFields gives fields a time of that many milliseconds a unit. Redis takes one condition at most, Valkey as many as EXPIRE.
func expireFields(c *call, unit int64) error {
	words := slices.IndexFunc(c.args[3:], func(arg []byte) bool { return isWord(arg, "FIELDS") })
	if words < 0 || (words > 1 && c.space.opt.Format.Dialect == rdb.Redis) {
		return errFailed
	}
	cond, ok := parseExpireCondition(c.args[3 : 3+words])
	if !ok {
		return errFailed
	}
	fields, listed := fieldList(c.args[3+words:], 1)
	expire, timed := c.fieldTime(c.args[2], unit)
	if !listed || !timed {
		return errFailed
	}
	return retimeFields(c, fields, expire, cond)
}

// runHPersist is t_hash.c:hpersistCommand.
func runHPersist(c *call) error {
	fields, ok := fieldList(c.args[2:], 1)
	if !ok {
		return errFailed
	}
	return retimeFields(c, fields, rdb.NoExpire, 0)
}

// retimeFields gives fields of the first key that expiry, or takes it away.
func retimeFields(c *call, fields [][]byte, expire int64, cond expireCondition) error {
	h, found, err := find[*hashValue](c, c.args[1])
	if !found || err != nil {
		return err
	}
	for _, field := range fields {
		if at := h.find(field); at >= 0 && cond.allows(h.at(at).expire, expire) {
			h.retime(at, expire)
		}
	}
	c.changed(c.args[1])
	return nil
}
