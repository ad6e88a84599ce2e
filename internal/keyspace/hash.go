package keyspace

import (
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// A hash is packed, all records one after another in the order of insertion, as long as it has no more fields and bytes than these, and a
// table from then on. The number is where servers leave their listpack (hash-max-listpack-entries), and a field is found as they find it; the
// bytes bound what a change of one value may have to move.
const (
	maxPackedFields = 512
	maxPackedBytes  = 32 << 10
)

// hashBytes is what a hash takes beside its fields.
const hashBytes = 64

// hashValue is a hash. The zero value is one without fields.
type hashValue struct {
	packed []byte
	table  *fieldTable // nil while it is packed
	fields int
	timed  int // fields with an expiry
}

var _ value = (*hashValue)(nil)

func (h *hashValue) typeName() string { return "hash" }

func (h *hashValue) empty() bool { return h.fields == 0 }

func (h *hashValue) clone() value {
	c := *h
	c.packed = slices.Clone(h.packed)
	if h.table != nil {
		c.table = h.table.clone()
	}
	return &c
}

func (h *hashValue) size() int64 {
	n := hashBytes + int64(cap(h.packed))
	if h.table != nil {
		n += h.table.bytes()
	}
	return n
}

// find returns where a field is, for at, update, retime and remove; -1: there is none. The next change makes it invalid.
func (h *hashValue) find(field []byte) int {
	if h.table != nil {
		return h.table.find(field)
	}
	return findRecord(h.packed, field)
}

// at returns the field that find found. Its slices are valid until the next change.
func (h *hashValue) at(i int) record {
	if h.table != nil {
		return readRecord(h.table.records[i])
	}
	return readRecord(h.packed[i:])
}

// reserve makes room for records of n bytes in a hash that is empty yet.
func (h *hashValue) reserve(n int) { h.packed = make([]byte, 0, min(n, maxPackedBytes)) }

// set sets a field, with that expiry or rdb.NoExpire.
func (h *hashValue) set(field, value []byte, expire int64) {
	if at := h.find(field); at >= 0 {
		h.update(at, value, expire)
	} else {
		h.add(field, value, expire)
	}
}

// add adds a field that the hash does not have.
func (h *hashValue) add(field, value []byte, expire int64) {
	h.fields++
	h.count(rdb.NoExpire, expire)
	if h.table == nil {
		size := recordSize(len(field), len(value), expire != rdb.NoExpire)
		if h.fields <= maxPackedFields && len(h.packed)+size <= maxPackedBytes {
			h.packed = appendRecord(withRoom(h.packed, size), field, value, expire)
			return
		}
		h.unpack(0)
	}
	h.table.add(field, value, expire)
}

// update gives a field another value and expiry. value must not be part of the hash.
func (h *hashValue) update(i int, value []byte, expire int64) {
	r := h.at(i)
	h.count(r.expire, expire)
	if h.table == nil {
		if len(h.packed)-len(r.value)+len(value) <= maxPackedBytes {
			h.packed = updateRecord(h.packed, i, r, value, expire)
			return
		}
		i = h.unpack(i)
	}
	p := h.table.records[i]
	h.table.replace(i, updateRecord(p, 0, readRecord(p), value, expire))
}

// retime gives a field another expiry.
func (h *hashValue) retime(i int, expire int64) {
	r := h.at(i)
	h.count(r.expire, expire)
	if h.table != nil {
		h.table.replace(i, retimeRecord(h.table.records[i], 0, r, expire))
	} else {
		h.packed = retimeRecord(h.packed, i, r, expire)
	}
}

// remove removes a field.
func (h *hashValue) remove(i int) {
	r := h.at(i)
	h.fields--
	h.count(r.expire, rdb.NoExpire)
	if h.table != nil {
		h.table.remove(i)
	} else {
		h.packed = slices.Delete(h.packed, i, i+r.size)
	}
}

// count counts the fields with an expiry.
func (h *hashValue) count(was, is int64) {
	if was != rdb.NoExpire {
		h.timed--
	}
	if is != rdb.NoExpire {
		h.timed++
	}
}

// unpack makes a table of the packed records, and returns where in it the one is that was at that place.
func (h *hashValue) unpack(place int) (i int) {
	h.table = newFieldTable(h.fields + h.fields/4)
	for at := 0; at < len(h.packed); {
		r := readRecord(h.packed[at:])
		if at == place {
			i = len(h.table.records)
		}
		h.table.add(r.field, r.value, r.expire)
		at += r.size
	}
	h.packed = nil
	return i
}

// each calls visit for each field. The record is valid during the call.
func (h *hashValue) each(visit func(r record)) {
	if h.table != nil {
		for _, p := range h.table.records {
			visit(readRecord(p))
		}
		return
	}
	for at := 0; at < len(h.packed); {
		r := readRecord(h.packed[at:])
		visit(r)
		at += r.size
	}
}
