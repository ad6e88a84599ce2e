package stream

import (
	"fmt"
	"strconv"
	"strings"
)

// ReplIDLen is the length of a replication id in bytes (Redis server.h:CONFIG_RUN_ID_SIZE).
const ReplIDLen = 40

// ReplID is a replication id: 40 lower-case hexadecimal digits. The zero value means "none known".
type ReplID [ReplIDLen]byte

// ParseReplID reads 40 hexadecimal digits in any case; servers compare ids without case.
func ParseReplID(s string) (ReplID, error) {
	var id ReplID
	if len(s) != ReplIDLen {
		return ReplID{}, fmt.Errorf("parse replid %.64q: want %d hex digits, got %d bytes", s, ReplIDLen, len(s))
	}
	for i := range ReplIDLen {
		c := s[i]
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f':
		case c >= 'A' && c <= 'F':
			c += 'a' - 'A'
		default:
			return ReplID{}, fmt.Errorf("parse replid %q: byte %d is not a hex digit", s, i)
		}
		id[i] = c
	}
	return id, nil
}

// IsZero reports whether no id is known.
func (id ReplID) IsZero() bool { return id == ReplID{} }

// String returns the 40 digits, or "?" for the zero value, as PSYNC writes it.
func (id ReplID) String() string {
	if id.IsZero() {
		return "?"
	}
	return string(id[:])
}

// Short returns the first 8 digits, as timelines are named; "?" for the zero value.
func (id ReplID) Short() string {
	if id.IsZero() {
		return "?"
	}
	return string(id[:8])
}

// Offset is a replication offset in bytes. See the package comment for what it counts.
type Offset int64

// Position is a place in an upstream's history: every stream byte of ReplID up to and including
// Offset is taken. The zero value means "nothing yet": ask for a full resync.
type Position struct {
	ReplID ReplID
	Offset Offset
}

// IsZero reports whether the position names no history.
func (p Position) IsZero() bool { return p.ReplID.IsZero() }

// String returns "<replid>:<offset>".
func (p Position) String() string {
	return p.ReplID.String() + ":" + strconv.FormatInt(int64(p.Offset), 10)
}

// ParsePosition reads what String writes, and nothing else but ids in upper case. "?:<n>" is refused: a position without an id is the zero value.
func ParsePosition(s string) (Position, error) {
	id, off, ok := strings.Cut(s, ":")
	if !ok {
		return Position{}, fmt.Errorf("parse position %.80q: want <replid>:<offset>", s)
	}
	replid, err := ParseReplID(id)
	if err != nil {
		return Position{}, fmt.Errorf("parse position: %w", err)
	}
	n, err := strconv.ParseInt(off, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != off {
		return Position{}, fmt.Errorf("parse position %q: offset is not a whole number >= 0", s)
	}
	return Position{ReplID: replid, Offset: Offset(n)}, nil
}
