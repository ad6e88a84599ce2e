package stream

// Run is one hand-over of stream bytes from the replica to the log: first Dropped bytes, then Data.
// The two are contiguous in the stream, and runs follow one another without a hole.
//
// A command longer than the replica's buffer arrives in several runs: all but the last have Whole
// false, and only the first may have Dropped > 0.
type Run struct {
	// Dropped counts stream bytes before Data that advance the offset but are not kept in the log:
	// PING, REPLCONF, PUBLISH, SPUBLISH, CLUSTER other than FLUSHSLOT, stray newlines. They are
	// always whole commands, and they begin at a command's end.
	Dropped int64

	// Data are kept bytes, verbatim. They stay valid until Append of this run returns; with More, until Append of the first run without More
	// returns, or of one that fails. May be empty.
	Data []byte

	// Boundary is how many of the run's bytes (Dropped included) lie before the last boundary
	// outside MULTI in it; 0 when the run adds none. A boundary after the dropped bytes and before
	// Data is Dropped itself.
	Boundary int64

	// DB is the database that is selected at Boundary. Meaningless when Boundary is 0.
	DB int

	// Whole says that Data ends at the end of a command, possibly inside MULTI. True for empty Data.
	Whole bool

	// Multi says that the run ends inside MULTI..EXEC.
	Multi bool

	// More says that another run follows at once: it is made of bytes that were read together with this one's, and the next call of
	// the log is its Append, with no read, wait or answer to the upstream in between. A log may therefore postpone
	// what it does once for several runs to the first without More, which surely comes unless an Append fails. False says
	// nothing: more may follow.
	More bool

	// UnixMilli is when the run was read from the socket.
	UnixMilli int64
}

// Len is how far the run advances the offset, in bytes.
func (r *Run) Len() int64 { return r.Dropped + int64(len(r.Data)) }

// Snapshot describes what +FULLRESYNC announced.
type Snapshot struct {
	// Position is the state that the snapshot holds; the stream goes on at Offset+1.
	Position Position
	// Bytes is the announced length of the payload, or -1 when it is delimited ($EOF: framing).
	Bytes int64
}
