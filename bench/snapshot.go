package main

import (
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// Opcodes and types of RDB (Redis rdb.h).
const (
	opAux      = 0xfa
	opExpireMS = 0xfc
	opSelectDB = 0xfe
	opEOF      = 0xff
	typeString = 0
	typeSet    = 2
	typeHash   = 4
	rdbHeader  = "REDIS0011" // what Redis 7.2 and all later servers load
	rdbChunk   = 1 << 20     // bytes that are written at once
	setMembers = 8
	hashFields = 16
	longString = 4 << 10
	hugeString = 64 << 20
	// rdbTextSize is more than zstd looks back over in the archive's objects, so that what repeats is not found again.
	rdbTextSize = 4 << 20
)

// snapshotWriter writes an RDB file as a server would, with its CRC64.
type snapshotWriter struct {
	w    io.Writer
	crc  hash.Hash64
	rng  *rand.Rand
	text []byte
	buf  []byte
	size int64 // bytes given to w
	keys int64
	err  error
}

func newSnapshotWriter(w io.Writer) *snapshotWriter {
	s := &snapshotWriter{
		w: w, crc: rdb.NewCRC64(), rng: rand.New(rand.NewPCG(recordingSeed, 5)),
		text: make([]byte, rdbTextSize), buf: make([]byte, 0, rdbChunk+rdbTextSize),
	}
	for i := range s.text {
		s.text[i] = alphabet[s.rng.IntN(len(alphabet))]
	}
	return s
}

// writeSnapshot writes one of at least size bytes, or an empty one if size is 0, and returns its length and number of keys.
func writeSnapshot(w io.Writer, size int64) (written, keys int64, err error) {
	s := newSnapshotWriter(w)
	s.buf = append(s.buf, rdbHeader...)
	s.aux("redis-ver", "8.0.0")
	s.aux("repl-id", upstreamID)
	s.aux("repl-offset", strconv.Itoa(streamOrigin))
	if size > 0 {
		s.buf = append(s.buf, opSelectDB, 0)
		if size > hugeString {
			s.huge(hugeString)
		}
		for s.err == nil && s.size < size {
			s.entry()
		}
	}
	s.buf = append(s.buf, opEOF)
	s.flush()
	s.buf = s.crc.Sum(s.buf)
	s.flush()
	return s.size, s.keys, s.err
}

// flush hands the buffer on.
func (s *snapshotWriter) flush() {
	p := s.buf
	s.buf = s.buf[:0]
	if s.err != nil {
		return
	}
	_, _ = s.crc.Write(p) // never fails
	n, err := s.w.Write(p)
	s.size += int64(n)
	if err != nil {
		s.err = fmt.Errorf("write snapshot: %w", err)
	}
}

func (s *snapshotWriter) aux(name, value string) {
	s.buf = append(s.buf, opAux)
	s.string([]byte(name))
	s.string([]byte(value))
}

// entry adds a key of one of four kinds: a short or a long string, a set, a hash; one in four has an expiry time.
func (s *snapshotWriter) entry() {
	if s.rng.IntN(4) == 0 {
		s.buf = append(s.buf, opExpireMS)
		s.buf = binary.LittleEndian.AppendUint64(s.buf, farFuture)
	}
	switch n := s.rng.IntN(100); {
	case n < 70:
		s.key(typeString)
		s.string(s.cut(valueBytes))
	case n < 80:
		s.key(typeString)
		s.string(s.cut(longString))
	case n < 90:
		s.key(typeSet)
		s.buf = append(s.buf, setMembers)
		for i := range setMembers {
			s.string(s.cut(valueBytes))
			s.buf[len(s.buf)-valueBytes] = alphabet[i] // servers refuse a set in which a member comes twice
		}
	default:
		s.key(typeHash)
		s.buf = append(s.buf, hashFields)
		for i := range hashFields {
			s.string(strconv.AppendInt(nil, int64(i), 10))
			s.string(s.cut(valueBytes))
		}
	}
	if len(s.buf) >= rdbChunk {
		s.flush()
	}
}

// huge adds a string of size bytes.
func (s *snapshotWriter) huge(size int) {
	s.key(typeString)
	s.length(size)
	for left := size; left > 0; {
		n := min(left, len(s.text))
		s.buf = append(s.buf, s.text[:n]...)
		s.flush()
		left -= n
	}
}

// key begins an entry.
func (s *snapshotWriter) key(kind byte) {
	s.buf = append(s.buf, kind)
	s.string(strconv.AppendInt([]byte("snapshot:"), s.keys, 10))
	s.keys++
}

func (s *snapshotWriter) cut(n int) []byte {
	at := s.rng.IntN(len(s.text) - n)
	return s.text[at : at+n]
}

func (s *snapshotWriter) string(p []byte) {
	s.length(len(p))
	s.buf = append(s.buf, p...)
}

// length writes n as rdb.c:rdbSaveLen does.
func (s *snapshotWriter) length(n int) {
	switch {
	case n < 1<<6:
		s.buf = append(s.buf, byte(n))
	case n < 1<<14:
		s.buf = append(s.buf, 0x40|byte(n>>8), byte(n))
	default:
		s.buf = append(s.buf, 0x80)
		s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(n))
	}
}
