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
// Some commands no Space can run exactly; they have a plan and are carried. Of those that a server writes into its stream these are STOREDIST, whose
// scores are from the server's libm, a search inside of a polygon whose center, by the same libm, is on the border of two cells, ZRANGESTORE with a
// negative offset, and modules' commands. The others are in no stream since 7.0, as the server sends what came of them, and
// are carried where a client wrote them into a log: times that count from now, identifiers that the server makes up, sums in its long
// double, whose precision is the machine's, MIGRATE, scripts. TestPlanOfEveryForm lists every write command and what becomes of
// it, and carriedForms why. A command that the table does not have is [Unknown]: only the upstream's COMMAND INFO tells its keys.
//
// # What cannot equal the server
//
// Some of what decides a result is in no stream. Then a Space does as a server with its defaults does:
//
//   - hll-sparse-max-bytes is taken as 3000, above which a HyperLogLog is dense; its count is the same.
//   - When a consumer was last seen and active, XINFO's seen-time and active-time, is from the log's marks; a replica of the upstream goes by its own clock
//     as well.
//   - SORT of a set by ALPHA weights that are equal, and ZREMRANGEBYLEX of members with different scores, whose result servers leave undefined, depend on a
//     hash table's and a skip list's chances.
//   - Distances differ from those of the server's libm in the last bits, in a city by less than 0.1 nanometers: a GEO search with STORE
//     may find another member only where one is that near to the border.
//   - LSET cuts an index to 32 bits where a server of Redis 7.2 or later does so for a list in one node; which lists those are is guessed from their
//     size.
//   - Redis 7.4 and 8.0 send HSET for HINCRBYFLOAT, which drops the field's expiry that the upstream keeps.
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
