// Package replica speaks the replica side of the PSYNC protocol: it connects to an upstream, asks to
// resume or takes a full resync, hands snapshot and stream to a [Sink], and acknowledges.
//
// # Place in the flow
//
// First of the three stages. It knows sockets and the protocol; it knows no disk: what is kept, where
// and how durably is the Sink's (package aof) business.
//
// # A connection
//
//	we                                     upstream
//	PING, AUTH                        -->  each answered before the next is sent (handshake.go)
//	REPLCONF capa eof capa psync2     -->
//	REPLCONF version 9.0.0            -->
//	HELLO (INFO server)               -->  Redis before 7.0 is refused
//	PSYNC <id> <offset+1> | ? -1      -->  nothing more from us until the decision (psync.go)
//	                                  <--  +CONTINUE [id], then the stream
//	                                  <--  +FULLRESYNC <id> <offset>, then the snapshot (snapshot.go):
//	                                         $<len> payload, or $EOF:<mark> payload mark
//	a newline every second            -->  while the Sink makes the snapshot durable
//	                                  <--  the stream (stream.go, inflow.go, feed.go)
//	REPLCONF ACK <offset> [FACK ..]   -->  at once, every second, and when asked (ack.go)
//
// Nothing that is answered is sent after PSYNC, SYNC is never sent, and no port is announced.
//
// # The stream
//
//	socket --> buffers (1 MiB each, 16 MiB in all) --> commands --> runs --> Sink.Append --> ACK
//	         |  reader goroutine                      |   feeder goroutine                       |
//
// A read is handed over as soon as it returns, so that nothing waits for a buffer to fill; what arrives while the Sink is
// busy is handed over together, so that under load runs are large. A stream of small pieces, one after the other, is read each few
// milliseconds (rest.go, lowat.go). When all buffers are full the socket is
// not read and TCP pushes back. Nothing is allocated per command, run or read.
//
// A command that does not fit into the buffers comes in pieces (stream.Run.Whole); if it is of a kind that is dropped, it is not held
// at all, only counted.
//
// # Invariants
//
//   - Offsets are exact: each stream byte is counted once, in a run's Dropped or Data. What is sent before the stream begins
//     never is.
//   - The Sink has taken a changed id before a byte that follows +CONTINUE.
//   - No offset is acknowledged that [Acks] did not report, and none before FullResync or Continue has returned nil.
//   - A snapshot's reader ends with io.EOF exactly at its end, or with another error.
//   - What a peer announces is never allocated: lines and replies are bounded by 64 KiB, everything else by the buffers.
//   - All bytes that were received before a connection ended are appended before it is given up.
//
// # When a connection ends
//
// The Sink is rolled back to the last boundary outside MULTI, and the next connection asks for the byte after it. How soon depends on
// the [Class] of the error (backoff.go): the network is tried at once, a refusal slowly, and a snapshot after minutes, because each one
// forks the upstream. Only progress shortens the waits again.
//
// A crash at any moment is a connection that ended: there is no state here that outlives the process. Where to go on is
// what Sink.Resume says.
//
// # Concurrency
//
// [Client.Run] owns all goroutines: while streaming one reads the socket, one (its own) feeds the Sink and answers GETACK, one
// acknowledges on the clock, so that a Sink that waits for space does not look dead. Ending its context closes the socket, which ends all three.
package replica
