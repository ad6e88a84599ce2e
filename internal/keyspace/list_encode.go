package keyspace

import (
	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// batchElements is how many elements a command has that makes a part of a value (server.h:AOF_REWRITE_ITEMS_PER_CMD).
const batchElements = 64

// decodeList makes a list of an RDB body.
func decodeList(f rdb.Format, t rdb.Type, raw []byte) (value, error) {
	l := &listValue{}
	if err := rdb.DecodeList(f, t, raw, l.pushBack); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *listValue) appendRDB(dst []byte, _ rdb.Format) (rdb.Type, []byte) {
	dst = rdb.AppendLength(dst, uint64(l.n))
	l.each(func(elem []byte) bool {
		dst = rdb.AppendString(dst, elem)
		return true
	})
	return rdb.TypeList, dst
}

// appendCommands follows aof.c:rewriteListObject.
func (l *listValue) appendCommands(dst, key []byte) []byte {
	return appendBatches(dst, "RPUSH", key, l.n, l.each)
}

// appendBatches appends commands of a name, the key and some of the n elements each.
func appendBatches(dst []byte, name string, key []byte, n int, each func(visit func(elem []byte) bool)) []byte {
	room := 0
	each(func(elem []byte) bool {
		if room == 0 {
			room = min(n, batchElements)
			n -= room
			dst = appendArg(appendArg(appendArgCount(dst, 2+room), name), key)
		}
		room--
		dst = appendArg(dst, elem)
		return true
	})
	return dst
}
