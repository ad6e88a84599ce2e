package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// recording is a stream as an upstream sends it: whole commands, the first one a SELECT, the last outside MULTI, so that it may
// follow itself.
type recording struct {
	name     string
	commands int
	data     []byte
	times    int // how often data is sent, one after the other
}

// bytes is how much a consumer gets.
func (r *recording) bytes() int64 { return int64(len(r.data)) * int64(r.times) }

// again returns a stream that is the recording so many times.
func (r *recording) again(times int) *recording {
	return &recording{name: fmt.Sprintf("%s, %d times", r.name, times), commands: r.commands * times, data: r.data, times: times}
}

// The sizes of a full run, in commands or bytes.
const (
	mixedCommands = 5_000_000
	incrCommands  = 10_000_000
	pubCommands   = 1_000_000
	longTimes     = 8 // of the mixed ones, in the long stream
	largeValues   = 16
	largeBytes    = 32 << 20
	snapshotBytes = 1 << 30
)

const (
	// recordingSeed makes every run send the same bytes.
	recordingSeed = 2026

	valueBytes = 64
	// textBytes is how much random text values are cut from.
	textBytes = 1 << 20
	alphabet  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"

	scalarKeys     = 1_000_000 // strings and counters, each
	collectionKeys = 100_000   // of each other type
	fields         = 1_000     // field and member names
	databases      = 4

	// farFuture is an expiry, in Unix milliseconds, that nobody who runs this will see: the year 2100.
	farFuture = 4_102_444_800_000
)

// recorder makes a recording, command by command.
type recorder struct {
	rng         *rand.Rand
	text        []byte
	out         []byte
	commands    int
	scalars     int  // keys: strings and counters, each
	collections int  // keys of each other type
	marks       bool // some values look like the sidecar's marks
	dataOnly    bool // no PING, no PUBLISH: what the sidecar keeps
	digits      [3][32]byte
}

func newRecorder(stream uint64, sizeHint int) *recorder {
	r := &recorder{
		rng: rand.New(rand.NewPCG(recordingSeed, stream)), text: make([]byte, textBytes), out: make([]byte, 0, sizeHint),
		scalars: scalarKeys, collections: collectionKeys,
	}
	for i := range r.text {
		r.text[i] = alphabet[r.rng.IntN(len(alphabet))]
	}
	return r
}

func (r *recorder) done(name string) *recording {
	return &recording{name: name, commands: r.commands, data: r.out, times: 1}
}

// recordMixed records the writes of a cache, a queue and some counters, with what runs between them on a replication link.
func recordMixed(commands int) *recording {
	r := newRecorder(1, commands*112)
	r.mixed(commands)
	return r.done("mixed")
}

// recordIncr records INCR on many keys: the shortest commands that there are, so the most a byte.
func recordIncr(commands int) *recording { return recordCounters(commands, scalarKeys) }

// recordCounters is recordIncr with so many keys.
func recordCounters(commands, keys int) *recording {
	r := newRecorder(2, commands*38+64)
	r.scalars = keys
	r.selectDB(0)
	for r.commands < commands {
		r.add("INCR", r.key("cnt:", r.scalars))
	}
	return r.done("incr")
}

// recordMixedOver is recordMixed without messages, over about so many keys in all databases: four in five are strings and counters.
func recordMixedOver(commands, keys int) *recording {
	r := newRecorder(6, commands*112)
	r.dataOnly = true
	r.scalars, r.collections = max(1, keys/databases*2/5), max(1, keys/databases/20)
	r.mixed(commands)
	return r.done("mixed")
}

// recordPublish records a SET between any two PUBLISH: an upstream that is a message broker, too. Messages are not data: the sidecar drops
// them, and states its position anew before whatever follows.
func recordPublish(commands int) *recording {
	r := newRecorder(5, commands*112+64)
	r.selectDB(0)
	for r.commands < commands {
		r.add("SET", r.key("str:", scalarKeys), r.value())
		r.add("PUBLISH", r.key("chn:", fields), r.value())
	}
	return r.done("publish")
}

// recordLookalikes is recordMixed, in which every eighth value is a whole mark, as bytes.
func recordLookalikes(commands int) *recording {
	r := newRecorder(3, commands*124)
	r.marks = true
	r.mixed(commands)
	return r.done("mixed with values like marks")
}

// recordLarge records a few SETs of values that no buffer of the sidecar holds.
func recordLarge(values, size int) *recording {
	r := newRecorder(4, values*(size+64))
	r.selectDB(0)
	value := make([]byte, 0, size)
	for len(value) < size {
		value = append(value, r.text[:min(len(r.text), size-len(value))]...)
	}
	for range values {
		r.add("SET", r.key("big:", scalarKeys), value)
	}
	return r.done("large values")
}

func (r *recorder) mixed(commands int) {
	r.selectDB(0)
	for r.commands < commands {
		switch n := r.rng.IntN(10_000); {
		case n < 21 && r.dataOnly:
			r.write()
		case n < 1:
			r.add("PING")
		case n < 21:
			r.add("PUBLISH", r.key("chn:", fields), r.value())
		case n < 41:
			r.selectDB(r.rng.IntN(databases))
		case n < 141:
			r.add("MULTI")
			for range 2 + r.rng.IntN(4) {
				r.write()
			}
			r.add("EXEC")
		default:
			r.write()
		}
	}
}

// write adds one write, spelled as servers propagate it (protocol.md 2.9: absolute expiry times only).
func (r *recorder) write() {
	switch n := r.rng.IntN(100); {
	case n < 35:
		r.add("SET", r.key("str:", r.scalars), r.value())
	case n < 40:
		r.add("SET", r.key("str:", r.scalars), r.value(), []byte("PXAT"), r.expiry())
	case n < 55:
		r.add("INCR", r.key("cnt:", r.scalars))
	case n < 68:
		r.add("HSET", r.key("hsh:", r.collections), r.field(), r.value())
	case n < 77:
		r.add("LPUSH", r.key("lst:", r.collections), r.value())
	case n < 80:
		r.add("RPOP", r.key("lst:", r.collections))
	case n < 88:
		r.add("SADD", r.key("set:", r.collections), r.value())
	case n < 95:
		r.add("ZADD", r.key("zst:", r.collections), r.score(), r.field())
	case n < 99:
		r.add("PEXPIREAT", r.key("str:", r.scalars), r.expiry())
	default:
		r.add("DEL", r.key("str:", r.scalars))
	}
}

func (r *recorder) add(name string, args ...[]byte) {
	r.out = resp.AppendCommand(r.out, slices.Insert(args, 0, []byte(name))...)
	r.commands++
}

func (r *recorder) selectDB(db int) { r.add("SELECT", strconv.AppendInt(nil, int64(db), 10)) }

// key returns a key of 16 bytes, one of n with that prefix of four.
func (r *recorder) key(prefix string, n int) []byte { return r.keyAt(prefix, r.rng.IntN(n)) }

// keyAt returns the i-th key with that prefix.
func (r *recorder) keyAt(prefix string, i int) []byte {
	return r.number(0, prefix, 1_000_000_000_000+int64(i), 1)
}

func (r *recorder) field() []byte  { return r.number(1, "field:", int64(r.rng.IntN(fields)), 0) }
func (r *recorder) score() []byte  { return r.number(2, "", int64(r.rng.IntN(1_000_000)), 0) }
func (r *recorder) expiry() []byte { return r.number(2, "", farFuture+r.rng.Int64N(1<<32), 0) }

// number returns prefix and the digits of n behind the first skip ones, in the storage of one slot.
func (r *recorder) number(slot int, prefix string, n int64, skip int) []byte {
	out := strconv.AppendInt(append(r.digits[slot][:0], prefix...), n, 10)
	return slices.Delete(out, len(prefix), len(prefix)+skip)
}

func (r *recorder) value() []byte {
	if r.marks && r.rng.IntN(8) == 0 {
		return r.lookalike()
	}
	at := r.rng.IntN(len(r.text) - valueBytes)
	return r.text[at : at+valueBytes]
}

// lookalike returns the bytes of a mark of the present timeline that states a position further on.
func (r *recorder) lookalike() []byte {
	offset := strconv.Itoa(streamOrigin + 2*len(r.out))
	return resp.AppendCommandStrings(nil, "PING", "#pos "+upstreamID+" "+offset+" "+strconv.Itoa(farFuture)+" "+offset)
}
