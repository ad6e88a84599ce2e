package keyspace

import (
	"slices"
	"strconv"
	"unsafe"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// maxStringBytes is how long a string may become. It is what proto-max-bulk-len is where nobody set it. A server that replays a log does not
// look at that setting (t_string.c:checkStringLength); what goes past it here is left to the server, as is all that outgrows the memory.
const maxStringBytes = 512 << 20

// maxIntText is the length of the longest text of an int64.
const maxIntText = len("-9223372036854775808")

// stringValue is a string. The text of an integer is kept as the integer, as servers do: counters are most of what changes often.
type stringValue struct {
	data   []byte // nil: the value is the text of number
	number int64
}

func decodeString(raw []byte) (value, error) {
	data, err := rdb.DecodeString(raw)
	if err != nil {
		return nil, err
	}
	v := &stringValue{data: data}
	if n, ok := parseInt(data); ok {
		v.data, v.number = nil, n
	}
	return v, nil
}

// newStringValue returns a string of its own with a copy of text in it.
func newStringValue(text []byte) *stringValue {
	v := &stringValue{}
	v.set(text)
	return v
}

// set makes a copy of text the value. The memory that it has is used again if it is not far too much.
func (v *stringValue) set(text []byte) {
	n, ok := parseInt(text)
	switch have := cap(v.data); {
	case ok:
		v.data, v.number = nil, n
	case v.data != nil && have >= len(text) && have <= 2*len(text):
		v.data = append(v.data[:0], text...)
	default:
		v.data = append([]byte{}, text...)
	}
}

// text returns the value's bytes, which are valid and must not be changed until the value or scratch is written to. A scratch of maxIntText
// bytes keeps it from allocating.
func (v *stringValue) text(scratch []byte) []byte {
	if v.data == nil {
		return strconv.AppendInt(scratch[:0], v.number, 10)
	}
	return v.data
}

// unpack makes the value one that is not kept as an integer, so that its bytes can be changed.
func (v *stringValue) unpack() {
	if v.data == nil {
		v.data = strconv.AppendInt(nil, v.number, 10)
	}
}

// integer returns the value as an integer, if servers would take it for one.
func (v *stringValue) integer() (int64, bool) {
	if v.data == nil {
		return v.number, true
	}
	return parseInt(v.data)
}

// setInteger makes the text of n the value.
func (v *stringValue) setInteger(n int64) { v.data, v.number = nil, n }

// length is how many bytes the value has.
func (v *stringValue) length() int {
	var scratch [maxIntText]byte
	return len(v.text(scratch[:]))
}

func (v *stringValue) typeName() string { return "string" }

// empty is false: a string without bytes is a key like any other.
func (v *stringValue) empty() bool { return false }

func (v *stringValue) clone() value {
	return &stringValue{data: slices.Clone(v.data), number: v.number}
}

func (v *stringValue) size() int64 { return int64(unsafe.Sizeof(*v)) + int64(cap(v.data)) }

func (v *stringValue) appendRDB(dst []byte, _ rdb.Format) (rdb.Type, []byte) {
	var scratch [maxIntText]byte
	return rdb.AppendStringValue(dst, v.text(scratch[:]))
}

func (v *stringValue) appendCommands(dst, key []byte) []byte {
	var scratch [maxIntText]byte
	return appendCommand(dst, []byte("SET"), key, v.text(scratch[:]))
}
