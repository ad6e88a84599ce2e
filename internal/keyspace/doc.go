// Package keyspace holds values in memory and runs the write commands of Redis and Valkey on them, as a server does that replays
// its log: nothing expires, nothing is evicted, nobody is answered.
//
// # Place in the flow
//
// A rewrite (package aof) puts the keys that its increments touch into a [Space], runs the commands, and writes what came of it. [Plan]
// tells it before, without any value, which keys a command reads and writes.
//
// # Rules
//
// The server is right: each command does what the server's function of that name does to its data set, and nothing where that one
// would have failed. Where servers differ, [Options] says which one is meant. A key or field whose time has passed exists until a command
// deletes it (protocol.md trap 12).
//
// # Invariants
//
//   - A container without elements is no key, but for streams.
//   - A value that no command has looked at stays as it was in the RDB, undecoded.
//   - Arguments belong to the caller: what is kept is copied.
//
// # Concurrency
//
// A Space is for one goroutine.
package keyspace
