// Package fold makes a new base out of an old one and the increments behind it, without a server: what BGREWRITEAOF does, for a process
// that holds no data set.
//
// # Place in the flow
//
// Package aof opens the files, calls [Fold], and swaps the result in. This package knows readers and a writer, no directory and no manifest.
//
// # How
//
//  1. The increments are read once for what their commands touch ([keyspace.Table.Plan]). Keys that share a command are linked.
//  2. The old base is read once. An entry that nothing touches goes over as the bytes that it is, together with those around it. A touched one is kept, undecoded, unless its
//     first command overwrites it.
//  3. The increments are read again and run on what was kept ([keyspace.Space]), which is then written.
//
// Memory follows the keys that are touched. Where they are more than Options.MaxMemory, they are split into passes of whole links, and each pass
// does 2 and 3 for its own, without copying.
//
// # Databases
//
// SWAPDB gives a database another number. Here a database is told by the number that it had at the start, before all increments, and written under the one
// that it has at the end; only a Space counts as servers do. FLUSHALL makes all that came before it nothing, so that reading begins there.
//
// # What cannot be run
//
// A command that no Space runs exactly taints its keys and all that are linked to them: their old values go over as they are, and their commands follow
// the RDB in the same file, as RESP, in their order: the carry, which every loader runs. A flush reaches them as a DEL.
//
// # Invariants
//
//   - Nothing expires.
//   - No key is written twice.
//   - The result depends on the input only, not on MaxMemory, but for what is carried for want of it.
//
// # Concurrency
//
// A call of Fold is for one goroutine, and keeps no state. It has another one read the commands, a few batches of bounded size ahead: to find their
// arguments takes about as long as to run them. Batches come in order and are used again once they are done with; an argument is good while its
// command runs. What went wrong in reading is told behind the commands before it. The base is read and summed, and the new one summed and written, in two
// more (package rdb). All of them end before Fold does.
package fold
