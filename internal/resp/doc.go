// Package resp finds and reads the commands of a replication stream or an append-only file: RESP
// arrays of bulk strings, as upstreams send them and AOF loaders take them.
//
// # Place in the flow
//
// The replica scans the socket's bytes with [Scanner] to learn where commands end, which to drop,
// and what MULTI and SELECT do. The log scans its own files with the same Scanner to recover and to
// check them. [Reader] yields whole commands with arguments, for inspection. [AppendCommand] writes them.
//
// # Format
//
//	*<n>\r\n  then n times  $<len>\r\n<len bytes>\r\n        (protocol.md 2.1)
//
// Inline commands never occur in a stream and are a syntax error. A bare newline between commands
// is tolerated, as servers do (networking.c:processInlineBuffer), and reported as its own kind.
//
// # Invariants
//
// Byte counts are exact. Nothing is allocated per command, and never by an announced length: lengths
// are only counted down. The package does no I/O but through io.Reader.
package resp
