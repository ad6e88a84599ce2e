// Package replica speaks the replica side of the PSYNC protocol: it connects to an upstream, asks to
// resume or takes a full resync, hands snapshot and stream to a [Sink], and acknowledges.
//
// # Place in the flow
//
// First of the three stages. It knows sockets and the protocol; it knows no disk: what is kept, where
// and how durably is the Sink's (package aof) business.
package replica
