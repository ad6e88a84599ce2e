// Command bench compares what the sidecar takes to ingest a stream with what two others take for the same bytes: a bare copy from
// socket to file, which is the least that can be done, and a real server as a replica with its own append-only file, which is what the
// sidecar is there to spare. Then all else that it does with what else could do it. `make bench` runs it, and writes what was measured into
// docs/benchmarks.md, which says what it means.
//
// # How it measures
//
//	bench (this process)                                      child process
//	+---------------------+   PSYNC: empty snapshot,    +--------------------------+
//	| recorded upstream   |   then the whole recording  | aofsidecar run           |
//	| a recording in      | --------------------------> | redis-server --replicaof |
//	| memory, seeded      | <-------------------------- | bench, as bare copy      |
//	+---------------------+   ACK <n> FACK <n>          +--------------------------+
//
// A recording is made once, in memory, and the same bytes go to each consumer in turn, several rounds of all of them, so that a slow
// minute of the machine falls on all. The clock runs from the first byte of the stream to the ACK of the last one, or to
// its FACK where every group of writes is synced (appendfsync always). CPU is that of the child process, user and
// system, from the first byte to the FACK of the last, so that it has the syncs in it. Peak memory is the kernel's VmHWM.
//
// Consumers answer REPLCONF GETACK at once, so the last ACK does not wait for the second in which it is due. The bare copy parses nothing; it is
// told of the end by a half-closed connection.
//
// # What else it measures
//
// Streams that are no part of the comparison that is wanted: one that is half messages, one that lasts for some syncs. Memory behind a snapshot of 1 GiB and values of many megabytes, and how long a restart takes with an increment of 1 GiB.
//
// The part rewrite is another comparison, of what it takes to make one base of a base and an increment: a server loads them and does
// BGREWRITEAOF; `aofsidecar rewrite` folds them; `cp` copies the base. All three get the same files, by links. The
// data that a server has after both is compared, outside the measured time, and that alone can fail the run. Then a stream of 20 MB/s is sent while rewrites run, to see
// how long it takes to become durable.
//
// The part archive runs a real S3 server (versitygw) in a process of its own, which is this program once more, and compares what the sidecar takes to ship
// a base and to restore it with a parallel PUT and GET of the same bytes by the SDK's transfer manager, in another child; a restore of many segments with one of few
// objects. It measures how long a write takes to be in the store, memory behind a large base, and how many requests there are.
//
// # Upstreams and growth
//
// The parts upstream and durable have a stock server as the upstream, which clients of this program write to, with nobody, a real replica or the sidecar beside it. The
// parts rates and size have a recorded one again: a sidecar's cost is measured as the rate of the stream grows, and as the data set does.
//
// # Results and the page
//
// Each part leaves its result in a file: tables and lines of the summary, as they are shown, with the machine, the commit, the load before, and the date. The page is put together
// from the newest file of each part, between comments that name its sections; all else on it is written by hand.
//
// It asserts nothing else: it prints numbers and ratios. Everything is on 127.0.0.1 and in one temporary directory, which goes when it ends; children die with it.
package main
