// Package keyspace holds values in memory and runs the write commands of Redis and Valkey on them, as a server does that replays
// its log: nothing expires, nothing is evicted, nobody is answered.
//
// # Place in the flow
//
// A rewrite (package aof) puts the keys that its increments touch into a [Space], runs the commands, and writes what came of it. [Plan]
// tells it before, without any value, which keys a command reads and writes.
//
// A Space runs SWAPDB, MOVE and the flushes itself: its databases have the numbers that commands call them by, and at the end those under which
// they are to be written.
//
// # What is not run
//
// Some commands no Space can run exactly; they have a plan and are carried: times that count from now, identifiers that the server makes up, distances
// from its libm, scripts, modules' commands. All but the last two and STOREDIST are in no stream that a server writes since 7.0, as it
// sends what came of them. TestPlanOfEveryForm lists every write command and what becomes of it. A command that the table does not have is
// [Unknown]: only the upstream's COMMAND INFO tells its keys.
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
//   - Raw bytes never change; entries may share them.
//   - Arguments belong to the caller: what is kept is copied.
//   - Space.Used is the sum of the sizes of all entries and libraries.
//
// # Concurrency
//
// A Space is for one goroutine.
package keyspace
