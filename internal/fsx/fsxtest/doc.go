// Package fsxtest is a file system in memory that remembers what was not synced, so that a test can look at
// every state in which a crash may leave a directory. It is for tests only.
//
// # Model
//
//	               Write, Truncate              Create, Rename, Link, Remove
//	                     |                                   |
//	reads see   +--------v--------+  files     +-------------v-------------+  directories
//	this        |  now            |            |  names now                |
//	            +-----------------+            +---------------------------+
//	            |  pending ops    |            |  pending ops (global)     |
//	            +-----------------+            +---------------------------+
//	a crash     |  disk           |            |  names on disk            |
//	leaves this +--------^--------+            +-------------^-------------+
//	at least             |                                   |
//	               Sync, SyncData                         SyncDir
//
// Files are inodes: names, hard links and open files refer to them, and they live as long as one of these does.
// A file's sync makes its bytes and its size durable, never its name: ext4 often does more, POSIX does not.
// SyncDir makes names durable, never the content of what they name. A rename is one operation,
// also between two directories; it is durable when both were synced.
//
// # Crashes
//
// [FS.CrashClone] returns what the next process, or the next boot, finds. The original goes on unharmed, so
// one run of a workload serves any number of crashes at each operation. See [KillProcess], [Reboot],
// [PowerLossAll], [PowerLossOrdered] and [PowerLoss], from mild to harsh. Whatever is random
// depends on the seed and the operations before only: the same calls give the same clone.
//
// A sync that fails (see [FS.FailOp]) does what Linux does: each dirty page was written or was not,
// all are clean afterwards, and a second sync succeeds without having written them. Whether reads still see
// the lost pages (ext4, XFS) or no longer (Btrfs) is drawn too.
//
// # Limits
//
// No symbolic links, no permissions, no O_APPEND and no O_SYNC: they are refused with EINVAL, not ignored. Capacity is
// counted in pages of 4 KiB; names take no space.
//
// # Concurrency
//
// One mutex guards everything. Hooks run without it: they may use the file system, and may block.
package fsxtest
