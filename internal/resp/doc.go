// Package resp finds and reads the commands of a replication stream or an append-only file: RESP
// arrays of bulk strings, as upstreams send them and AOF loaders take them.
//
// # Place in the flow
//
// The replica scans the socket's bytes with [Scanner] to learn where commands end, which to drop,
// and what MULTI and SELECT do ([Tracker]). The log scans its own files with the same Scanner to recover
// and to check them. [Reader] yields whole commands with arguments, for inspection. [AppendCommand]
// writes them.
//
// # Format
//
//	*<n>\r\n  then n times  $<len>\r\n<len bytes>\r\n        (protocol.md 2.1)
//
// n is 1 to 2^31-1 (Redis networking.c:processMultibulkBuffer), len is 0 to 1 TiB: a link to an upstream has
// no limit there, so ours only keeps a corrupt length from swallowing the stream. Both are plain decimal
// digits, as servers write them: no sign, no blank, no leading zero. The CRLF after an argument is
// checked; loaders skip it unread, but a stream where it is missing is out of step.
//
// "*0\r\n" and "*-1\r\n" are syntax errors. A server that reads them from its upstream ignores them, no
// server writes them, and an AOF loader dies of them (aof.c:loadSingleAppendOnlyFile: argc < 1), so they
// can only be a sign of damage.
//
// Inline commands never occur in a stream and are a syntax error. A bare newline, "\n" or "\r\n", between commands
// is tolerated, as servers do (networking.c:processInlineBuffer), and reported as its own kind. AOF
// loaders refuse it: whoever checks a file must refuse [Newline] too.
//
// An annotation is a line that begins with '#', between commands, also inside MULTI. Only AOF files have them. The
// line end included it takes at most 1023 bytes: loaders read it with fgets into 1024 bytes
// (server.h:AOF_ANNOTATION_LINE_MAX_LEN) and take the rest for a command.
//
// # Invariants
//
// Byte counts are exact: the ends that Scanner reports, added up, are the replication offset. How the input is cut into
// pieces changes nothing. Nothing is allocated per command, and never by an announced length: lengths
// are only counted down, and Reader's buffers grow as bytes arrive. The package does no I/O but through io.Reader.
//
// # Concurrency
//
// Scanner, Tracker and Reader are each for one goroutine. There is no shared state.
package resp
