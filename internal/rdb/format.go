package rdb

// NoExpire stands for the expiry time of what does not expire.
const NoExpire int64 = -1

// Format is whose RDB it is and of which version: what values come from and are written in.
type Format struct {
	Dialect Dialect
	// Version is 11 for "REDIS0011", 80 for "VALKEY080".
	Version int
}
