// Package stream holds the values that the stages share: replication ids, offsets, positions,
// runs of stream bytes and snapshots. It imports nothing of ours and does no I/O.
//
// # Place in the flow
//
//	replica --Run, Snapshot--> aof --Position--> upload
//
// # Offsets
//
// An upstream numbers every byte that it sends after the snapshot. `+FULLRESYNC <id> <off>` says that the
// snapshot holds everything up to and including off; the first stream byte is off+1. A [Position]
// therefore means "all stream bytes up to and including Offset are taken", and a replica that
// resumes asks for Offset+1 (Redis replication.c:slaveTryPartialResynchronization).
//
// # Boundaries
//
// Only the end of a whole command outside MULTI..EXEC is a place to resume from, to cut at, or to
// call durable (networking.c:commandProcessed). The word "boundary" without more means such a place.
package stream
