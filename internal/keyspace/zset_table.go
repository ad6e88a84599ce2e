package keyspace

import (
	"cmp"
	"slices"
	"sort"

	"github.com/tidwall/btree"
)

// zsetTable holds a large sorted set: a map, and beside it an order that is made when a command first asks for ranks and kept from then on.
// ZADD, ZINCRBY and ZREM, which most sets see nothing else of, never need it.
type zsetTable struct {
	items map[string]*zsetItem
	order *btree.BTreeG[*zsetItem] // nil until it is asked for
	most  int                      // how many items there were at most: maps do not shrink
	bytes int64                    // of all members
	buf   []byte                   // for a member that is shown
}

type zsetItem struct {
	score  float64
	member string
}

// zsetItemBytes, zsetSlotBytes and zsetOrderBytes are about what an item, its place in the map and that in the order take, beside its member.
const (
	zsetItemBytes  = 24
	zsetSlotBytes  = 40
	zsetOrderBytes = 16
)

func newZSetTable() *zsetTable { return &zsetTable{items: map[string]*zsetItem{}} }

func (t *zsetTable) size() int64 {
	n := int64(len(t.items))*zsetItemBytes + int64(t.most)*zsetSlotBytes + t.bytes
	if t.order != nil {
		n += int64(len(t.items)) * zsetOrderBytes
	}
	return n
}

func (t *zsetTable) clone() *zsetTable {
	to := &zsetTable{items: make(map[string]*zsetItem, len(t.items)), most: len(t.items), bytes: t.bytes}
	for member, item := range t.items {
		to.items[member] = &zsetItem{score: item.score, member: member}
	}
	return to
}

func (t *zsetTable) score(member []byte) (score float64, found bool) {
	item := t.items[string(member)]
	if item == nil {
		return 0, false
	}
	return item.score, true
}

// put gives a member a score, also one that compares as equal to the one it has.
func (t *zsetTable) put(member []byte, score float64) {
	item := t.items[string(member)]
	if item == nil {
		item = &zsetItem{score: score, member: string(member)}
		t.items[item.member] = item
		t.most = max(t.most, len(t.items))
		t.bytes += int64(len(member))
	} else {
		if t.order != nil {
			t.order.Delete(item)
		}
		item.score = score
	}
	if t.order != nil {
		t.order.Set(item)
	}
}

func (t *zsetTable) remove(member []byte) bool {
	item := t.items[string(member)]
	if item == nil {
		return false
	}
	if t.order != nil {
		t.order.Delete(item)
	}
	t.drop(item)
	return true
}

// drop removes an item that is no longer in the order.
func (t *zsetTable) drop(item *zsetItem) {
	delete(t.items, item.member)
	t.bytes -= int64(len(item.member))
}

func (t *zsetTable) removeRanks(lo, hi int) {
	order := t.ordered()
	for range hi - lo {
		item, _ := order.DeleteAt(lo)
		t.drop(item)
	}
}

func (t *zsetTable) each(lo int, visit func(member []byte, score float64) bool) {
	order := t.ordered()
	first, found := order.GetAt(lo)
	if !found {
		return
	}
	order.Ascend(first, func(item *zsetItem) bool { return visit(t.show(item), item.score) })
}

func (t *zsetTable) eachInAnyOrder(visit func(member []byte, score float64)) {
	for _, item := range t.items {
		visit(t.show(item), item.score)
	}
}

func (t *zsetTable) firstFrom(lo int, wanted func(member []byte, score float64) bool) int {
	order := t.ordered()
	return lo + sort.Search(max(len(t.items)-lo, 0), func(i int) bool {
		item, _ := order.GetAt(lo + i)
		return wanted(t.show(item), item.score)
	})
}

// show returns the item's member, valid until the next call.
func (t *zsetTable) show(item *zsetItem) []byte {
	t.buf = append(t.buf[:0], item.member...)
	return t.buf
}

// ordered returns the order, and makes it if there is none.
func (t *zsetTable) ordered() *btree.BTreeG[*zsetItem] {
	if t.order == nil {
		order := btree.NewBTreeGOptions(func(a, b *zsetItem) bool { return compareZSetItems(a, b) < 0 }, btree.Options{NoLocks: true})
		for _, item := range t.sorted() {
			order.Load(item)
		}
		t.order = order
	}
	return t.order
}

// sorted returns the items in order, without keeping it.
func (t *zsetTable) sorted() []*zsetItem {
	if t.order != nil {
		return t.order.Items()
	}
	items := make([]*zsetItem, 0, len(t.items))
	for _, item := range t.items {
		items = append(items, item)
	}
	slices.SortFunc(items, compareZSetItems)
	return items
}

func compareZSetItems(a, b *zsetItem) int {
	if a.score != b.score {
		return cmp.Compare(a.score, b.score)
	}
	return cmp.Compare(a.member, b.member)
}
