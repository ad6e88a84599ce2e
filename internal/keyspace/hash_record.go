package keyspace

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// A record is one field of a hash in memory, one run of bytes:
//
//	uvarint  length of the field
//	         the field
//	uvarint  length of the value * 2, + 1 if the field has an expiry
//	int64    the expiry in Unix milliseconds, little endian, if it has one
//	         the value
//
// So a field costs 2 bytes more than its texts, and an expiry costs nothing where there is none.

// expireBytes is what an expiry takes in a record.
const expireBytes = 8

// record is where the parts of a record are. Its slices are parts of the buffer that it was read from.
type record struct {
	field, value []byte
	expire       int64 // or rdb.NoExpire
	head         int   // length of what is before the value's length
	size         int   // length of the record
}

// readRecord reads the record that p begins with.
func readRecord(p []byte) record {
	n, at := binary.Uvarint(p)
	head := at + int(n)
	r := record{field: p[at:head], expire: rdb.NoExpire, head: head}
	n, at = binary.Uvarint(p[head:])
	at += head
	if n&1 != 0 {
		r.expire = int64(binary.LittleEndian.Uint64(p[at:]))
		at += expireBytes
	}
	r.size = at + int(n>>1)
	r.value = p[at:r.size]
	return r
}

// findRecord returns where in p, which is records one after another, that of the field begins; -1: nowhere.
func findRecord(p, field []byte) int {
	for at := 0; at < len(p); {
		n := int(p[at])
		if n >= 0x80 || int(p[at+1+n]) >= 0x80 { // lengths of several bytes are rare
			r := readRecord(p[at:])
			if bytes.Equal(r.field, field) {
				return at
			}
			at += r.size
			continue
		}
		head := at + 1 + n
		if n == len(field) && bytes.Equal(p[at+1:head], field) {
			return at
		}
		v := int(p[head])
		at = head + 1 + v>>1 + v&1*expireBytes
	}
	return -1
}

// appendRecord appends the record of a field.
func appendRecord(dst, field, value []byte, expire int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(field)))
	dst = append(dst, field...)
	return appendRecordValue(dst, value, expire)
}

// appendRecordValue appends what is behind the field.
func appendRecordValue(dst, value []byte, expire int64) []byte {
	n := uint64(len(value)) * 2
	if expire == rdb.NoExpire {
		dst = binary.AppendUvarint(dst, n)
	} else {
		dst = binary.AppendUvarint(dst, n|1)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(expire))
	}
	return append(dst, value...)
}

// recordSize is how long the record of such a field is.
func recordSize(field, value int, timed bool) int {
	return uvarintSize(field) + field + recordValueSize(value, timed)
}

func recordValueSize(value int, timed bool) int {
	n := uvarintSize(value*2) + value
	if timed {
		n += expireBytes
	}
	return n
}

func uvarintSize(n int) int { return (bits.Len64(uint64(n)|1) + 6) / 7 }

// updateRecord gives the record r, which is at buf[at:], another value and expiry, and returns buf, moved if it had to grow. value must
// not be part of buf.
func updateRecord(buf []byte, at int, r record, value []byte, expire int64) []byte {
	from := at + r.head
	buf = resize(buf, from, r.size-r.head, recordValueSize(len(value), expire != rdb.NoExpire))
	appendRecordValue(buf[:from], value, expire)
	return buf
}

// retimeRecord gives the record r, which is at buf[at:], another expiry, and returns buf, moved if it had to grow.
func retimeRecord(buf []byte, at int, r record, expire int64) []byte {
	from := at + r.head
	length := uvarintSize(len(r.value) * 2) // the lowest bit does not change it
	had := r.size - r.head - length - len(r.value)
	has := 0
	if expire != rdb.NoExpire {
		has = expireBytes
	}
	buf = resize(buf, from+length, had, has)
	buf[from] = buf[from]&^1 | byte(has/expireBytes)
	if has != 0 {
		binary.LittleEndian.PutUint64(buf[from+length:], uint64(expire))
	}
	return buf
}

// resize makes the part of buf at that offset a different length, with any contents, and keeps what is around it.
func resize(buf []byte, at, was, will int) []byte {
	switch end := len(buf); {
	case will > was:
		buf = withRoom(buf, will-was)[:end+will-was]
		copy(buf[at+will:], buf[at+was:end])
	case will < was:
		copy(buf[at+will:], buf[at+was:])
		buf = buf[:end-was+will]
	}
	return buf
}

// withRoom returns buf with capacity for n bytes more. It grows by an eighth, where append would double it: hashes are many, and small.
func withRoom(buf []byte, n int) []byte {
	if cap(buf)-len(buf) >= n {
		return buf
	}
	return append(make([]byte, 0, len(buf)+n+len(buf)/8), buf...)
}
