package keyspace

import (
	"math"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// hashCommands are those of t_hash.c that write.
//
// HINCRBYFLOAT, HEXPIRE and HPEXPIRE are carried: the one needs the server's long double, the others its clock. A server sends none of
// them to replicas, but HSET or HSETEX, and HPEXPIREAT.
func hashCommands() []command {
	return []command{
		{name: "HSET", arity: -4, plan: writes1, run: runHSet},
		{name: "HMSET", arity: -4, plan: writes1, run: runHSet},
		{name: "HSETNX", arity: 4, plan: writes1, run: runHSetNX},
		{name: "HDEL", arity: -3, plan: writes1, run: runHDel},
		{name: "HGETDEL", arity: -5, plan: writes1, run: runHGetDel},
		{name: "HINCRBY", arity: 4, plan: writes1, run: runHIncrBy},
		{name: "HINCRBYFLOAT", arity: 4, plan: writes1},
		{name: "HSETEX", arity: -6, plan: planHSetEx, run: runHSetEx},
		{name: "HGETEX", arity: -5, plan: planHGetEx, run: runHGetEx},
		{name: "HPEXPIREAT", arity: -6, plan: writes1, run: runHPExpireAt},
		{name: "HEXPIREAT", arity: -6, plan: writes1, run: runHExpireAt},
		{name: "HPEXPIRE", arity: -6, plan: writes1},
		{name: "HEXPIRE", arity: -6, plan: writes1},
		{name: "HPERSIST", arity: -5, plan: writes1, run: runHPersist},
	}
}

// settleHash ends a command that changed h, the hash of the first key: found says that it was there before.
func settleHash(c *call, h *hashValue, found bool) {
	if found {
		c.changed(c.args[1])
	} else {
		c.put(c.args[1], h)
	}
}

// openHash returns the hash of the first key, or a new one.
func openHash(c *call) (h *hashValue, found bool, err error) {
	h, found, err = find[*hashValue](c, c.args[1])
	if err == nil && !found {
		h = &hashValue{}
	}
	return h, found, err
}

// runHSet is t_hash.c:hsetCommand. It takes the expiry from the fields that it sets.
func runHSet(c *call) error {
	pairs := c.args[2:]
	if len(pairs)%2 != 0 {
		return errFailed
	}
	h, found, err := openHash(c)
	if err != nil {
		return err
	}
	if !found {
		h.reserve(pairsSize(pairs))
	}
	for i := 0; i < len(pairs); i += 2 {
		h.set(pairs[i], pairs[i+1], rdb.NoExpire)
	}
	settleHash(c, h, found)
	return nil
}

// pairsSize is how many bytes the records of these fields and values take.
func pairsSize(pairs [][]byte) (n int) {
	for i := 0; i < len(pairs); i += 2 {
		n += recordSize(len(pairs[i]), len(pairs[i+1]), false)
	}
	return n
}

// runHSetNX is t_hash.c:hsetnxCommand.
func runHSetNX(c *call) error {
	h, found, err := openHash(c)
	if err != nil || h.find(c.args[2]) >= 0 {
		return err
	}
	h.add(c.args[2], c.args[3], rdb.NoExpire)
	settleHash(c, h, found)
	return nil
}

// runHDel is t_hash.c:hdelCommand.
func runHDel(c *call) error { return deleteFields(c, c.args[2:]) }

// runHGetDel is t_hash.c:hgetdelCommand; Redis sends HDEL instead.
func runHGetDel(c *call) error {
	fields, ok := fieldList(c.args[2:], 1)
	if !ok {
		return errFailed
	}
	return deleteFields(c, fields)
}

func deleteFields(c *call, fields [][]byte) error {
	h, found, err := find[*hashValue](c, c.args[1])
	if !found || err != nil {
		return err
	}
	for _, field := range fields {
		if at := h.find(field); at >= 0 {
			h.remove(at)
		}
	}
	c.changed(c.args[1])
	return nil
}

// runHIncrBy is t_hash.c:hincrbyCommand. It leaves a field its expiry.
func runHIncrBy(c *call) error {
	by, ok := parseInt(c.args[3])
	if !ok {
		return errFailed
	}
	h, found, err := openHash(c)
	if err != nil {
		return err
	}
	at, was, expire := h.find(c.args[2]), int64(0), rdb.NoExpire
	if at >= 0 {
		r := h.at(at)
		expire = r.expire
		if was, ok = parseInt(r.value); !ok {
			return errFailed
		}
	}
	if (by < 0 && was < math.MinInt64-by) || (by > 0 && was > math.MaxInt64-by) {
		return errFailed
	}
	var buf [20]byte
	text := strconv.AppendInt(buf[:0], was+by, 10)
	if at >= 0 {
		h.update(at, text, expire)
	} else {
		h.add(c.args[2], text, expire)
	}
	settleHash(c, h, found)
	return nil
}
