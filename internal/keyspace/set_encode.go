package keyspace

import (
	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// decodeSet makes a set of an RDB body.
func decodeSet(f rdb.Format, t rdb.Type, raw []byte) (value, error) {
	s := &setValue{}
	if err := rdb.DecodeSet(f, t, raw, func(member []byte) { s.add(member) }); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *setValue) appendRDB(dst []byte, _ rdb.Format) (rdb.Type, []byte) {
	dst = rdb.AppendLength(dst, uint64(s.len()))
	s.each(func(member []byte) bool {
		dst = rdb.AppendString(dst, member)
		return true
	})
	return rdb.TypeSet, dst
}

// appendCommands follows aof.c:rewriteSetObject.
func (s *setValue) appendCommands(dst, key []byte) []byte {
	return appendBatches(dst, "SADD", key, s.len(), s.each)
}
