package keyspace

import (
	"math"
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// decodeZSet makes a sorted set of an RDB body.
func decodeZSet(f rdb.Format, t rdb.Type, raw []byte) (value, error) {
	z := &zsetValue{}
	members := 0
	err := rdb.DecodeZSet(f, t, raw, func(member []byte, score float64) {
		z.fill(member, score)
		members++
	})
	if err != nil {
		return nil, err
	}
	if members != z.length() {
		return nil, &rdb.CorruptError{In: "value", What: "a member is there twice"}
	}
	z.settle()
	return z, nil
}

// appendRDB writes the members from the highest to the lowest, as servers do: their loaders then always insert at the head.
func (z *zsetValue) appendRDB(dst []byte, _ rdb.Format) (rdb.Type, []byte) {
	dst = rdb.AppendLength(dst, uint64(z.length()))
	if z.table != nil {
		for _, item := range slices.Backward(z.table.sorted()) {
			dst = rdb.AppendString(dst, z.table.show(item))
			dst = rdb.AppendScore(dst, item.score)
		}
		return rdb.TypeZSet2, dst
	}
	var buf [maxPackedMembers]int
	for _, at := range slices.Backward(z.packed.entries(buf[:0])) {
		dst = rdb.AppendString(dst, z.packed.member(at))
		dst = rdb.AppendScore(dst, z.packed.score(at))
	}
	return rdb.TypeZSet2, dst
}

// zaddMembers is how many members one ZADD of a rewritten log has (aof.c:rewriteSortedSetObject).
const zaddMembers = 64

// appendCommands writes ZADDs, from the lowest score on.
func (z *zsetValue) appendCommands(dst, key []byte) []byte {
	left, room := z.length(), 0
	var buf [32]byte
	one := func(member []byte, score float64) bool {
		if room == 0 {
			room = min(left, zaddMembers)
			dst = appendArgCount(dst, 2+2*room)
			dst = appendArg(dst, "ZADD")
			dst = appendArg(dst, key)
		}
		dst = appendArg(dst, appendDouble(buf[:0], score))
		dst = appendArg(dst, member)
		left--
		room--
		return true
	}
	if z.table == nil {
		z.packed.each(0, one)
		return dst
	}
	signed := false
	for _, item := range z.table.sorted() {
		one(z.table.show(item), item.score)
		signed = signed || isNegativeZero(item.score)
	}
	if signed {
		dst = z.table.appendSigns(dst, key)
	}
	return dst
}

// appendSigns appends the commands that give zeros their sign: while the loader's set is small, a listpack, it keeps none, and later it takes one
// only in the place of another score.
func (t *zsetTable) appendSigns(dst, key []byte) []byte {
	for _, item := range t.sorted() {
		if !isNegativeZero(item.score) {
			continue
		}
		for _, score := range []string{"1", "-0"} {
			dst = appendArgCount(dst, 4)
			dst = appendArg(dst, "ZADD")
			dst = appendArg(dst, key)
			dst = appendArg(dst, score)
			dst = appendArg(dst, t.show(item))
		}
	}
	return dst
}

func isNegativeZero(score float64) bool { return score == 0 && math.Signbit(score) }
