// Package filestore keeps objects in a directory: an archive on a volume, or on a share.
//
// # Place in the flow
//
// One of the two stores below package upload; s3store is the other one.
//
// # Format
//
// An object is the plain file <root>/<key>. Names that begin with a dot are no keys, and ours:
//
//	.lock            what keeps replacing and removing apart, between processes too; it stays
//	<dir>/.tmp-*     a Put on its way, beside its target; Sweep removes what a crash left
//
// # Invariants
//
// A file with a key's name is whole: it got that name after its bytes were written, counted and synced, and Put returns after
// the directory was synced. Nothing is made, read or removed outside the root, by whatever key or symbolic link (see fsx.Root); the operator's own
// links within it are followed, but not listed.
//
// # Crash argument
//
// Before the link or rename there is a temporary file only, after it the whole object. Which of the two a power loss leaves
// before the directory was synced is unknown, and Put has not returned then. What is found counts as stored, so it is made durable before anybody is told: a process
// may have been killed behind the link, or behind a mkdir, and before the sync. A key that exists has its directory synced, a folder that this process has not
// made durable has all up to the root synced (folders.go), and who ships syncs what it lists. A sync that fails may lose a name and call it clean: the name is removed, for the next try to make it again.
//
// # Concurrency
//
// Any number of processes may use one directory. Absent is link(2), which fails if the name is there. Everything else that changes what a name means,
// replacing and removing, holds flock(2) on .lock from the look at the old object to the new one; so two Puts with one ETag cannot both win. On NFS this takes a
// server that has both (NFSv4). A file system without hard links makes the lock guard Absent, too.
//
// # ETags
//
// Of an object of at most 64 KiB: the beginning of its SHA-256, so that what is read, compared and replaced under the lock is the content itself. Of
// larger ones: inode, size and time of change, which a change within one tick of the clock could repeat; we replace no such object.
package filestore
