// Package rdb reads RDB files of Redis (versions 1 to 12) and Valkey (11 and 80) item by item without decoding values.
//
// # Place in the flow
//
// The log checks every snapshot with it before it becomes a base; `verify` and `inspect` read bases with it.
package rdb
