package keyspace

import (
	"math"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// expiryKind is which of the options is given that decide what becomes of the expiry.
type expiryKind uint8

const (
	expiryNone    expiryKind = iota // SET removes it, GETEX leaves it
	expiryKeep                      // KEEPTTL
	expiryPersist                   // PERSIST
	expiryEX
	expiryPX
	expiryEXAT
	expiryPXAT
)

// relative reports whether the time counts from when the command ran.
func (k expiryKind) relative() bool { return k == expiryEX || k == expiryPX }

// timed reports whether there is a time.
func (k expiryKind) timed() bool { return k >= expiryEX }

// seconds reports whether the time is in seconds and not in milliseconds.
func (k expiryKind) seconds() bool { return k == expiryEX || k == expiryEXAT }

// stringOptions are the options of SET, GETEX and MSETEX (t_string.c:parseExtendedStringArgumentsOrReply).
type stringOptions struct {
	kind   expiryKind
	time   []byte // as it was given, with a kind that has one
	at     int64  // time in Unix milliseconds; rdb.NoExpire if there is none, or if it is relative
	nx, xx bool
	get    bool
	ifEq   bool
	equals []byte // of IFEQ
}

// parsed is what came of parsing.
type parsed uint8

const (
	parsedWell parsed = iota
	// parsedWrong is for what servers refuse.
	parsedWrong
	// parsedUnknown is for words that no server that we know has. A later one may.
	parsedUnknown
)

// optionsOf says whose options are meant: not all have all.
type optionsOf uint8

const (
	optionsOfSet optionsOf = iota
	optionsOfGetEx
	optionsOfMSetEx
)

// parse reads the options in args.
func (o *stringOptions) parse(args [][]byte, of optionsOf) parsed {
	for len(args) > 0 {
		n, result := o.word(args, of)
		if result != parsedWell {
			return result
		}
		args = args[n:]
	}
	return o.finish()
}

// finish looks at the time, of which several may have been given: the last one counts.
func (o *stringOptions) finish() parsed {
	o.at = rdb.NoExpire
	if !o.kind.timed() {
		return parsedWell
	}
	at, ok := parseInt(o.time)
	if !ok || at <= 0 || (o.kind.seconds() && at > math.MaxInt64/1000) {
		return parsedWrong
	}
	if o.kind.seconds() {
		at *= 1000
	}
	if !o.kind.relative() {
		o.at = at
	}
	return parsedWell
}

// word reads the first option in args and returns how many of them belong to it.
func (o *stringOptions) word(args [][]byte, of optionsOf) (int, parsed) {
	switch word := args[0]; {
	case of != optionsOfGetEx && isWord(word, "NX"):
		o.nx = true
		return 1, wrongIf(o.xx || o.ifEq)
	case of != optionsOfGetEx && isWord(word, "XX"):
		o.xx = true
		return 1, wrongIf(o.nx || o.ifEq)
	case of == optionsOfSet && isWord(word, "GET"):
		o.get = true
		return 1, parsedWell
	case of == optionsOfSet && isWord(word, "IFEQ"):
		if len(args) < 2 || o.nx || o.xx || o.ifEq {
			return 0, parsedWrong
		}
		o.ifEq, o.equals = true, args[1]
		return 2, parsedWell
	case of != optionsOfGetEx && isWord(word, "KEEPTTL"):
		return 1, o.setKind(expiryKeep)
	case of == optionsOfGetEx && isWord(word, "PERSIST"):
		return 1, o.setKind(expiryPersist)
	default:
		return o.timed(args)
	}
}

func wrongIf(wrong bool) parsed {
	if wrong {
		return parsedWrong
	}
	return parsedWell
}

// setKind takes note of an option that excludes the others of its sort, but not itself.
func (o *stringOptions) setKind(kind expiryKind) parsed {
	wrong := o.kind != expiryNone && o.kind != kind
	o.kind = kind
	return wrongIf(wrong)
}

// timed reads one of the options that have a time.
func (o *stringOptions) timed(args [][]byte) (int, parsed) {
	var kind expiryKind
	switch word := args[0]; {
	case isWord(word, "PXAT"):
		kind = expiryPXAT
	case isWord(word, "EXAT"):
		kind = expiryEXAT
	case isWord(word, "PX"):
		kind = expiryPX
	case isWord(word, "EX"):
		kind = expiryEX
	default:
		return 0, parsedUnknown
	}
	if len(args) < 2 {
		return 0, parsedWrong
	}
	o.time = args[1]
	return 2, o.setKind(kind)
}

// plan returns how a command whose options came out so uses the keys that it sets, and whether it does anything. It takes note in p if
// it is to be carried.
func (o *stringOptions) plan(p *Plan, result parsed) (use Use, ok bool) {
	if result == parsedWrong {
		return Writes, false
	}
	if result == parsedUnknown || o.kind.relative() {
		p.Effect = Carry
		return Writes, true
	}
	if o.nx || o.xx || o.get || o.ifEq || o.kind == expiryKeep {
		return Writes, true
	}
	return Overwrites, true
}

// check returns the error that ends a command whose options came out so.
func (o *stringOptions) check(c *call, result parsed) error {
	switch {
	case result == parsedWrong:
		return errFailed
	case result == parsedUnknown || o.kind.relative():
		return &UnknownCommandError{Name: string(c.args[0])}
	default:
		return nil
	}
}
