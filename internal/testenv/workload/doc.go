// Package workload writes to a server with every command that can reach a replication stream.
//
// # Place in the flow
//
// Tests and the demo run it against an upstream ([Workload.Run], [Workload.Step]) while the sidecar follows. The
// list of commands is write-commands.tsv, derived from the servers' own command tables; [Table] reads it, and a
// test proves on each of the five servers that every row of that version takes effect, or is among [Excluded]
// with a reason.
//
// # What it does
//
// An operation is one command, or a few that make one take effect. It picks a database, keys of a small pool for
// each type, and values that try to confuse a reader: empty, binary, CRLF, text that looks like RESP or like a
// mark of our log, numbers, and now and then more than a mebibyte. Some operations run inside MULTI, also with
// SELECT there; some block and are served by another connection. Errors that a server answers, such as
// WRONGTYPE, belong to the mix; a lost connection ends the step with an error.
//
// # Determinism
//
// One seed gives one sequence of commands with the same arguments, except for what only a server or a clock can
// know: DUMP payloads, absolute times. No random choice depends on a reply.
//
// # Concurrency
//
// A Workload belongs to one goroutine. Several with different seeds may write to the same server.
package workload
