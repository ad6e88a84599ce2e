// Command demo shows what the sidecar is for, in a screenful: an upstream without an append-only file, under traffic; a sidecar that is
// killed in the middle of it and comes back without a second snapshot; a rewrite of its log, grown by a few keys, while it
// runs; and a stock server that boots from the sidecar's directory and has what the upstream had.
//
// It is what `make demo` runs, and as real as the tests: the binary that was built, and a redis-server or valkey-server that is
// installed or was fetched. It needs no root, listens on loopback only, keeps everything in a temporary folder, and leaves nothing
// behind: every process is its child, is ended by its own id, and has a parent-death signal in case the demo itself is killed.
//
// Exit code: 0 what was booted equals the upstream, 1 it does not or something failed, 2 wrong usage.
package main
