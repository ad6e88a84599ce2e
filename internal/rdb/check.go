package rdb

import (
	"errors"
	"io"
	"strconv"
)

// maxListedDBs bounds Summary.KeysByDB against a file that names millions.
const maxListedDBs = 1 << 16

// replIDBytes is the length of a replication id (server.h:CONFIG_RUN_ID_SIZE).
const replIDBytes = 40

// Summary is what Check learns of an RDB file.
type Summary struct {
	// Dialect and Version are its format: "REDIS0011" is Redis 11, "VALKEY080" Valkey 80.
	Dialect Dialect
	Version int
	// Bytes is its length, CRC64 included; 0 if Check returned an error.
	Bytes int64
	// ServerVersion is the version of the server that wrote it; empty if it does not say so.
	ServerVersion string
	// ReplID, 40 characters as in the file, and ReplOffset are the position that the file says it holds. HasRepl is false, and they
	// are zero, if it does not: replication was not configured when it was written.
	ReplID     string
	ReplOffset int64
	HasRepl    bool
	// StreamDB is the database that the upstream's stream is in at that position; 0 if the file does not say so. It
	// matters where the upstream is itself a replica (protocol.md 6.4).
	StreamDB int
	// Keys counts the keys, with duplicates and those that a loader drops because they are empty; Expires those of them with an
	// expiry time.
	Keys, Expires int64
	// KeysByDB counts the keys of each database that has some, for the first 65,536 of them.
	KeysByDB map[int]int64
	// KeysByType counts the keys of each type that there is.
	KeysByType map[Type]int64
	// Functions counts the function libraries.
	Functions int
	// MaxDB is the highest database that is selected; a server with databases <= MaxDB exits on this file.
	MaxDB int
	// Checksummed says that there was a CRC64, and that it is right. Version 5 and later have one, unless the
	// server runs with rdbchecksum no.
	Checksummed bool
	// Unwalked is the type, opcode or version that this package does not know, if there is one. The counts end there, and with a
	// later version they and MaxDB are zero; the CRC64 was verified over the whole file all the same, if there is one: see Checksummed.
	Unwalked *UnknownError
}

// Check reads r to its end, which must be the end of one RDB file, and verifies structure and CRC64; the package comment says what
// that covers. No value is kept in memory.
//
// A file of a later version, with a well-formed magic, is accepted on its CRC64's word, Unwalked says so, and nothing is known
// of it but the auxiliary fields that it begins with, up to the first other item and within 128 KiB. One that was cut is then
// told by its CRC64, not by io.ErrUnexpectedEOF, unless it is shorter than any RDB file. Without a CRC64 only the code of the end is
// looked for.
//
// The error is a *CorruptError, an *UnsupportedError, or r's own, wrapped. The Summary is then what was learned before.
func Check(r io.Reader) (Summary, error) { return check(r, checker{}) }

// Walk is Check for what may go on behind the RDB, as the base of an AOF does with commands: Summary.Bytes is where that begins. visit is called for
// each item in the order of the file, and may take it with CopyRaw; its error ends the walk and is returned. Of a file that is not walked to its end
// (Summary.Unwalked) everything counts as the RDB, and visit sees what comes before.
func Walk(r io.Reader, visit func(rd *Reader, item *Item) error) (Summary, error) {
	return check(r, checker{visit: visit, goesOn: true})
}

// CheckHead is Check for what may go on behind the RDB, as the base of an AOF does with commands: rest reads on there. Of a file that is not walked to
// its end (Summary.Unwalked) everything counts as the RDB.
func CheckHead(r io.Reader) (sum Summary, rest io.Reader, err error) {
	rd, err := newReader(r)
	if err != nil {
		return Summary{}, nil, err
	}
	sum, err = checkWith(rd, checker{goesOn: true})
	return sum, rd.Rest(), err
}

func check(r io.Reader, c checker) (Summary, error) {
	rd, err := newReader(r)
	if err != nil {
		return Summary{}, err
	}
	return checkWith(rd, c)
}

func checkWith(rd *Reader, c checker) (Summary, error) {
	var err error
	c.summary = Summary{Dialect: rd.dialect, Version: rd.version}
	walk := c.run
	if rd.later() {
		walk = c.glance
	}
	if err = walk(rd); err == nil {
		c.summary.Bytes = rd.Offset()
	}
	c.summary.Checksummed = rd.Checksummed()
	c.finish()
	return c.summary, err
}

// checker collects a Summary. It counts in place what maps are too slow for.
type checker struct {
	visit   func(*Reader, *Item) error // may be nil
	goesOn  bool                       // the RDB need not be all there is
	summary Summary
	db      int
	dbKeys  int64
	types   [256]int64
}

func (c *checker) run(rd *Reader) error {
	var item Item // one for all: it is on the heap
	var err error
	for {
		item, err = rd.Next()
		switch {
		case err == nil:
			c.add(&item)
			if c.visit == nil {
				continue
			}
			if err := c.visit(rd, &item); err != nil {
				return err
			}
		case errors.Is(err, io.EOF):
			if c.goesOn {
				return nil
			}
			if !rd.src.atEOF() {
				rd.src.corrupt("bytes after the end")
			}
			return rd.src.err
		case errors.As(err, &c.summary.Unwalked):
			rd.src.err = nil
			return rd.drain()
		default:
			return err
		}
	}
}

func (c *checker) add(item *Item) {
	switch item.Kind {
	case KeyItem:
		c.dbKeys++
		c.types[item.Type]++
		if item.HasExpire {
			c.summary.Expires++
		}
	case SelectItem:
		c.leaveDB()
		c.db = item.DB
		c.summary.MaxDB = max(c.summary.MaxDB, item.DB)
	case FunctionItem:
		c.summary.Functions++
	case AuxItem:
		c.aux(string(item.Key), string(item.Value))
	case ResizeItem, SlotInfoItem, SlotImportItem, ModuleAuxItem:
	}
}

// aux takes an auxiliary field. What is not as servers write it is passed over, as loaders do.
func (c *checker) aux(name, value string) {
	switch name {
	case "redis-ver", "valkey-ver":
		c.summary.ServerVersion = value
	case "repl-id":
		if len(value) == replIDBytes {
			c.summary.ReplID = value
		}
	case "repl-offset":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			c.summary.ReplOffset, c.summary.HasRepl = n, true
		}
	case "repl-stream-db":
		if n, err := strconv.ParseInt(value, 10, 32); err == nil && n >= 0 {
			c.summary.StreamDB = int(n)
		}
	}
}

// leaveDB books the keys of the current database.
func (c *checker) leaveDB() {
	s := &c.summary
	if c.dbKeys == 0 {
		return
	}
	if s.KeysByDB == nil {
		s.KeysByDB = make(map[int]int64)
	}
	if _, known := s.KeysByDB[c.db]; known || len(s.KeysByDB) < maxListedDBs {
		s.KeysByDB[c.db] += c.dbKeys
	}
	s.Keys += c.dbKeys
	c.dbKeys = 0
}

func (c *checker) finish() {
	c.leaveDB()
	s := &c.summary
	for t, n := range c.types {
		if n == 0 {
			continue
		}
		if s.KeysByType == nil {
			s.KeysByType = make(map[Type]int64)
		}
		s.KeysByType[Type(t)] = n
	}
	if !s.HasRepl || s.ReplID == "" {
		s.HasRepl, s.ReplID, s.ReplOffset = false, "", 0
	}
}
