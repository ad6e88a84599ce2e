package keyspace

// zsetValue is a sorted set: members with scores, ordered by score and then by the bytes of the member. -0 and 0 are the same place; NaN
// is never stored.
//
// A small one is packed, a large one is a table. The border between them is the server's default border between listpack and skip list,
// and like there a table never becomes packed again, because two things show on which side a set is: a listpack forgets the sign of -0,
// and ranges by member of a set with several scores are walked in a listpack and searched in a skip list.
type zsetValue struct {
	packed packedZSet
	table  *zsetTable // nil while it is packed
}

// maxPackedMembers and maxPackedMember are zset-max-listpack-entries and zset-max-listpack-value of the servers' default configuration.
const (
	maxPackedMembers = 128
	maxPackedMember  = 64
)

// zsetBytes is about what an empty sorted set takes.
const zsetBytes = 48

var _ value = (*zsetValue)(nil)

func (z *zsetValue) typeName() string { return "zset" }
func (z *zsetValue) empty() bool      { return z.length() == 0 }

func (z *zsetValue) size() int64 {
	if z.table != nil {
		return zsetBytes + z.table.size()
	}
	return zsetBytes + int64(cap(z.packed.buf))
}

func (z *zsetValue) clone() value {
	if z.table != nil {
		return &zsetValue{table: z.table.clone()}
	}
	return &zsetValue{packed: z.packed.clone()}
}

func (z *zsetValue) length() int {
	if z.table != nil {
		return len(z.table.items)
	}
	return z.packed.n
}

// score returns the member's score.
func (z *zsetValue) score(member []byte) (score float64, found bool) {
	if z.table != nil {
		return z.table.score(member)
	}
	if at := z.packed.find(member); at >= 0 {
		return z.packed.score(at), true
	}
	return 0, false
}

// put gives the member a score, as t_zset.c:zsetAdd does. It is not for a member whose score compares as equal already.
func (z *zsetValue) put(member []byte, score float64) {
	packed := score
	if score == 0 {
		packed = 0 // without its sign
	}
	z.set(member, score, packed)
}

// fill is put for a set that is being made as a whole, as STORE commands and loaders do: they make a skip list first, and a listpack of it at
// the end if it is small. settle is to be called then.
func (z *zsetValue) fill(member []byte, score float64) { z.set(member, score, score) }

// set gives the member a score, the other one while the set is packed.
func (z *zsetValue) set(member []byte, score, packed float64) {
	if z.table == nil {
		if at := z.packed.find(member); at >= 0 {
			z.packed.removeAt(at)
		}
		if z.packed.takes(member) {
			z.packed.insert(member, packed)
			return
		}
		z.unpack()
	}
	z.table.put(member, score)
}

// settle ends a series of fill.
func (z *zsetValue) settle() {
	if z.table == nil {
		z.packed.dropSigns()
	}
}

// expect makes z, which is empty, a table if so many members, the first of which is that long, make it one from the start on.
func (z *zsetValue) expect(members, firstLen int) {
	if members > maxPackedMembers || firstLen > maxPackedMember {
		z.table = newZSetTable()
	}
}

// remove removes the member and reports whether there was one.
func (z *zsetValue) remove(member []byte) bool {
	if z.table != nil {
		return z.table.remove(member)
	}
	at := z.packed.find(member)
	if at >= 0 {
		z.packed.removeAt(at)
	}
	return at >= 0
}

// removeRanks removes the members of the ranks from lo up to hi, which is left.
func (z *zsetValue) removeRanks(lo, hi int) {
	switch {
	case lo >= hi:
	case z.table != nil:
		z.table.removeRanks(lo, hi)
	default:
		z.packed.removeRanks(lo, hi)
	}
}

// each calls visit for each member in order, from the rank lo on, until it returns false. The member is valid during the call; z must not
// change.
func (z *zsetValue) each(lo int, visit func(member []byte, score float64) bool) {
	if z.table != nil {
		z.table.each(lo, visit)
	} else {
		z.packed.each(lo, visit)
	}
}

// eachInAnyOrder calls visit for each member. The member is valid during the call; z must not change.
func (z *zsetValue) eachInAnyOrder(visit func(member []byte, score float64)) {
	if z.table != nil {
		z.table.eachInAnyOrder(visit)
		return
	}
	z.packed.each(0, func(member []byte, score float64) bool {
		visit(member, score)
		return true
	})
}

// firstFrom returns the first rank from lo on whose member is wanted, and the length if none is. In a table, where it is searched for, all
// behind a wanted one must be wanted.
func (z *zsetValue) firstFrom(lo int, wanted func(member []byte, score float64) bool) int {
	if z.table != nil {
		return z.table.firstFrom(lo, wanted)
	}
	rank := lo
	z.packed.each(lo, func(member []byte, score float64) bool {
		if wanted(member, score) {
			return false
		}
		rank++
		return true
	})
	return rank
}

// lastUpTo returns the last rank up to hi whose member is wanted, and -1 if none is. In a table all before a wanted one must be wanted.
func (z *zsetValue) lastUpTo(hi int, wanted func(member []byte, score float64) bool) int {
	if z.table != nil {
		unwanted := func(member []byte, score float64) bool { return !wanted(member, score) }
		return min(hi, z.table.firstFrom(0, unwanted)-1)
	}
	rank, last := 0, -1
	z.packed.each(0, func(member []byte, score float64) bool {
		if rank > hi {
			return false
		}
		if wanted(member, score) {
			last = rank
		}
		rank++
		return true
	})
	return last
}

// unpack makes a table of a packed set.
func (z *zsetValue) unpack() {
	z.table = newZSetTable()
	z.packed.each(0, func(member []byte, score float64) bool {
		z.table.put(member, score)
		return true
	})
	z.packed = packedZSet{}
}
