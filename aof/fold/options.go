package fold

import (
	"io"

	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// Source is a file, open for as long as the fold takes.
type Source struct {
	// Name is what errors call it.
	Name string
	// R reads it, and Size is how many bytes of it are meant.
	R    io.ReaderAt
	Size int64
}

// from reads on from a place.
func (s *Source) from(at int64) io.Reader { return io.NewSectionReader(s.R, at, s.Size-at) }

// Input is what is folded.
type Input struct {
	// Base is an RDB, which commands may follow in the same file, or commands only; these begin with the line that Options.Preamble false
	// writes.
	Base Source
	// Increments are files of commands, in their order. None ends inside a command or a transaction.
	Increments []Source
}

// Options say how.
type Options struct {
	// Table is the commands that can be run. It must be set.
	Table *keyspace.Table
	// Keys finds the keys of a command that the table does not have; nil, or false: they are unknown.
	Keys func(args [][]byte) (keys [][]byte, ok bool)
	// Time returns the time that a command of ours states, in Unix milliseconds, if it is one: a mark. nil: there are none.
	Time func(args [][]byte) (ms int64, ok bool)
	// Server is the upstream's version, as in "8.0.2"; empty: the newest known.
	Server string
	// Upstream is the format that the upstream writes now, if that is known: then the new base is written in it, unless the old one's is the later
	// one, or of another kind. It matters where an upstream was replaced by a later version and the log went on.
	Upstream rdb.Format
	// NoPreamble asks for commands instead of an RDB, as aof-use-rdb-preamble no does.
	NoPreamble bool
	// Aux are the auxiliary fields of the new RDB, name and value, beside those of the old one that say what server wrote it.
	Aux [][2]string
	// MaxMemory bounds what the touched keys take, in bytes, about; 0: no limit.
	MaxMemory int64
	// MaxCarry bounds the carry, in bytes; 0: no limit.
	MaxCarry int64
	// Progress, if set, is called now and then with what was read so far and is to be read in all, in bytes; the latter may grow.
	Progress func(done, total int64)
}

// Result is what came of it.
type Result struct {
	// Format is the dialect and version of the RDB.
	Format rdb.Format
	// Bytes is the length of the new base.
	Bytes int64
	// Keys are the keys of the new base's RDB; with a carry, the keys that a loader has may be others.
	Keys int64
	// Copied are the keys that went over as they were because nothing touched them, or, in one go, because no command looked at their values; Touched
	// those that commands were run on.
	Copied, Touched int64
	// Carried are the keys with commands in the carry, CarriedBytes its length, and Unknown the commands, or other reasons in
	// parentheses, by name and how often they came.
	Carried      int64
	CarriedBytes int64
	Unknown      map[string]int64
	// Passes is how often the increments were run: once, unless memory was short.
	Passes int
	// Refused counts commands that a server refuses.
	Refused int64
}
