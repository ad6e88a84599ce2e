package keyspace

import "github.com/aofsidecar/aofsidecar/internal/rdb"

// trimBy is what XADD and XTRIM trim by.
type trimBy uint8

const (
	trimNone trimBy = iota
	trimLength
	trimID
)

// trimArgs is how much of a stream is to go.
type trimArgs struct {
	by     trimBy
	length uint64       // what is to be left
	id     rdb.StreamID // the least that is to be left
	// about says that only what a server finds easy is to go, which depends on how it is configured.
	about bool
}

// addArgs is what XADD is asked for.
type addArgs struct {
	trim   trimArgs
	id     rdb.StreamID
	form   streamIDForm // noStreamID: "*"
	create bool         // the key if there is none
	fields [][]byte     // and values, in turn
}

// parseAdd parses the arguments of XADD; false: the server refuses them, or knows more than we do.
func parseAdd(args [][]byte) (a addArgs, ok bool) {
	a.create = true
	at, ok := parseTrim(args, &a.trim, func(arg []byte) (stop, ok bool) {
		if string(cString(arg)) == "*" {
			return true, true
		}
		if isWord(arg, "NOMKSTREAM") {
			a.create = false
			return false, true
		}
		a.id, a.form = parseNewStreamID(arg)
		return true, a.form != noStreamID
	})
	if !ok || at >= len(args) {
		return a, false
	}
	a.fields = args[at+1:]
	return a, len(a.fields) >= 2 && len(a.fields)%2 == 0 && (a.form != fullStreamID || !a.id.IsZero())
}

// parseTrim parses the options behind the key, and returns where it stopped (t_stream.c:streamParseAddOrTrimArgsOrReply). other is for what is no option of trimming.
func parseTrim(args [][]byte, t *trimArgs, other func(arg []byte) (stop, ok bool)) (at int, ok bool) {
	limit := int64(0)
	for at = 2; at < len(args); at++ {
		arg, more := args[at], len(args)-1-at
		switch {
		case more > 0 && (isWord(arg, "MAXLEN") || isWord(arg, "MINID")):
			if t.by != trimNone {
				return at, false
			}
			if at, ok = parseTrimBy(args, at, t); !ok {
				return at, false
			}
		case more > 0 && isWord(arg, "LIMIT"):
			at++
			// A log's LIMIT is what is left of a trim that has been made exact: it has no effect.
			if limit, ok = parseInt(args[at]); !ok || limit < 0 {
				return at, false
			}
		default:
			stop, ok := other(arg)
			if !ok || stop {
				return at, ok && (limit == 0 || t.by != trimNone)
			}
		}
	}
	return at, limit == 0 || t.by != trimNone
}

// parseTrimBy parses MAXLEN or MINID at args[at], which is not the last, and returns where its value is.
func parseTrimBy(args [][]byte, at int, t *trimArgs) (value int, ok bool) {
	byLength := isWord(args[at], "MAXLEN")
	at++
	if at+1 < len(args) {
		switch string(cString(args[at])) {
		case "~":
			t.about = true
			at++
		case "=":
			at++
		}
	}
	if !byLength {
		t.by = trimID
		t.id, ok = parseStreamID(args[at])
		return at, ok
	}
	t.by = trimLength
	n, ok := parseInt(args[at])
	t.length = uint64(n)
	return at, ok && n >= 0
}
