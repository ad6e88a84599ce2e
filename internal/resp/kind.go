package resp

import "encoding/binary"

// Kind says what a command means to whoever keeps or drops it. Names match in any case: servers spell
// them in either (protocol.md 2.1).
type Kind uint8

const (
	// Other is a command that is kept and changes neither database nor transaction.
	Other Kind = iota
	// Select is SELECT. Kept.
	Select
	// Multi is MULTI. Kept.
	Multi
	// Exec is EXEC. Kept.
	Exec
	// Ping is PING, the upstream's heartbeat, or one of our marks in a file. Dropped from a stream.
	Ping
	// Replconf is REPLCONF, in a stream always GETACK. Dropped.
	Replconf
	// Publish is PUBLISH or SPUBLISH. Dropped: messages are not data.
	Publish
	// ClusterOther is CLUSTER with any sub-command but FLUSHSLOT, or with none. Dropped: it is about a node, not about
	// data. CLUSTER FLUSHSLOT deletes keys (Valkey 9.1) and is Other.
	ClusterOther
	// Newline is one bare "\n" or "\r\n" between commands. Dropped: AOF loaders die of it.
	Newline
	// Annotation is a line "#..." of an AOF file; see Scanner.AllowAnnotations. Never in a stream.
	Annotation
)

// String returns the kind's name in lower case, for errors and logs.
func (k Kind) String() string {
	switch k {
	case Other:
		return "other"
	case Select:
		return "select"
	case Multi:
		return "multi"
	case Exec:
		return "exec"
	case Ping:
		return "ping"
	case Replconf:
		return "replconf"
	case Publish:
		return "publish"
	case ClusterOther:
		return "cluster"
	case Newline:
		return "newline"
	case Annotation:
		return "annotation"
	default:
		return "unknown"
	}
}

// Dropped reports whether stream bytes of this kind advance the offset but are not written to the log.
func (k Kind) Dropped() bool { return k >= Ping && k <= Newline }

// kindOf classifies a command by its name. CLUSTER gives ClusterOther; kindWithArg refines it.
func kindOf(name []byte) Kind {
	switch len(name) {
	case 4:
		switch lower4(name) {
		case 'p' | 'i'<<8 | 'n'<<16 | 'g'<<24:
			return Ping
		case 'e' | 'x'<<8 | 'e'<<16 | 'c'<<24:
			return Exec
		}
	case 5:
		if lower4(name) == 'm'|'u'<<8|'l'<<16|'t'<<24 && name[4]|0x20 == 'i' {
			return Multi
		}
	case 6:
		if lower4(name) == 's'|'e'<<8|'l'<<16|'e'<<24 && equalFold(name[4:], "ct") {
			return Select
		}
	case 7:
		switch lower4(name) {
		case 'p' | 'u'<<8 | 'b'<<16 | 'l'<<24:
			if equalFold(name[4:], "ish") {
				return Publish
			}
		case 'c' | 'l'<<8 | 'u'<<16 | 's'<<24:
			if equalFold(name[4:], "ter") {
				return ClusterOther
			}
		}
	case 8:
		switch lower4(name) {
		case 'r' | 'e'<<8 | 'p'<<16 | 'l'<<24:
			if equalFold(name[4:], "conf") {
				return Replconf
			}
		case 's' | 'p'<<8 | 'u'<<16 | 'b'<<24:
			if equalFold(name[4:], "lish") {
				return Publish
			}
		}
	}
	return Other
}

// kindWithArg refines kindOf's answer once argument 1 is known.
func kindWithArg(k Kind, arg1 []byte) Kind {
	if k == ClusterOther && equalFold(arg1, "flushslot") {
		return Other
	}
	return k
}

// lower4 returns the first four bytes of b, little endian, with ASCII letters in lower case. Other bytes may change too,
// but none of them into a letter.
func lower4(b []byte) uint32 { return binary.LittleEndian.Uint32(b) | 0x20202020 }

// equalFold reports whether b is word, which consists of lower-case ASCII letters only, in any case.
// Unlike bytes.EqualFold it knows nothing of Unicode: to a server U+017F is no S.
func equalFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range len(b) {
		if b[i]|0x20 != word[i] {
			return false
		}
	}
	return true
}
