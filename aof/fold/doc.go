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
// Where the base is less than an eighth of the commands, all of it is kept instead, and the commands are read once ([whole]); if one of them is to be
// carried, or memory is short, what was done is dropped, and it goes on as above. Nothing is written before that is known.
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
// # Generations
//
// The carry is part of the base that is folded next, which taints the same keys again: it would only grow. So a key begins a new generation where nothing
// is left of what it was, whatever that was: at a command that does nothing but overwrite (DEL, UNLINK, MSET, a plain SET), at a flush that takes it,
// and behind a RENAME to another name. Each generation is a node of its own in the links. A command belongs to the generations that its keys
// have where it stands; one that a generation begins with belongs to the new one. No key but those of tainted links has more than one.
//
// A link is dead when each of its keys has begun a later generation outside of it. Nothing of it is written: no value of the base, no command. Each generation of
// a link that is not dead is linked with the one behind it, which may bring dead links to life, until there are no more. A loader cannot tell:
//
//   - Who reads or changes a key shares a command with it, and so a link with the generation that it has there. What a dead link did to a key is
//     therefore seen within it only, up to where the key's next generation begins.
//   - The generations of a key that are not dead are the last ones, without a gap, and in one link. So they are all run or all carried, from
//     one beginning to the end, and never one behind the other's back.
//   - If the first generation is not dead either, the key has its value of the base, and nothing is left out. If it is, the key begins with nothing,
//     instead of with what was dropped. A command that overwrites does not care. A flush and a RENAME leave nothing: no trace of them is needed.
//
// The keys that a pattern reads have no name in the command, so that a link with a pattern never dies. Which links get tainted is known behind the last
// command: increments that have a tainted link are planned twice, and only the second time looks for generations. Others pay nothing for all this.
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
