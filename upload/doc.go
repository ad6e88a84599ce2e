// Package upload ships the log to an archive, and brings it back from there.
//
// # Place in the flow
//
// Third of the three stages. The [Uploader] reads what a [Source] has made durable and stores it in a [Store]; [Restore], [ReadCatalog] and
// [VerifyArchive] read the store alone.
//
//	Source --Cutter--> Segment --Sealer--> Store --fetcher--> Opener --Joiner--> one increment
//	                                         |
//	                                     names --Catalog--> Plan
//
// # Format
//
// Names are relative to the archive's URL. They are written with leading zeros, so that they sort, and a listing alone tells what can be restored.
//
//	lease.json                                    who ships, for how long
//	epochs/<epoch>.json                           who took over, and where ([EpochRecord])
//	timelines/<id>/timeline.json                  when the timeline was created ([TimelineRecord])
//	timelines/<id>/pin.json                       keeps it from retention ([PinRecord])
//	timelines/<id>/keep/<offset>.json             keeps what leads up to a place ([Moment])
//	timelines/<id>/base/<offset>-<unixms>-<epoch>-<sum>.rdb[.zst][.age]
//	timelines/<id>/incr/<from>-<to>-<unixms from>-<unixms to>-<epoch>-<sum>.aof[.zst][.age]
//
// Offsets have 20 decimal digits, times 13, epochs 8. <sum> is the first 16 hexadecimal digits of the SHA-256 of the plain bytes. A base of commands ends in
// .aof. Plain bytes are compressed with zstd (a window of 1 MiB) and then encrypted with age. Objects never change.
//
// A base is the file that the log has. A segment has the stream bytes behind <from>, up to and including <to>, and is by itself an increment
// as package aof describes it:
//
//	SELECT <db>                               what is selected at from
//	PING "#pos <replid> <from> <ms> <from>"   a mark
//	<the log's bytes, verbatim>               commands, and the marks in it
//	PING "#pos <replid> <to> <ms> <to>"       unless they end with it
//
// If <from> and <to> are equal there is nothing between: a quiet upstream was followed until then. Segments of a timeline follow one another, the one's <to> is the
// next one's <from>, and may overlap: merged ones stand beside the small ones that they replace. None spans the end of an increment of the log, so that each base is where a
// segment begins.
//
// # By hand
//
// Without this program a directory for a server is made of the newest base, and of segments that lead on from its offset without a hole, the name of each
// beginning where that of the one before ends (with .age in their names, age -d -i FILE comes first):
//
//	mkdir appendonlydir
//	zstd -d -o appendonlydir/appendonly.aof.1.base.rdb BASE.rdb.zst
//	zstd -d -c SEGMENT.aof.zst SEGMENT.aof.zst ... > appendonlydir/appendonly.aof.1.incr.aof
//	printf 'file %s seq 1 type %s\n' appendonly.aof.1.base.rdb b appendonly.aof.1.incr.aof i > appendonlydir/appendonly.aof.manifest
//
// A server boots from that. A sidecar does not go on from it: the SELECTs in between count as bytes of the stream.
//
// # What can be restored
//
// A command had been received at the time of the next mark behind it, at the latest. A cut by time T is at the last boundary at or above the last
// mark with a time <= T; one by offset is at the last boundary at or before it. Both are outside MULTI. Of a time that is before an earlier mark's, for a
// clock stepped back, the earlier one's stands. A timeline is restored from the newest base at or before the target and the fewest segments from there; bytes that
// nobody has on the way are an error, not an end.
//
// # Fencing
//
// Who takes the lease gets a new epoch. Before it writes anything else it lists the timelines that its log has, and writes into epochs/ up to where each of them
// is stored without a hole: from there it goes on. What an older epoch has behind that place does not count, whenever it arrives: a PUT that was in flight when its
// holder lost the lease can do no harm. So two holders' histories never mix, and no clock but the holder's own is believed: the holder stops a TTL after it began the last
// renewal that succeeded, by the clock of the wall, too, which goes on while a machine is suspended, and who waits counts a TTL and a tenth from when it first saw a record that then stood still.
//
// That two logs have the same timeline does not say that they are of one history: one may have been copied, or be behind after a crash and then follow another upstream. So the holder compares
// the replication id at the end of what is stored with its own log's there. If they differ, or the log cannot tell, a full resync begins a new timeline. Where the
// archive is encrypted nobody can look, and the lease says it: a new id is written there before the first segment of it.
//
// # Shipping
//
// Timelines are shipped by age, each until all of it is stored; the present one goes on. Bases go up beside segments, one at a time. Of an increment that has
// closed before any of it was shipped the whole becomes one object; else it is cut every [Options].Interval or SegmentBytes, at boundaries. Several segments are on their way at once, at most Parallel of them
// and InFlightBytes of memory; they are confirmed in the order of the stream, so that what is confirmed has no hole. When an increment has closed and all of it is stored it is stored once more as
// one object (merged), and retention removes the segments a day later. The log keeps an increment until then.
//
// What the archive has up to S with a base is shipped up to S ([Uploader.Shipped]). What the log gave up before it was shipped is a gap: names show it, and a base behind it begins the next window.
//
// Requests: one LIST for each thousand objects of the log's timelines at the start and of the archive once an hour; a PUT for each segment, one a minute from a quiet upstream; three PUTs of the lease in a TTL;
// two PUTs for each closed increment or base. With the defaults and a busy upstream that is 86,400 PUTs of segments a day and 8,640 of the lease.
//
// # Invariants
//
//   - Only bytes that are durable in the log are shipped, and in their order.
//   - What a name says is checked against the bytes by everybody who reads them: the sum, the framing, the marks at both ends.
//   - A name is taken only if we could have written it; nothing of one becomes a part of a path.
//   - A restore changes its directory by one rename, after everything was verified and synced.
//   - Retention keeps the last chain that can be restored, and what is pinned.
//
// # Crash argument
//
// Shipping: a Put stores an object whole or not at all, and all that is known of an archive is in its names. What was stored before a crash is found by them; what
// was not is still in the log, which lets go of nothing before it is told so. A segment that arrived without the one before it is stored again with that one.
//
// Retention: in each timeline bases go before segments. So what can be restored after an interruption begins at a base that was to stay, and the rest is found again.
//
// Restore: it works in <dir>/.aofsidecar-restore, which it locks. Files are written and synced there, then the folder that has them, then the staging folder; the result
// is renamed to its name; then the staging folder and the directory are synced. So a crash leaves the directory without the result or with all of it, and the staging folder,
// which the next restore empties. By force the result is exchanged with what has its name in one step (renameat2), which then is renamed to <name>.before-restore; where the
// kernel or the file system cannot do that, the old one is renamed first, and a crash in between leaves it under that name.
//
// # Concurrency
//
// Each type says for itself. An [Uploader] has a goroutine that keeps the lease, and while it holds it one each that cuts the log, confirms what is stored, stores bases, merges, and looks after
// retention, and one for each segment on its way; all of them end before Run or the lease does. Stores, a [Sealer] and an [Opener] are safe for concurrent use; a [Cutter] and a [Joiner] are for one goroutine. [Restore] downloads parts of
// objects beside one another into a bounded number of buffers and reads them in order; base and segments are verified and written by a goroutine each.
package upload
