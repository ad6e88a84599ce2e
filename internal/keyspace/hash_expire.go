package keyspace

import (
	"math"
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// What becomes of a field whose time has passed, and why that is what the upstream has.
//
// The upstream has a clock. For its commands such a field is as good as gone, though it stays in memory until something deletes it. We have
// none: a field exists until a command deletes it. The stream makes up for that:
//
//   - Redis deletes such a field when a command looks at it, and sends "HDEL key field" before the command, in the same MULTI
//     (t_hash.c:hashTypeGetValue). HINCRBY, HINCRBYFLOAT, HSETNX, HSETEX with FNX or FXX, HGETEX, HGETDEL, HGET and SORT look. HSET, and HSETEX without
//     condition, overwrite it without looking, and HPEXPIREAT revives it: here as there.
//   - Valkey leaves the field where it is, and sends what the command came to: HSET, or HSETEX with the time, for HSETNX, HINCRBY and
//     HINCRBYFLOAT, HDEL before HSETEX KEEPTTL, and no conditions of HSETEX (t_hash.c:hincrbyCommand, hsetexCommand).
//   - For a time in the past both send HDEL, and their active expiry sends HDEL for what is left.
//
// Three commands come as the client wrote them, fields that the upstream took for gone included: HPERSIST from both, HPEXPIREAT and HGETDEL from
// Valkey. Here they find the field, as on a replica of Valkey: HPERSIST takes its expiry away, HPEXPIREAT moves it. That lasts until the HDEL of the
// upstream's next active expiry. To compare with the time at which the command came, as a replica of Redis does, would lose a field for good
// that was persisted in time, wherever clocks differ.
//
// What the stream does not say, nobody can know who has only the stream. Redis 7.4 and 8.0 sent HSET for HINCRBYFLOAT, as if it took the expiry
// from the field (redis#14218). Valkey 9.0 sent HINCRBY and HSETEX KEEPTTL as they came, whatever the field's time (valkey#3036, valkey#3060).
//
// A time in the past that does come, in a log that a client wrote, is set: so do all servers that load a log
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
