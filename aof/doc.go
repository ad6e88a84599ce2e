// Package aof keeps the local copy: a multi-part append-only file, as Redis 7 and later write it, that a stock
// server boots from at any instant, and that says itself where in the upstream's history it stands.
//
// # Place in the flow
//
// Second of the three stages. package replica feeds a [Log] (it satisfies replica.Sink and replica.Acks); package upload
// reads what the Log has made durable ([Log.Holdings]; it satisfies upload.Source). The package knows files, never sockets.
//
// # Format
//
//	<dir>/aofsidecar.lock                    held while a Log is open; says in which boot, and of which timeline
//	<dir>/appendonlydir/appendonly.aof.<seq>.base.rdb or .base.aof
//	<dir>/appendonlydir/appendonly.aof.<seq>.incr.aof
//	<dir>/appendonlydir/appendonly.aof.manifest
//	<dir>/retained/<timeline>/appendonlydir/ what the manifest no longer names, see Retained
//
// An increment is RESP only, and a stock loader runs all of it:
//
//	SELECT <db>                              synthetic: every loader starts each file in db 0
//	PING "#pos <replid> <offset> <ms> <dur>" a mark
//	#TS:<unix seconds>                       with aof-timestamp-enabled only, outside MULTI
//	<stream bytes, verbatim>                 each byte advances the offset by one
//	PING "#pos ..."                          once a second while the position moves, after every fsync, and wherever
//	                                         stream bytes were dropped, before the next kept command
//
// A mark states three things. All stream bytes of replid up to and including offset are in the base and in the lines above.
// They had been received at ms (Unix milliseconds; never decreasing on a timeline). And when the mark was written, everything up
// to dur was on stable storage, so that a reader of that arrives at dur at least: dropped bytes count once a durable mark states them.
// dur is what a mark can prove: while an fsync runs, more bytes are written, so that the mark after it stands below bytes that no
// fsync has covered; and a mark that replaces dropped bytes follows no fsync at all.
//
// The offset of any command's end is the offset of the last mark above it plus the stream bytes between.
//
// # Invariants
//
//   - An increment begins with SELECT and a mark, and neither begins nor ends inside a command or a transaction, save the last one
//     after a crash; a stock server cuts that one's torn tail as we do.
//   - Each increment ends, by its last mark, exactly where the next one begins.
//   - Durable never passes a byte that no successful fsync covered, nor the end of an increment whose successor the
//     manifest on disk does not name.
//   - Of an increment one fsync runs at a time: of two that overlap the kernel may tell only one that a page was not written.
//   - After a failed fsync nothing is written any more (the latch): the kernel may have dropped the pages and called them
//     clean. The process exits, and the next start believes only what marks prove.
//
// # Crash argument
//
// New files are written, synced, and their directory synced, before the manifest names them. What leaves the manifest is
// hard-linked into retained/ and that directory synced first. The manifest is replaced by rename; it lists what left as
// history (type h), and those names are unlinked afterwards, at the next start if need be. So at each instant the manifest on disk
// names whole files only, and nothing is unlinked that it names.
//
// Recovery reads the last increment from its start, command by command, so that no value can pass for a mark. After a kill -9 the page
// cache has everything that was written, and the position is the last mark outside MULTI; what no mark proves is written once more,
// for the process may have died between an fsync that failed and the note of it. Otherwise the position is the last boundary that a
// mark proves durable: after a reboot, after a failed fsync, whose pages the kernel calls clean or has lost, and where the lock file is
// not the one that was written (a copy of the directory, a snapshot of its volume). A stock server that was booted here meanwhile has
// appended only below either.
//
// What follows the position, the tail, may be what FACK has promised: an fsync moves Durable before a mark can say so. It is never cut to be received again.
// After +CONTINUE the log retraces it: the stream, which begins at the position, is held against the tail's stream bytes, and our marks and time stamps between them
// against where the stream is. What is the same is received, and as durable as the file, which is synced before; nothing is written, no mark, no new increment, no
// note of the boot. At the first difference, which is the end of what the upstream has sent before or another history, the rest is cut, and the log goes on there as
// ever. Under a new id it first says so, durably, at the last boundary that both have; in the middle of a command it asks for the rest again
// (RejoinError). A connection that ends meanwhile leaves the tail as it is. So a crash at any moment leaves the tail, or what has taken its place.
// On a full resync, or without an upstream, the tail stays, up to the last whole command outside MULTI.
//
// # Rewrites
//
// A rewrite folds the base and the closed increments into a new base ([Log.Rewrite], package fold). It closes the open increment first, at the
// next boundary outside MULTI, and reads the files without the log's lock, from descriptors that it opened, so that stream, marks, fsyncs and
// rotations go on. Then, in this order:
//
//  1. The new base is written under a temporary name and synced. The next start removes such names.
//  2. The manifest lists the name that it will have as history. The next start unlinks what is history, whether it is there or not.
//  3. The new base gets that name, and the directory is synced.
//  4. The manifest names it as the base, with the increments that were not folded, and the old base and the folded increments as history.
//  5. These are unlinked, the directory is synced, and the manifest forgets them.
//
// Before the 4th step a crash leaves the old chain, after it the new one, and they are the same data: the new base holds exactly what the old
// base and the folded increments hold, its position is where the first increment that stays begins, and that increment is not touched.
// So the log's position is the same before and after. An error before the 4th step drops the new base and changes nothing: neither a full disk nor a
// failed fsync of the new file latches, for nothing that counts was in it. Failed syncs of the directory and the manifest latch as ever.
//
// A full resync ends the rewrite that is under way: what it folds is the past. While a tail waits for the upstream's answer the open increment is
// not closed, and stays as it is; only those before it are folded. A server that was booted here may have written that tail: folded, nobody could cut it.
//
// With an archive there is a step before the 4th: see Retained.
//
// A base may have commands behind the RDB, which the rewrite could not run (the carry), or be commands only. Loaders take no base that is
// cut, and so neither does [Verify].
//
// # Retained
//
// What leaves the manifest goes to retained/, by hard link, under names that say what is in it: <offset>.base.rdb (or .aof) and <from>-<to>.incr.aof, 20
// digits each. A full resync puts the whole chain there, with a manifest of its own, so that a server boots from it; if the guard tripped, with
// the note that pins it. Without an archive that chain stays until the next rewrite or full resync, and a rewrite leaves nothing.
//
// With an archive ([Options].Archive) a rewrite too links what it takes out of the manifest and the archive has not got, without a manifest, and
// everything stays until the archive has it ([Log.Shipped], [Log.BaseShipped]), or until it has to go for want of disk ([Options].MaxDisk). The folder
// of the present timeline therefore holds files that come before its chain, and so does that of one that ended. There is no list of them: the
// names are the list, the marks inside say when, and Holdings after a start is what it was before.
//
//   - Links are made, and their directory synced, before the manifest forgets the files. So at each instant every file that Holdings told of, and the archive
//     has not got, has a name that survives a crash: in the chain, or in retained/, or for a moment in both.
//   - Whatever of the present timeline begins where its chain does, or later, is a double: a rewrite or a full resync linked it and did not
//     take place. Holdings does not tell of doubles. They go at the next start, and before anything is linked again, durably: the
//     link of the open increment would grow past the end that its name states.
//   - Files go one by one, the oldest first, each durably before the next: a crash leaves no hole. A chain that is to lose a file durably
//     ceases to be one first: its manifest goes.
//   - A pinned chain never goes, nor what the manifest names.
//
// Over its limit the log asks for a rewrite if that makes room: what the archive has of the chain's increments then goes for good, and the rest can. If it
// is over the limit still, the oldest files in retained/ go whatever they are, and what they held of the stream is lost to the archive: [Observer].Lost
// and Holdings tell, until the archive says that it has gone on from a base behind. After a start Holdings tells only of holes between
// what is left; that the first file begins behind the end of what the archive has says the rest.
//
// # Holdings
//
// [Log.Holdings] tells what may be read, by name; a file has the same name wherever it is. The open increment may be read up to a boundary outside MULTI that
// a sync has covered, where what Holdings says holds: no mark behind that place states an earlier offset or time. That place may be behind Durable
// by bytes that were dropped since a mark that no sync has covered yet. After a crash it is where marks prove, until the upstream has
// answered: of a tail that waits nothing may be read. The chain of a timeline that ended may be read to its end, with the tail if there was one.
// Where a power loss has left that tail and a full resync followed, nothing was ever held against it: behind what was durable a disk may have zeros there,
// also within a value. It stays, for FACK may cover more of it than marks prove.
//
// # Groups
//
// The runs of one read are written together. Append only notes a run with Run.More; the first without writes what was noted, the marks
// between, and itself, in one write where that is not large. The tip, which says where the log stands, moves over all of it or over nothing, and
// nobody sees it in between: it moves, and goes back if the write fails, while the lock is held. So whatever comes
// between two runs of a group finds the log as it was before the group, and whatever comes instead of its rest leaves it so. While
// a group waits for space the lock is released; it is then made anew for what the tip has become.
//
// # Concurrency
//
// Resume, Continue, FullResync, Append and Rollback are called by one goroutine at a time; Run syncs and RunRewrites folds beside them. Rewrite may be
// called by any goroutine; one runs at a time. FullResync and Close end it and wait for that. Received, Durable, Moved, Status, Holdings, Changed, Shipped,
// BaseShipped and NewTimeline may be called by any goroutine and never wait for the disk; what the last three ask for Run does. OpenFile waits
// for nothing but the file system.
package aof
