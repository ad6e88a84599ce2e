package rdb

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

const (
	// magicBytes is the length of what an RDB file begins with.
	magicBytes = 9
	// trailerBytes is the length of the CRC64 at the end.
	trailerBytes = 8
	// firstChecksummed is the first version with a CRC64.
	firstChecksummed = 5
	// lastRedis is the last version of Redis' dialect that we know, onlyValkey the only one of Valkey's, and its first.
	lastRedis, onlyValkey = 12, 80
	// maxAuxValue bounds the values of auxiliary fields that are kept, in bytes.
	maxAuxValue = 1 << 10
)

// Reader walks an RDB file item by item. A value is not decoded and not kept: after Next it is still in the input, until CopyRaw
// copies it, or Skip or the next Next passes over it.
//
//	for {
//		item, err := r.Next()
//		...            // io.EOF: the whole file is well-formed and its CRC64 right
//		err = r.CopyRaw(w)
//	}
//
// Errors are final: *CorruptError, *UnknownError, or the wrapped error of the input or of CopyRaw's writer.
type Reader struct {
	src     source
	magic   string
	dialect Dialect
	version int

	item Item
	// next are the attributes that apply to the next key.
	next attributes
	// db is the selected database.
	db int
	// key and value are the storage of item.Key and item.Value.
	key, value []byte
	// rest is what of the current item is not consumed, restBytes its length where that is all that counts.
	rest      rest
	restBytes uint64
	done      bool
	summed    bool
}

// attributes are what may lie in front of a key. A loader keeps them over other items in between, too.
type attributes struct {
	expire                      int64
	idle                        uint64
	freq                        uint8
	hasExpire, hasIdle, hasFreq bool
}

// rest says how the unconsumed part of an item is to be walked.
type rest uint8

const (
	restNone rest = iota
	restBytes
	restValue
	restString
	restModule
	restSlots
)

// NewReader reads the first 9 bytes of r and returns a Reader for what follows. The error is *UnsupportedError if r is no RDB
// file of Redis version 1 to 12 or Valkey version 80, a *CorruptError if it is shorter than that, or r's own, wrapped. Later
// versions are for [Check] only: their items may be other than we think, and so cannot be copied.
func NewReader(r io.Reader) (*Reader, error) {
	rd, err := newReader(r)
	if err == nil && rd.later() {
		return nil, &UnsupportedError{Magic: rd.magic}
	}
	return rd, err
}

// newReader is NewReader, and takes later versions, too.
func newReader(r io.Reader) (*Reader, error) { return openReader(newSource(r)) }

func openReader(src source) (*Reader, error) {
	rd := &Reader{src: src, value: []byte{}}
	rd.magic = string(rd.src.next(magicBytes))
	if rd.src.err != nil {
		return nil, rd.src.err
	}
	first := uint64(1)
	switch {
	case strings.HasPrefix(rd.magic, "VALKEY"):
		rd.dialect, first = Valkey, onlyValkey
	case !strings.HasPrefix(rd.magic, "REDIS"):
		return nil, &UnsupportedError{Magic: rd.magic}
	}
	version, err := strconv.ParseUint(rd.magic[rd.dialect.magicName():], 10, 16)
	if err != nil || version < first {
		return nil, &UnsupportedError{Magic: rd.magic}
	}
	rd.version = int(version)
	return rd, nil
}

// later reports whether the version is one that was not known when this was written.
func (r *Reader) later() bool {
	if r.dialect == Valkey {
		return r.version > onlyValkey
	}
	return r.version > lastRedis
}

// Dialect returns whose RDB it is.
func (r *Reader) Dialect() Dialect { return r.dialect }

// Version returns the RDB version: 11 for "REDIS0011", 80 for "VALKEY080".
func (r *Reader) Version() int { return r.version }

// Offset returns how many bytes of the file are consumed.
func (r *Reader) Offset() int64 { return r.src.offset() }

// Checksummed reports, after Next returned io.EOF, whether the file had a CRC64: not before version 5, and not from
// a server that runs with rdbchecksum no.
func (r *Reader) Checksummed() bool { return r.summed }

// Next returns the next item; what was left of the one before is skipped. At the end of the RDB, its CRC64 verified, it returns
// io.EOF. What follows there is not touched, see Rest.
func (r *Reader) Next() (Item, error) {
	if err := r.Skip(); err != nil {
		return Item{}, err
	}
	if r.done {
		return Item{}, io.EOF
	}
	r.src.want()
	r.item = Item{Offset: r.src.offset(), DB: r.db}
	for r.src.err == nil {
		if r.opcode(r.src.byte()) {
			break
		}
	}
	if r.src.err != nil {
		return Item{}, r.src.err
	}
	if r.done {
		r.src.unwant()
		if err := r.FlushRun(); err != nil {
			return Item{}, err
		}
		return Item{}, io.EOF
	}
	r.item.HeadBytes = r.src.headLen()
	return r.item, nil
}

// Skip passes over what is left of the current item. It returns nil if there is none.
func (r *Reader) Skip() error {
	r.src.unwant()
	return r.walk()
}

// CopyRaw writes the current item to w as it is in the file: expiry and the like, type, key and value. Memory does not
// follow the value's size: it is written in pieces. It belongs right after Next: once the item is copied or skipped it writes nothing.
func (r *Reader) CopyRaw(w io.Writer) error {
	r.src.pay()
	r.src.copyTo(w)
	err := r.walk()
	r.src.unwant()
	if err == nil {
		err = r.src.err
	}
	return err
}

// CopyRun is CopyRaw for many items in a row: they may be written later, together, but in their order and before what CopyRaw writes.
// FlushRun writes those that are left, and so does Next before it returns io.EOF.
func (r *Reader) CopyRun(w io.Writer) error {
	s := &r.src
	if s.from < 0 {
		return s.err
	}
	if len(s.head) > 0 || s.owedEnd != s.from || s.owedTo != w {
		s.pay()
	}
	s.copyTo(w)
	err := r.walk()
	if err == nil {
		s.owe(w)
		err = s.err
	}
	return err
}

// FlushRun writes what CopyRun has not written yet.
func (r *Reader) FlushRun() error {
	r.src.pay()
	return r.src.err
}

// Close ends what NewReaderAhead began: after it, nobody reads the input. A Reader of NewReader needs none. It may be called again.
func (r *Reader) Close() {
	if r.src.ahead != nil {
		r.src.ahead.close()
	}
}

// Rest returns what follows the RDB in the input, once Next returned io.EOF: the commands of an AOF file with an RDB
// preamble, or the mark of a diskless transfer.
func (r *Reader) Rest() io.Reader {
	return io.MultiReader(&bufferedPart{&r.src}, r.src.r)
}

// bufferedPart reads what is left in a source's buffer.
type bufferedPart struct{ src *source }

func (b *bufferedPart) Read(p []byte) (int, error) {
	n := copy(p, b.src.buf[b.src.pos:b.src.end])
	b.src.pos += n
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// opcode takes what begins with code. done says that it made an item or the end.
func (r *Reader) opcode(code byte) (done bool) {
	s := &r.src
	switch code {
	case opExpireTime:
		r.next.hasExpire, r.next.expire = true, int64(int32(s.uint32()))*1000
		return false
	case opExpireTimeMS:
		r.next.hasExpire, r.next.expire = true, int64(s.uint64())
		return false
	case opIdle:
		r.next.hasIdle, r.next.idle = true, s.number()
		return false
	case opFreq:
		r.next.hasFreq, r.next.freq = true, s.byte()
		return false
	case opAux:
		r.aux()
	case opSelectDB:
		r.selectDB()
	case opResizeDB:
		r.item.Kind = ResizeItem
		_, _ = s.number(), s.number()
	case opFunction2:
		r.item.Kind, r.rest = FunctionItem, restString
	case opModuleAux:
		r.moduleAux()
	case opEOF:
		r.trailer()
	case opFunctionPreGA:
		s.corrupt("function of a pre-release format")
	case typeModulePreGA:
		s.corrupt("module value of a pre-release format")
	default:
		r.dialectOpcode(code)
	}
	return true
}

// dialectOpcode takes a value, or an opcode that only one dialect has.
func (r *Reader) dialectOpcode(code byte) {
	s := &r.src
	switch t := Type(code); {
	case t.knownIn(r.dialect):
		r.keyItem(t)
	case code == opSlotInfo && r.dialect == Redis:
		r.item.Kind = SlotInfoItem
		_, _, _ = s.number(), s.number(), s.number()
	case code == opSlotImport && r.dialect == Valkey:
		r.item.Kind, r.rest = SlotImportItem, restSlots
	default:
		s.fail(&UnknownError{Offset: s.offset() - 1, What: "type or opcode", Code: uint64(code)})
	}
}

// keyItem takes a key and leaves its value.
func (r *Reader) keyItem(t Type) {
	r.key = r.smallString(r.key, maxKey, "key too long")
	r.item.Type, r.item.Key, r.rest = t, r.key, restValue
	r.item.HasExpire, r.item.Expire = r.next.hasExpire, r.next.expire
	r.item.HasIdle, r.item.Idle = r.next.hasIdle, r.next.idle
	r.item.HasFreq, r.item.Freq = r.next.hasFreq, r.next.freq
	r.next = attributes{}
}

// smallString decodes a string of at most limit bytes into storage.
func (r *Reader) smallString(storage []byte, limit uint64, what string) []byte {
	if cap(storage) > bufferSize {
		storage = nil
	}
	h := r.src.stringHead()
	if h.length > limit || h.size > limit {
		r.src.corrupt(what)
		return nil
	}
	return r.src.appendString(storage[:0], h)
}

// aux takes the name of an auxiliary field, and its value if it is short.
func (r *Reader) aux() {
	r.key = r.smallString(r.key, maxKey, "name of an auxiliary field too long")
	r.item.Kind, r.item.Key = AuxItem, r.key
	h := r.src.stringHead()
	if h.length > maxAuxValue || h.size > maxAuxValue {
		r.rest, r.restBytes = restBytes, h.size
		return
	}
	r.value = r.src.appendString(r.value[:0], h)
	r.item.Value = r.value
}

func (r *Reader) selectDB() {
	n := r.src.number()
	if n > math.MaxInt32 { // a server's number of databases is an int
		r.src.corrupt("database number too large")
		return
	}
	r.db = int(n)
	r.item.Kind, r.item.DB = SelectItem, r.db
}

// moduleAux takes the id of a module and leaves its data.
func (r *Reader) moduleAux() {
	s := &r.src
	r.item.Kind, r.rest = ModuleAuxItem, restModule
	s.number()
	if s.number() != moduleUint {
		s.corrupt("module data without a place")
	}
	s.number()
}

// trailer takes the end of the RDB and verifies the CRC64.
func (r *Reader) trailer() {
	s := &r.src
	r.done = true
	if r.version < firstChecksummed {
		return
	}
	s.sumConsumed()
	sum := s.crc.Sum64()
	switch want := s.uint64(); {
	case s.err != nil || want == 0:
	case want != sum:
		s.fail(&CorruptError{
			Offset: s.offset() - trailerBytes,
			What:   fmt.Sprintf("checksum is %016x, the file says %016x", sum, want),
		})
	default:
		r.summed = true
	}
}

// drain passes over what cannot be walked and takes the trailer, which must be the end of the input. In a later version the end may
// have another code: a CRC64 that is right vouches for it.
func (r *Reader) drain() error {
	s := &r.src
	r.rest = restNone
	s.unwant()
	last := 1
	if r.version >= firstChecksummed {
		last += trailerBytes
	}
	s.drain(last)
	ended := s.byte() == opEOF
	r.trailer()
	if vouched := r.later() && r.summed; !ended && !vouched {
		s.corrupt("no end where it must be")
	}
	return s.err
}
