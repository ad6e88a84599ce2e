// Package fsx is the small seam between the log and the file system: what durability needs to say
// (sync a file, sync a directory, replace a file atomically, lock a directory, ask for free space)
// and nothing more. [OS] is the real one; fsxtest has one that forgets what was not synced.
//
// # Place in the flow
//
// Below aof and upload, above the kernel. Nothing above this package calls package os for data that
// must survive a crash, so that the crash tests see every operation.
//
// # Durability
//
// A name is durable when its directory was synced after the name was made. Bytes are durable when
// the file was synced after they were written. A rename is atomic, but durable only after SyncDir.
// After a failed Sync the file's unsynced bytes are unknown: callers latch (see aof).
//
// The order for any new durable name is therefore: temporary name in the same directory, write, check the
// size, sync, close, rename, sync the directory. [ReplaceFile] is that order for content that fits
// in memory. A crash at any step leaves the old content or the new one under the name, and at worst a file
// whose name begins with [TempPrefix]; only such names are ours to remove.
//
// # Concurrency
//
// An [FS] is safe for concurrent use. A [File] belongs to one writer, beside which syncs may run.
package fsx
