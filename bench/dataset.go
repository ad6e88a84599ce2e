package main

import (
	"io"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

const (
	datasetKeys = 10_000_000
	// touchedOneIn is the part of the keys that the increment touches: 5 %.
	touchedOneIn = 20
	// touches is how often each of these is touched.
	touches = 2
	// stringBytes is the length of a string; a collection's elements are about as much together.
	stringBytes  = 200
	expireOneIn  = 4  // strings that expire
	memberBytes  = 16 // of sets and sorted sets
	setSize      = 12
	zsetSize     = 10
	listSize     = 3
	hashSize     = 5
	hashBytes    = 30
	listpackNode = 2 // quicklist.h:QUICKLIST_NODE_CONTAINER_PACKED
)

// datasetFormat is what Redis 7.2 and all later servers load.
func datasetFormat() rdb.Format { return rdb.Format{Dialect: rdb.Redis, Version: 11} }

// kindOf returns the prefix of the i-th key of the data set, which tells its type: six in ten are strings.
func kindOf(i int) string {
	switch i % 20 {
	case 12, 13:
		return "hsh:"
	case 14, 15:
		return "lst:"
	case 16, 17:
		return "set:"
	case 18, 19:
		return "zst:"
	default:
		return "str:"
	}
}

// dataset writes a base as a server does: values in the encodings that it keeps small ones in. Text does not compress.
type dataset struct {
	*recorder // for its text and keys

	pack rdb.Listpack
	body []byte
}

// writeDataset writes a base of so many keys.
func writeDataset(w io.Writer, keys int) error {
	d := &dataset{recorder: newRecorder(7, 0)}
	out := rdb.NewWriter(w, datasetFormat())
	for _, aux := range [][2]string{{"redis-ver", "7.2.4"}, {"redis-bits", "64"}, {"aof-base", "1"}} {
		if err := out.Aux(aux[0], aux[1]); err != nil {
			return err
		}
	}
	if keys > 0 {
		if err := out.SelectDB(0); err != nil {
			return err
		}
		if err := out.Resize(uint64(keys), uint64(keys*3/5/expireOneIn)); err != nil {
			return err
		}
	}
	for i := range keys {
		prefix := kindOf(i)
		typ := d.value(prefix)
		var a rdb.Attributes
		if prefix == "str:" && d.rng.IntN(expireOneIn) == 0 {
			a = rdb.Attributes{HasExpire: true, Expire: farFuture + d.rng.Int64N(1<<32)}
		}
		if err := out.Key(typ, a, d.keyAt(prefix, i), d.body); err != nil {
			return err
		}
	}
	return out.Close()
}

// value makes the body of a value and returns its type.
func (d *dataset) value(prefix string) rdb.Type {
	d.body, d.pack = d.body[:0], append(d.pack[:0], rdb.NewListpack()...)
	switch prefix {
	case "hsh:":
		for i := range hashSize {
			d.pack = d.pack.AppendString(strconv.AppendInt([]byte("field:"), int64(i), 10)).AppendString(d.cut(hashBytes))
		}
		return d.packed(rdb.TypeHashListpack)
	case "lst:":
		for range listSize {
			d.pack = d.pack.AppendString(d.cut(valueBytes))
		}
		d.body = rdb.AppendLength(rdb.AppendLength(d.body, 1), listpackNode)
		return d.packed(rdb.TypeListQuicklist2)
	case "set:":
		for i := range setSize {
			d.pack = d.pack.AppendString(d.member(i))
		}
		return d.packed(rdb.TypeSetListpack)
	case "zst:":
		for i := range zsetSize {
			d.pack = d.pack.AppendString(d.member(i)).AppendInt(int64(i * 1000))
		}
		return d.packed(rdb.TypeZSetListpack)
	default:
		d.raw(d.cut(stringBytes))
		return rdb.TypeString
	}
}

func (d *dataset) packed(t rdb.Type) rdb.Type {
	d.raw(d.pack)
	return t
}

// raw appends a string that compression would not shorten.
func (d *dataset) raw(s []byte) { d.body = append(rdb.AppendLength(d.body, uint64(len(s))), s...) }

func (d *dataset) cut(n int) []byte {
	at := d.rng.IntN(len(d.text) - n)
	return d.text[at : at+n]
}

// member returns text that differs from that of another i.
func (d *dataset) member(i int) []byte {
	return append(append(d.digits[1][:0], d.cut(memberBytes-1)...), alphabet[i])
}

// recordTouches records writes to one in touchedOneIn of the data set's keys, each touches times, in any order.
func recordTouches(keys int) *recording {
	touched := max(1, keys/touchedOneIn)
	r := newRecorder(8, touched*touches*120+64)
	r.selectDB(0)
	chosen := make([]int, touched)
	for j := range chosen {
		chosen[j] = min(keys-1, j*touchedOneIn+r.rng.IntN(touchedOneIn))
	}
	for range touches {
		r.rng.Shuffle(touched, func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		for _, i := range chosen {
			r.touch(i)
		}
	}
	return r.done("touches")
}

// touch adds a write to the i-th key of the data set.
func (r *recorder) touch(i int) {
	prefix := kindOf(i)
	key, n := r.keyAt(prefix, i), r.rng.IntN(100)
	switch {
	case prefix == "hsh:" && n < 80:
		r.add("HSET", key, r.field(), r.value())
	case prefix == "hsh:":
		r.add("HDEL", key, []byte("field:1"))
	case prefix == "lst:" && n < 70:
		r.add("LPUSH", key, r.value())
	case prefix == "lst:":
		r.add("RPOP", key)
	case prefix == "set:":
		r.add("SADD", key, r.value())
	case prefix == "zst:":
		r.add("ZADD", key, r.score(), r.field())
	case n < 40:
		r.add("SET", key, r.value())
	case n < 65:
		r.add("APPEND", key, r.value())
	case n < 90:
		r.add("PEXPIREAT", key, r.expiry())
	default:
		r.add("DEL", key)
	}
}
