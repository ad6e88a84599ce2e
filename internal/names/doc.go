// Package names maps names, which are any bytes, to values: a hash table for a great many small values that are found again and again.
//
// # Place in the flow
//
// The fold finds each key of each command twice: in the plan (aof/fold) and among the values (internal/keyspace). Both are a [Table]. A map from
// string to pointer costs four misses of the processor's cache for that, and an allocation for each value; here it is two, and none, and
// [Table.Near] has them overlap.
//
// # Layout
//
// The slots are an array of 8 bytes each, a part of the hash and the number of a node, in linear probing. Nodes have the name and the value in them and
// stand in pages, which never move. A number that is free is used again.
//
// # Invariants
//
//   - A pointer to a node is good until the name is removed.
//   - At most three quarters of the slots are in use, and no slot between a name's first one and its own is free: removal moves what is behind.
//   - The order of All depends on the calls only, not on the hash, whose seed is random.
//
// # Concurrency
//
// A Table is for one goroutine, readers too: Find remembers what it found last.
package names
