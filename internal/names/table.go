package names

import (
	"bytes"
	"hash/maphash"
	"iter"
)

const (
	// pageNodes is how many nodes a page has: few enough that a small table is small.
	pageNodes = 1 << pageShift
	pageShift = 6
	// firstSlots is how many slots a table begins with.
	firstSlots = 16
	// shortBytes is how long a name may be that stands in its node: most are, and need no look elsewhere.
	shortBytes = 27
	// isLong is the length of a node whose name is longer.
	isLong = shortBytes + 1
)

// Table is names with values. The zero value is empty and ready.
type Table[V any] struct {
	slots []slot // a power of two
	pages []*[pageNodes]Node[V]
	long  []*[pageNodes][]byte // the long names of a page; nil: it has none
	free  []uint32             // numbers below given that are not in use
	given uint32               // the highest number so far
	live  int
	last  *Node[V] // that Find returned, or nil
	seed  maphash.Seed

	fetched uint32 // without a meaning: it keeps the compiler from leaving out Near's reads
}

// slot says where a name is; number 0: it is free.
type slot struct{ hash, number uint32 }

// Node is a name and its value.
type Node[V any] struct {
	// Value is the caller's.
	Value  V
	number uint32 // from 1 on; 0: it is free
	length uint8  // of the name in short; isLong: it stands in Table.long
	short  [shortBytes]byte
}

// Name returns the name of a node. It must not be changed, and is good until the name is removed.
func (t *Table[V]) Name(n *Node[V]) []byte {
	if n.length == isLong {
		return t.long[(n.number-1)>>pageShift][(n.number-1)%pageNodes]
	}
	return n.short[:n.length]
}

func (t *Table[V]) is(n *Node[V], name []byte) bool { return string(t.Name(n)) == string(name) }

// give makes a copy of name the name of a node.
func (t *Table[V]) give(n *Node[V], name []byte) {
	if len(name) <= shortBytes {
		n.length = uint8(copy(n.short[:], name))
		return
	}
	page := (n.number - 1) >> pageShift
	if t.long[page] == nil {
		t.long[page] = new([pageNodes][]byte)
	}
	t.long[page][(n.number-1)%pageNodes], n.length = bytes.Clone(name), isLong
}

// Len returns how many names there are.
func (t *Table[V]) Len() int { return t.live }

// Find returns the node of a name, or nil. It does not allocate.
func (t *Table[V]) Find(name []byte) *Node[V] {
	if n := t.last; n != nil && t.is(n, name) {
		return n
	}
	if t.live == 0 {
		return nil
	}
	n, _ := t.find(t.hash(name), name)
	if n != nil {
		t.last = n
	}
	return n
}

// Add returns the node of a name, which is made of a copy of it, with the zero value, if fresh.
func (t *Table[V]) Add(name []byte) (n *Node[V], fresh bool) {
	if n := t.last; n != nil && t.is(n, name) {
		return n, false
	}
	if 4*(t.live+1) > 3*len(t.slots) {
		t.grow()
	}
	hash := t.hash(name)
	n, at := t.find(hash, name)
	if n == nil {
		n, fresh = t.node(), true
		t.give(n, name)
		t.slots[at] = slot{hash, n.number}
		t.live++
	}
	t.last = n
	return n, fresh
}

// Remove removes a name, if it is there. Its node is not to be used any more.
func (t *Table[V]) Remove(name []byte) {
	if t.live == 0 {
		return
	}
	n, at := t.find(t.hash(name), name)
	if n == nil {
		return
	}
	t.free = append(t.free, n.number)
	if n.length == isLong {
		t.long[(n.number-1)>>pageShift][(n.number-1)%pageNodes] = nil
	}
	*n = Node[V]{}
	t.last = nil
	t.live--
	t.close(at)
}

// All yields all nodes, in the order in which they were added where none was removed. The one that it yields may be removed, and none may be added.
func (t *Table[V]) All() iter.Seq[*Node[V]] {
	return func(yield func(*Node[V]) bool) {
		for _, page := range t.pages {
			for i := range page {
				if n := &page[i]; n.number != 0 && !yield(n) {
					return
				}
			}
		}
	}
}

func (t *Table[V]) hash(name []byte) uint32 { return uint32(maphash.Bytes(t.seed, name)) }

// find returns the node of a name and its slot, or nil and the slot where it belongs.
func (t *Table[V]) find(hash uint32, name []byte) (*Node[V], uint32) {
	mask := uint32(len(t.slots) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		switch s := t.slots[at]; {
		case s.number == 0:
			return nil, at
		case s.hash == hash:
			if n := t.at(s.number); t.is(n, name) {
				return n, at
			}
		}
	}
}

func (t *Table[V]) at(number uint32) *Node[V] {
	return &t.pages[(number-1)>>pageShift][(number-1)%pageNodes]
}

// node returns a free node, with its number.
func (t *Table[V]) node() *Node[V] {
	var number uint32
	if last := len(t.free) - 1; last >= 0 {
		number, t.free = t.free[last], t.free[:last]
	} else {
		if int(t.given) == len(t.pages)*pageNodes {
			t.pages, t.long = append(t.pages, new([pageNodes]Node[V])), append(t.long, nil)
		}
		t.given++
		number = t.given
	}
	n := t.at(number)
	n.number = number
	return n
}

// grow doubles the slots.
func (t *Table[V]) grow() {
	old := t.slots
	if old == nil {
		t.seed = maphash.MakeSeed()
	}
	t.slots = make([]slot, max(firstSlots, 2*len(old)))
	mask := uint32(len(t.slots) - 1)
	for _, s := range old {
		if s.number == 0 {
			continue
		}
		at := s.hash & mask
		for t.slots[at].number != 0 {
			at = (at + 1) & mask
		}
		t.slots[at] = s
	}
}

// close frees a slot: what is behind it, up to the next free one, comes nearer to where it belongs.
func (t *Table[V]) close(hole uint32) {
	mask := uint32(len(t.slots) - 1)
	for at := (hole + 1) & mask; t.slots[at].number != 0; at = (at + 1) & mask {
		if home := t.slots[at].hash & mask; (at-home)&mask >= (at-hole)&mask {
			t.slots[hole] = t.slots[at]
			hole = at
		}
	}
	t.slots[hole] = slot{}
}
