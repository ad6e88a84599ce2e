// Package rdb reads and writes RDB files of Redis (versions 1 to 12) and Valkey (80 since Valkey 9; before it Redis' 11): item by
// item without decoding values, and values one by one.
//
// # Place in the flow
//
// The log checks every snapshot with [Check] before it becomes a base; `verify` and `inspect` read bases with it.
// [Reader] is the layer below: a rewrite walks the old base with it and copies untouched entries as raw bytes to a [Writer]. Those that
// commands touch it decodes (DecodeString, DecodeList, DecodeSet, DecodeHash, DecodeZSet, DecodeStream), and encodes what they
// became (the Append functions).
//
// # Format
//
//	"REDIS" 4 digits | "VALKEY" 3 digits
//	items: (expire? idle? freq? type key value) | opcode ...     (protocol.md 6.2 to 6.6)
//	0xFF, then from version 5 on 8 bytes CRC64 of all before, little endian; all zero = not checked
//
// The magic is the dialect. It decides what the codes mean where Redis and Valkey went apart: 22 is two different
// hash encodings (protocol.md 6.5), 0xF3 is Valkey's, 0xF4 is Redis'.
//
// # What is checked
//
// That every length and count is sound and lies within the file, that every opcode and value has the parts it must have, and the
// CRC64. Of what a loader refuses, also: types and opcodes of pre-release formats, NaN scores, container
// kinds of quicklists, the size of stream ids, headers of listpacks, ziplists and intsets that are not compressed, keys over
// 512 MiB, impossible LZF ratios, databases over 2^31-1. Deliberately not: the order of opcodes, duplicate keys or members (that would take
// memory for all of them), the inside of blobs, whether compressed strings decompress, scripts of functions.
//
// The decoders, and [CheckValue] with them, look into blobs and compressed strings, too, and verify what servers verify there with
// sanitize-dump-payload, but for duplicates.
//
// A type or opcode that this package does not know ends the walk with an [UnknownError], as its length cannot be told. Check
// then still verifies the CRC64 of the whole file.
//
// # Values
//
// A body is a value without its type and key: what Reader.CopyRaw writes from Item.HeadBytes on. Every type and encoding is decoded. Written
// are the plain encodings, which every server takes and brings into the encoding that it prefers, and streams; strings are
// compressed and stored as integers as servers do it. Decoders hand each element to a function, as a part of the body or
// of scratch memory that the next element overwrites.
//
// # Later versions
//
// A server that is newer than this package may write a higher version, and refusing it would leave that server
// without a mirror. Check takes any later version on the word of the CRC64, which every version since 5 has as its last 8
// bytes. Codes may have another meaning there and known ones another layout, so that nothing of the structure is believed or
// called corrupt: no key is counted. Only the auxiliary fields at the very start are read, where servers write the position that the
// file holds; further on, what looks like such a field may be part of a value. A later version whose CRC64 is switched off
// (all zero) is accepted if the code of the end stands before it, as unchecked. A Reader refuses later versions.
//
// # Invariants
//
// Memory is a buffer of 128 KiB (768 KiB with [NewReaderAhead]) and tables of 32 KiB, plus the current key and what lies before it in its entry, plus short values of auxiliary
// fields (twice the buffer and tables for a later version); it grows as bytes arrive, never by an announced length. Nothing is allocated per entry once these have
// grown. A decoder allocates the scratch of the largest element or compressed blob, which its compressed length bounds (264 times at most), and nothing per
// element or by an announced length or count; DecodeStream's result is as large as the decompressed stream. The package does no I/O but through io.Reader and io.Writer.
//
// # Concurrency
//
// A Reader or Writer is for one goroutine. There is no shared state: functions may run in any number of them.
//
// A large file is copied by three goroutines: that of NewReaderAhead reads and sums, the caller's walks, that of [NewWriterBehind] sums and writes. They
// hand blocks of 256 KiB to each other, of which there are three on either side, and end with Reader.Close and Writer.Close or Stop. What
// they return, and in what order the writer below gets it, is as without them; only an error of that writer comes later, at last from Close.
package rdb
