package keyspace

import "github.com/aofsidecar/aofsidecar/internal/rdb"

// value is what a key holds: *stringValue, *listValue, *setValue, *hashValue, *zsetValue, *streamValue, *moduleValue or *rawValue.
type value interface {
	// typeName is the server's name of the type, as TYPE answers it.
	typeName() string
	// empty reports whether the key is to be removed.
	empty() bool
	// clone returns a copy that shares nothing that a command may change.
	clone() value
	// size is about how much memory the value takes, in bytes. It is asked after each command that may have changed it, and takes constant time.
	size() int64
	// appendRDB appends the value's body in format f and returns the type to write before it.
	appendRDB(dst []byte, f rdb.Format) (rdb.Type, []byte)
	// appendCommands appends commands that make the value at key, where there is none: what a RESP base holds of it
	// (aof.c:rewriteAppendOnlyFileRio). The expiry of the key is not in them.
	appendCommands(dst, key []byte) []byte
}

// decode makes a value of an RDB body.
func decode(f rdb.Format, t rdb.Type, raw []byte) (value, error) {
	switch t.Kind() {
	case "string":
		return decodeString(raw)
	case "list":
		return decodeList(f, t, raw)
	case "set":
		return decodeSet(f, t, raw)
	case "zset":
		return decodeZSet(f, t, raw)
	case "stream":
		return decodeStream(f, t, raw)
	case "module":
		return newModuleValue(f, raw), nil
	default:
		return decodeHash(f, t, raw)
	}
}
