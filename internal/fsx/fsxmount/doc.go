// Package fsxmount mounts a file system of package fsxtest (FUSE), so that a process that knows nothing of it can lose
// what it did not sync. It is for tests only.
//
//	process --> kernel --> /dev/fuse --> Mount --> fsxtest.FS
//	                                       |
//	                           PowerCut: what a disk has left, as another fsxtest.FS
//
// What a power loss may do to files and names is package fsxtest's to say, and said nowhere else: here calls are
// translated. The kernel keeps nothing back: each write(2) is in the file system in memory when it returns,
// in pieces of at most 128 KiB, and so a power cut falls between and within the pieces.
//
// # A power cut
//
// [Mount.PowerCut] takes what the disk has left and lets every call fail with EIO from that moment on, also those that
// are under way: none that takes effect behind the moment answers success, so no process can promise
// to others what is not in the image. Then the process is killed, the mount closed and the image mounted anew. [Mount.CutAt]
// does the same within an operation.
//
// # Limits
//
// Those of package fsxtest. Modes and times cannot be changed; locks (flock) are the kernel's, and end with the process.
//
// # Concurrency
//
// A Mount may be used by several goroutines.
package fsxmount
