package keyspace

import (
	"bytes"
	"hash/maphash"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// fieldTable is the fields of a large hash: a slice of records and, to find them, an index by hash of the field with open addressing and linear
// probing. A map from strings to values would take a string, a value and more room for each of the fields, and would allocate to replace a value.
type fieldTable struct {
	seed maphash.Seed
	// records are the fields, in no order.
	records [][]byte
	// slots is the index; its length is a power of two. A slot is the hash of a field in the upper half, and its place in records + 1 in
	// the lower one; 0: empty.
	slots []uint64
	data  int64 // capacity of all records
}

const (
	minSlots = 16
	// slotBytes and recordHeaderBytes are what a slot and a slice header take.
	slotBytes, recordHeaderBytes = 8, 24
)

// newFieldTable returns a table with room for n fields.
func newFieldTable(n int) *fieldTable {
	t := &fieldTable{seed: maphash.MakeSeed()}
	t.rebuild(n)
	return t
}

func (t *fieldTable) hash(field []byte) uint64 { return maphash.Bytes(t.seed, field) >> 32 }

// full reports whether n fields are too many for so many slots.
func full(n, slots int) bool { return n > slots/4*3 }

// rebuild makes the table anew with room for n fields.
func (t *fieldTable) rebuild(n int) {
	slots := minSlots
	for full(n, slots) {
		slots *= 2
	}
	t.records = append(make([][]byte, 0, n), t.records...)
	t.slots = make([]uint64, slots)
	for i, p := range t.records {
		t.index(t.hash(readRecord(p).field), i)
	}
}

// index enters a record into the first free slot.
func (t *fieldTable) index(hash uint64, i int) {
	mask := uint64(len(t.slots) - 1)
	at := hash & mask
	for t.slots[at] != 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = hash<<32 | uint64(i+1)
}

// find returns where the field is in records; -1: nowhere.
func (t *fieldTable) find(field []byte) int {
	hash, mask := t.hash(field), uint64(len(t.slots)-1)
	for at := hash & mask; t.slots[at] != 0; at = (at + 1) & mask {
		if t.slots[at]>>32 != hash {
			continue
		}
		i := int(uint32(t.slots[at])) - 1
		if bytes.Equal(readRecord(t.records[i]).field, field) {
			return i
		}
	}
	return -1
}

// add adds a field that is not in the table.
func (t *fieldTable) add(field, value []byte, expire int64) {
	size := recordSize(len(field), len(value), expire != rdb.NoExpire)
	p := appendRecord(make([]byte, 0, size), field, value, expire)
	if n := len(t.records) + 1; full(n, len(t.slots)) {
		t.rebuild(n + n/4)
	}
	t.index(t.hash(field), len(t.records))
	t.records = append(t.records, p)
	t.data += int64(cap(p))
}

// replace puts p, which is of the same field, in the place of a record.
func (t *fieldTable) replace(i int, p []byte) {
	t.data += int64(cap(p) - cap(t.records[i]))
	t.records[i] = p
}

// remove removes a record; the last one takes its place.
func (t *fieldTable) remove(i int) {
	t.data -= int64(cap(t.records[i]))
	t.clear(t.slot(i))
	last := len(t.records) - 1
	if i != last {
		at := t.slot(last)
		t.slots[at] = t.slots[at]>>32<<32 | uint64(i+1)
		t.records[i] = t.records[last]
	}
	t.records[last] = nil
	t.records = t.records[:last]
	if len(t.slots) > minSlots && last < len(t.slots)/8 {
		t.rebuild(last * 2)
	}
}

// slot returns the slot of a record.
func (t *fieldTable) slot(i int) uint64 {
	hash, mask := t.hash(readRecord(t.records[i]).field), uint64(len(t.slots)-1)
	want := hash<<32 | uint64(i+1)
	at := hash & mask
	for t.slots[at] != want {
		at = (at + 1) & mask
	}
	return at
}

// clear empties a slot, and moves those behind it up that would not be found any more.
func (t *fieldTable) clear(at uint64) {
	mask := uint64(len(t.slots) - 1)
	for next := (at + 1) & mask; t.slots[next] != 0; next = (next + 1) & mask {
		home := t.slots[next] >> 32
		if (next-home)&mask >= (next-at)&mask {
			t.slots[at] = t.slots[next]
			at = next
		}
	}
	t.slots[at] = 0
}

// clone returns a copy that shares nothing.
func (t *fieldTable) clone() *fieldTable {
	c := newFieldTable(len(t.records))
	for _, p := range t.records {
		r := readRecord(p)
		c.add(r.field, r.value, r.expire)
	}
	return c
}

// bytes is about how much memory the table takes.
func (t *fieldTable) bytes() int64 {
	return t.data + int64(cap(t.records))*recordHeaderBytes + int64(len(t.slots))*slotBytes
}
