package workload

import (
	"bytes"
	"strconv"
	"time"
)

// Key types have their own names, so that most commands meet the right type; one in fifty does not.
const (
	kindString = "str"
	kindNumber = "num"
	kindBitmap = "bit"
	kindHLL    = "hll"
	kindList   = "list"
	kindSet    = "set"
	kindZSet   = "zset"
	kindHash   = "hash"
	kindTTL    = "fields" // hashes whose fields expire; nothing else reads them
	kindGeo    = "geo"
	kindAuto   = "stream" // ids from the server
	kindIDs    = "ids"    // ids from here
	kindWeight = "weight" // strings for SORT BY
	kindRecord = "record" // hashes for SORT GET
	kindVector = "vec"
)

func (r *run) n(limit int) int { return r.w.rng.IntN(limit) }

// oneIn reports true once in so many times.
func (r *run) oneIn(times int) bool { return r.w.rng.IntN(times) == 0 }

// either draws one of some arguments.
func (r *run) either(choices ...any) any { return choices[r.n(len(choices))] }

// key draws a key of a kind. Every fourth name has bytes in it that need care.
func (r *run) key(kind string) string {
	if r.oneIn(50) {
		kind = []string{kindString, kindList, kindSet, kindZSet, kindHash}[r.n(5)]
	}
	return keyName(kind, r.n(r.w.options.Keys))
}

func keyName(kind string, i int) string {
	if i%4 == 3 {
		return kind + ":\x00\xff\r\n*" + strconv.Itoa(i)
	}
	return kind + ":" + strconv.Itoa(i)
}

// value draws a value.
func (r *run) value() any {
	switch r.n(12) {
	case 0:
		return ""
	case 1:
		return "\r\n*1\r\n$4\r\nPING\r\n"
	case 2:
		return "*2\r\n$4\r\nPING\r\n$68\r\n#pos 0123456789012345678901234567890123456789 " + strconv.Itoa(r.n(1<<20)) + " 1700000000000\r\n"
	case 3:
		return "*1\r\n$5\r\nMULTI\r\n#TS:1700000000\r\n"
	case 4:
		return r.n(1 << 30)
	case 5:
		return -r.n(1000)
	case 6:
		return strconv.FormatFloat(r.w.rng.NormFloat64(), 'g', -1, 64)
	case 7:
		return bytes.Repeat([]byte("abc"), r.n(200))
	case 8:
		return r.large()
	}
	return r.random(1 + r.n(64))
}

// large is a big value once in 200 times it is asked for, else a page or so.
func (r *run) large() any {
	if r.w.options.BigValueBytes > 0 && r.oneIn(200) {
		return r.random(r.w.options.BigValueBytes)
	}
	return r.random(r.n(8 << 10))
}

// random is incompressible.
func (r *run) random(n int) []byte {
	out := make([]byte, n)
	for i := 0; i < n; {
		for word := r.w.rng.Uint64(); i < n; word >>= 8 {
			out[i] = byte(word)
			if i++; i%8 == 0 {
				break
			}
		}
	}
	return out
}

// member draws from few names, so that sets meet, and some values.
func (r *run) member() any {
	if r.oneIn(6) {
		return r.value()
	}
	return "m" + strconv.Itoa(r.n(20))
}

// field draws a hash field.
func (r *run) field() string { return "f" + strconv.Itoa(r.n(8)) }

func (r *run) score() any {
	switch r.n(8) {
	case 0:
		return "+inf"
	case 1:
		return "-inf"
	case 2:
		return r.n(100)
	}
	return strconv.FormatFloat(r.w.rng.NormFloat64()*1000, 'g', -1, 64)
}

// ttl draws a time to live: half of them run out while the workload runs.
func (r *run) ttl() time.Duration {
	long := time.Hour + time.Duration(r.n(1_000_000))*time.Millisecond
	short := time.Duration(1+r.n(3000)) * time.Millisecond
	if r.oneIn(2) && !r.w.options.LongExpiry {
		return short
	}
	return long
}

func (r *run) ttlMillis() int64 { return r.ttl().Milliseconds() }

func (r *run) ttlSeconds() int64 { return max(1, int64(r.ttl()/time.Second)) }

// at draws an absolute time, in the past once in ten.
func (r *run) at() time.Time {
	ttl := r.ttl()
	if r.oneIn(10) && !r.w.options.LongExpiry {
		ttl = -ttl
	}
	return r.w.options.Now().Add(ttl)
}

func (r *run) atMillis() int64 { return r.at().UnixMilli() }

func (r *run) atSeconds() int64 { return r.at().Unix() + 1 }

// with appends.
func with(head []any, tail ...any) []any { return append(head, tail...) }
