package resp

import "math"

// Tracker follows SELECT, MULTI and EXEC: which database is selected after the commands seen so far, and
// whether they end inside a transaction. The zero value is a loader's state at the start of a file: database 0, outside MULTI.
// Set the fields to go on from another state.
type Tracker struct {
	// DB is the selected database. A SELECT inside MULTI counts at once: upstreams put it there only before a
	// command that they ran in that database (server.c:propagatePendingCommands).
	DB int
	// Multi says that MULTI was seen and its EXEC was not.
	Multi bool
}

// Done takes the command that s has just ended. Call it each time Scanner.Next says done.
//
// SELECT without one database number, MULTI or EXEC with arguments, MULTI inside MULTI and EXEC outside
// are a *SyntaxError: servers never propagate them, so the stream or file is damaged. Its Offset is the end of the command. t is then
// unchanged. Numbers are not compared with the upstream's "databases", which t does not know.
func (t *Tracker) Done(s *Scanner) error {
	if s.kind == Other {
		return nil
	}
	return t.special(s)
}

func (t *Tracker) special(s *Scanner) error {
	switch s.kind {
	case Select:
		db, what := parseNumber(s.Arg(1), math.MaxInt32)
		if s.args != 2 || what != "" {
			return s.errorHere("SELECT without a database number")
		}
		t.DB = int(db)
	case Multi:
		if t.Multi || s.args != 1 {
			return s.errorHere("MULTI inside MULTI or with arguments")
		}
		t.Multi = true
	case Exec:
		if !t.Multi || s.args != 1 {
			return s.errorHere("EXEC without MULTI or with arguments")
		}
		t.Multi = false
	case Other, Ping, Replconf, Publish, ClusterOther, Newline, Annotation:
	}
	return nil
}
