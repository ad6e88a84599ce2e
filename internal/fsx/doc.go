// Package fsx is the small seam between the log and the file system: what durability needs to say
// (sync a file, sync a directory, replace a file atomically, lock a directory, ask for free space)
// and nothing more. [OS] is the real one; fsxtest has one that forgets what was not synced.
//
// # Durability
//
// A name is durable when its directory was synced after the name was made. Bytes are durable when
// the file was synced after they were written. A rename is atomic, but durable only after SyncDir.
// After a failed Sync the file's unsynced bytes are unknown: callers latch (see aof).
package fsx
