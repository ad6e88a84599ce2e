package keyspace

import (
	"encoding/binary"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// appendRDB writes type 4, or, if there is an expiry, the type of the dialect that has one for each field: 22 of Valkey 9, 24 of Redis 7.4. No
// other format can hold it, and no upstream of another format can have sent it.
func (h *hashValue) appendRDB(dst []byte, f rdb.Format) (rdb.Type, []byte) {
	switch {
	case h.timed == 0:
		dst = rdb.AppendLength(dst, uint64(h.fields))
		h.each(func(r record) {
			dst = rdb.AppendString(dst, r.field)
			dst = rdb.AppendString(dst, r.value)
		})
		return rdb.TypeHash, dst
	case f.Dialect == rdb.Valkey:
		dst = rdb.AppendLength(dst, uint64(h.fields))
		h.each(func(r record) {
			dst = rdb.AppendString(dst, r.field)
			dst = rdb.AppendString(dst, r.value)
			dst = binary.LittleEndian.AppendUint64(dst, uint64(r.expire))
		})
		return rdb.TypeHash2, dst
	default:
		return rdb.TypeHashMetadata, h.appendMetadata(dst)
	}
}

// appendMetadata appends the body of a type 24: the least expiry, and for each field how much later it expires, + 1; 0: never
// (rdb.c:rdbSaveObject).
func (h *hashValue) appendMetadata(dst []byte) []byte {
	first := h.firstExpire()
	dst = binary.LittleEndian.AppendUint64(dst, uint64(first))
	dst = rdb.AppendLength(dst, uint64(h.fields))
	h.each(func(r record) {
		later := uint64(0)
		if r.expire != rdb.NoExpire {
			later = uint64(r.expire-first) + 1
		}
		dst = rdb.AppendLength(dst, later)
		dst = rdb.AppendString(dst, r.field)
		dst = rdb.AppendString(dst, r.value)
	})
	return dst
}

// firstExpire returns the least expiry. There must be one.
func (h *hashValue) firstExpire() int64 {
	first := int64(rdb.NoExpire)
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
