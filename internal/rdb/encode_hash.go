package rdb

import "encoding/binary"

// AppendHashHead appends what a hash of n fields begins with, and returns the type to write before it and to give AppendHashField. minExpire
// is the soonest expiry of a field, in milliseconds of Unix time, NoExpire if none expires: then it is a TypeHash. Else it is what f's
// servers have for it: TypeHash2 in Valkey's dialect, TypeHashMetadata in Redis', of which those before version 12 have no such thing.
func AppendHashHead(dst []byte, f Format, n uint64, minExpire int64) (Type, []byte) {
	switch {
	case minExpire == NoExpire:
		return TypeHash, AppendLength(dst, n)
	case f.Dialect == Valkey:
		return TypeHash2, AppendLength(dst, n)
	default:
		dst = binary.LittleEndian.AppendUint64(dst, uint64(minExpire))
		return TypeHashMetadata, AppendLength(dst, n)
	}
}

// AppendHashField appends a field of a hash that AppendHashHead began: t is what it returned, minExpire what it was given. expire is when
// the field expires, NoExpire for never; it is passed over in a TypeHash.
func AppendHashField(dst []byte, t Type, minExpire int64, field, value []byte, expire int64) []byte {
	if t == TypeHashMetadata {
		ttl := uint64(0)
		if expire != NoExpire {
			ttl = uint64(expire-minExpire) + 1
		}
		dst = AppendLength(dst, ttl)
	}
	dst = AppendString(AppendString(dst, field), value)
	if t == TypeHash2 {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(expire))
	}
	return dst
}
