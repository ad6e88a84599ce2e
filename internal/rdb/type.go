package rdb

import (
	"strconv"
	"strings"
)

// Dialect is whose RDB it is, by its magic. Valkey before 9 writes Redis' dialect.
type Dialect uint8

const (
	// Redis is "REDIS" and four digits.
	Redis Dialect = iota
	// Valkey is "VALKEY" and three digits.
	Valkey
)

// String returns the server's name in lower case.
func (d Dialect) String() string {
	if d == Valkey {
		return "valkey"
	}
	return "redis"
}

// magicName is the length of the dialect's name in the magic; the digits of the version follow.
func (d Dialect) magicName() int64 {
	if d == Valkey {
		return int64(len("VALKEY"))
	}
	return int64(len("REDIS"))
}

// Type is the type of a value as written: what it is and how it is encoded (rdb.h:RDB_TYPE_*).
type Type uint8

// The value types, see protocol.md 6.5.
const (
	TypeString           Type = 0
	TypeList             Type = 1
	TypeSet              Type = 2
	TypeZSet             Type = 3
	TypeHash             Type = 4
	TypeZSet2            Type = 5
	TypeModule2          Type = 7
	TypeHashZipmap       Type = 9
	TypeListZiplist      Type = 10
	TypeSetIntset        Type = 11
	TypeZSetZiplist      Type = 12
	TypeHashZiplist      Type = 13
	TypeListQuicklist    Type = 14
	TypeStreamListpacks  Type = 15
	TypeHashListpack     Type = 16
	TypeZSetListpack     Type = 17
	TypeListQuicklist2   Type = 18
	TypeStreamListpacks2 Type = 19
	TypeSetListpack      Type = 20
	TypeStreamListpacks3 Type = 21
	// TypeHash2 is a hash with field expiry in Valkey's dialect, TypeHashMetadataPreGA in Redis' (7.4 release candidates): the
	// same number.
	TypeHash2             Type = 22
	TypeHashMetadataPreGA Type = 22
	TypeHashListpackExPre Type = 23
	TypeHashMetadata      Type = 24
	TypeHashListpackEx    Type = 25
)

// Codes that begin an item and are no type (rdb.h:RDB_OPCODE_*), and the type that no loader takes any more.
const (
	typeModulePreGA = 6
	opSlotImport    = 0xF3
	opSlotInfo      = 0xF4
	opFunction2     = 0xF5
	opFunctionPreGA = 0xF6
	opModuleAux     = 0xF7
	opIdle          = 0xF8
	opFreq          = 0xF9
	opAux           = 0xFA
	opResizeDB      = 0xFB
	opExpireTimeMS  = 0xFC
	opExpireTime    = 0xFD
	opSelectDB      = 0xFE
	opEOF           = 0xFF
)

// String returns the kind of the value and its encoding, as in "hash-listpack"; 22 is "hash-expiry" in both dialects.
func (t Type) String() string {
	names := [...]string{
		TypeString:            "string",
		TypeList:              "list",
		TypeSet:               "set",
		TypeZSet:              "zset",
		TypeHash:              "hash",
		TypeZSet2:             "zset-2",
		TypeModule2:           "module",
		TypeHashZipmap:        "hash-zipmap",
		TypeListZiplist:       "list-ziplist",
		TypeSetIntset:         "set-intset",
		TypeZSetZiplist:       "zset-ziplist",
		TypeHashZiplist:       "hash-ziplist",
		TypeListQuicklist:     "list-quicklist",
		TypeStreamListpacks:   "stream",
		TypeHashListpack:      "hash-listpack",
		TypeZSetListpack:      "zset-listpack",
		TypeListQuicklist2:    "list-quicklist-2",
		TypeStreamListpacks2:  "stream-2",
		TypeSetListpack:       "set-listpack",
		TypeStreamListpacks3:  "stream-3",
		TypeHash2:             "hash-expiry",
		TypeHashListpackExPre: "hash-listpack-expiry-pre",
		TypeHashMetadata:      "hash-metadata",
		TypeHashListpackEx:    "hash-listpack-expiry",
	}
	if int(t) < len(names) && names[t] != "" {
		return names[t]
	}
	return strconv.Itoa(int(t))
}

// Kind returns what a value of this type is, as TYPE answers it: "string", "list", "set", "zset", "hash" or "stream"; "module" for a
// module's value, whose name is the module's business; "unknown" for a code that is no type.
func (t Type) Kind() string {
	if t == 8 || t == typeModulePreGA || t > TypeHashListpackEx {
		return "unknown"
	}
	kind, _, _ := strings.Cut(t.String(), "-")
	return kind
}

// knownIn reports whether values of type t can be walked in dialect d.
func (t Type) knownIn(d Dialect) bool {
	switch {
	case t == typeModulePreGA || t == 8:
		return false
	case d == Valkey:
		return t <= TypeHash2
	default:
		return t <= TypeHashListpackEx
	}
}
