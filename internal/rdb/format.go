package rdb

import (
	"strconv"
	"strings"
)

// NoExpire stands for the expiry time of what does not expire.
const NoExpire int64 = -1

// Format is whose RDB it is and of which version: what values come from and are written in.
type Format struct {
	Dialect Dialect
	// Version is 11 for "REDIS0011", 80 for "VALKEY080".
	Version int
}

const (
	// lastShared is the last version of Redis' dialect that Valkey wrote and reads.
	lastShared = 11
	// firstFieldExpiry is the first version of Redis' dialect that has an expiry of hash fields.
	firstFieldExpiry = 12
)

// FormatOf returns the format that a server writes (rdb.h:RDB_VERSION): name is "redis" or "valkey", version its own, as in "8.0.2". Of a later
// server than those known it is the last one known, which it reads. It returns false for a server before Redis 7.0, and for what is none.
func FormatOf(name, version string) (Format, bool) {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(major)
	m, err2 := strconv.Atoi(minor)
	if err != nil || err2 != nil || n < 7 {
		return Format{}, false
	}
	switch {
	case name == "valkey" && n >= 9:
		return Format{Dialect: Valkey, Version: onlyValkey}, true
	case name == "valkey":
		return Format{Version: lastShared}, true
	case name != "redis":
		return Format{}, false
	case n == 7 && m < 2:
		return Format{Version: 10}, true
	case n == 7 && m < 4:
		return Format{Version: lastShared}, true
	default:
		return Format{Version: lastRedis}, true
	}
}

// Extends reports whether f has all that g has, with the same meaning, so that a value in g is one in f.
func (f Format) Extends(g Format) bool {
	if f.Dialect == g.Dialect {
		return f.Version >= g.Version
	}
	return f.Dialect == Valkey && g.Version <= lastShared
}

// HasFieldExpiry reports whether a value in f can state when a field of a hash expires.
func (f Format) HasFieldExpiry() bool { return f.Dialect == Valkey || f.Version >= firstFieldExpiry }
