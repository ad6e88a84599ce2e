// Package testenv gives tests, the demo and the benchmarks what they cannot fake: real Redis and Valkey
// servers of five versions, a connection that breaks where the test wants it, certificates, and the
// comparison that decides whether two servers hold the same data. No part of it is linked into the
// binary. The workload that fills the servers is in the folder workload.
//
// # Servers
//
// scripts/servers.sh fetches them; [Families] finds them and says what to run when they are absent. A
// server that is not there fails the test: nothing is skipped. [Start] gives a [Server] its own folder
// and a free loopback port, and proves by process id that the one that answers is the one it started.
// Every server is a direct child with a parent-death signal, so that none outlives a killed test, and
// [Server.Close] ends it by its own id.
//
// Each function that may fail exists twice where tests want it short: Start returns an error (the demo
// uses it), StartServer fails the test and cleans up with it.
//
// # The oracle
//
// [Fingerprint] reads everything that a client can see of a server's state, [Diff] says in words where two
// states differ. DEBUG DIGEST alone is not enough: it does not see the time of an expiry, stream groups
// and their pending entries, or functions. [Fingerprint] documents what is left out and why.
//
// Reading is not free of effects. A primary deletes a key that is past its time as soon as a command
// looks at it, and sends the deletion to its replicas; a booted copy would then differ only because it
// was looked at later. Two ways around this are offered, and both hold on all five servers:
//
//   - [Freeze] stops writes and expiry on an upstream (CLIENT PAUSE ... WRITE), so that its position stands
//     still while it is read;
//   - a server booted by [BootFromAOF], or a real replica ([ReplicaOf]), never expires by itself.
//
// An upstream also has a little that it tells no replica: pass [IgnoreUnreplicated] when it is compared itself,
// or, stricter, compare with a real replica that has followed the same stream.
//
// What remains is that time passes between the two readings, which hides keys and fields whose time
// came meanwhile. [Compare] reads the first server again after the second and starts over when it moved.
//
// # The sidecar
//
// [Sidecar] runs the real binary as a child with the same care, and reads its status.
//
// # Faults
//
// [Proxy] stands between two loopback addresses and breaks connections after an exact number of bytes. [Witness] is one that remembers what a sidecar
// has acknowledged as durable, and holds its log to that.
//
// [Network] gives processes hosts of their own, with real links whose cables are pulled. A [Disk] becomes full. [BuildCommit] builds an earlier program, [BuildOnClock] one whose wall clock is a [Clock] of
// the test.
//
// # Concurrency
//
// A [Server], a [Proxy] and a [Family] may be used by several goroutines. Nothing here sleeps: every wait
// is for a condition, with a deadline ([Eventually], [Poll]).
package testenv
