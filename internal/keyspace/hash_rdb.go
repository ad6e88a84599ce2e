package keyspace

import (
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// decodeHash makes a hash of an RDB body. As when a server loads it, nothing looks whether a listpack has a field twice.
func decodeHash(f rdb.Format, t rdb.Type, raw []byte) (value, error) {
	h := &hashValue{}
	h.reserve(len(raw)) // more, if it is not compressed
	if err := rdb.DecodeHash(f, t, raw, h.add); err != nil {
		return nil, err
	}
	return h, nil
}

// appendRDB writes type 4, or the dialect's type that has an expiry for each field.
func (h *hashValue) appendRDB(dst []byte, f rdb.Format) (rdb.Type, []byte) {
	first := h.firstExpire()
	t, dst := rdb.AppendHashHead(dst, f, uint64(h.fields), first)
	h.each(func(r record) { dst = rdb.AppendHashField(dst, t, first, r.field, r.value, r.expire) })
	return t, dst
}

// firstExpire returns the least expiry, rdb.NoExpire if there is none. It looks at all fields: a type 24 must state it exactly, and a value kept up
// to date would have to be found anew when that field goes.
func (h *hashValue) firstExpire() int64 {
	first := rdb.NoExpire
	if h.timed == 0 {
		return first
	}
	h.each(func(r record) {
		if r.expire != rdb.NoExpire && (first == rdb.NoExpire || r.expire < first) {
			first = r.expire
		}
	})
	return first
}

// fieldsPerCommand is how many fields one command of a RESP base sets at most (server.h:AOF_REWRITE_ITEMS_PER_CMD).
const fieldsPerCommand = 64

// appendCommands is aof.c:rewriteHashObject.
func (h *hashValue) appendCommands(dst, key []byte) []byte {
	left := h.fields
	h.each(func(r record) {
		if done := h.fields - left; done%fieldsPerCommand == 0 {
			dst = appendArgCount(dst, 2+2*min(left, fieldsPerCommand))
			dst = appendArg(dst, "HMSET")
			dst = appendArg(dst, key)
		}
		dst = appendArg(dst, r.field)
		dst = appendArg(dst, r.value)
		left--
	})
	if h.timed == 0 {
		return dst
	}
	h.each(func(r record) {
		if r.expire != rdb.NoExpire {
			var buf [20]byte
			dst = appendArgCount(dst, 6)
			dst = appendArg(dst, "HPEXPIREAT")
			dst = appendArg(dst, key)
			dst = appendArg(dst, strconv.AppendInt(buf[:0], r.expire, 10))
			dst = appendArg(dst, "FIELDS")
			dst = appendArg(dst, "1")
			dst = appendArg(dst, r.field)
		}
	})
	return dst
}
