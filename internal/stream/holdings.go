package stream

// Holdings is what a log has on disk for others to read, at one moment. Its files never change but that the open increment grows; they may go
// at any time, once they are opened they stay readable. It is shared and must not be changed.
type Holdings struct {
	// Timelines by age; the last is the present one. None: there was no full resync yet.
	Timelines []Timeline
}

// Timeline is what the log has of one.
type Timeline struct {
	// ID is "<number>-<8 digits of the replid>"; later timelines have greater numbers.
	ID string
	// Pinned says that the guard tripped at the full resync that ended the timeline.
	Pinned bool
	// Bases are ascending by their offset. The base of the chain that a server would boot is the last one.
	Bases []LogFile
	// Increments are ascending; each begins where the one before ended, unless files were given up (see Lost).
	Increments []LogFile
	// Lost are the ranges that were given up for want of disk space before anybody took them, ascending.
	Lost []Range
	// End is how far the increments may be read: what is durable. EndUnixMilli is when it had been received.
	End          Position
	EndUnixMilli int64
	// Waits says that a crash has left more behind End, which waits for the upstream's answer: what the log goes on with, and under which id, is not known.
	Waits bool
}

// Range is the stream bytes behind From, up to and including To.
type Range struct{ From, To Offset }

// LogFile is a base or an increment.
type LogFile struct {
	// Name opens it; it is unique among all files that the log ever has.
	Name string
	// From is the offset that a base states, or that the first mark of an increment does.
	From Offset
	// To is where a closed increment ends, by its last mark. Of the open one it is the timeline's End.Offset.
	To Offset
	// Closed says that the increment does not grow any more.
	Closed bool
	// Bytes is the size, of an open increment only what is durable: it ends at a boundary.
	Bytes int64
	// UnixMilli is when the state of From had been received.
	UnixMilli int64
	// RESP says that a base is commands, not an RDB.
	RESP bool
	// Keys is how many keys a base has; -1: not known.
	Keys int64
}
