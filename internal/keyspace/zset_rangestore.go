package keyspace

// rangeBy is what ZRANGESTORE selects by.
type rangeBy uint8

const (
	byRank rangeBy = iota
	byScore
	byLex
)

// storedRange is what the arguments of ZRANGESTORE ask for.
type storedRange struct {
	by     rangeBy
	window window
}

// parseStoredRange parses the options, which follow minimum and maximum.
func parseStoredRange(args [][]byte) (r storedRange, ok bool) {
	r.window = wholeRange()
	for len(args) > 0 {
		taken := 1
		switch arg := args[0]; {
		case isWord(arg, "LIMIT") && len(args) > 2:
			offset, ok1 := parseInt(args[1])
			limit, ok2 := parseInt(args[2])
			if !ok1 || !ok2 {
				return r, false
			}
			r.window.offset, r.window.limit = offset, limit
			taken = 3
		case isWord(arg, "REV") && !r.window.reverse:
			r.window.reverse = true
		case isWord(arg, "BYLEX") && r.by == byRank:
			r.by = byLex
		case isWord(arg, "BYSCORE") && r.by == byRank:
			r.by = byScore
		default:
			return r, false
		}
		args = args[taken:]
	}
	return r, r.by != byRank || r.window.limit == -1
}

// beyond reports whether the offset is negative, where it means nothing: servers since Redis 7.4 and Valkey 8.0 then answer one thing for a
// listpack and another for a skip list, and which one the upstream has depends on its configuration.
func (r *storedRange) beyond() bool { return r.by != byRank && r.window.offset < 0 }

// planZRangeStore is the plan of ZRANGESTORE.
func planZRangeStore(args [][]byte, p *Plan) {
	p.add(args[1], Writes)
	p.add(args[2], Reads)
	if r, ok := parseStoredRange(args[5:]); ok && r.beyond() {
		p.Effect = Carry
	}
}

// zrangestore runs ZRANGESTORE dst src min max [BYSCORE|BYLEX] [REV] [LIMIT offset count].
func zrangestore(c *call) error {
	r, ok := parseStoredRange(c.args[5:])
	if !ok {
		return errFailed
	}
	if r.beyond() {
		return &UnknownCommandError{Name: "ZRANGESTORE with a negative offset"}
	}
	first, last := c.args[3], c.args[4]
	if r.window.reverse && r.by != byRank {
		first, last = last, first
	}
	span, ok := r.limits(first, last)
	if !ok {
		return errFailed
	}
	z, found, err := find[*zsetValue](c, c.args[2])
	if err != nil {
		return err
	}
	stored := &zsetValue{}
	if found {
		lo, hi := span(z)
		if r.by == byRank {
			stored.expect(hi-lo, 0)
		}
		z.copyRanks(stored, lo, hi, r.window.reverse)
	}
	c.replace(c.args[1], stored)
	return nil
}

// limits parses what limits the range, and returns the function that finds the ranks which it means in a set.
func (r *storedRange) limits(first, last []byte) (span func(z *zsetValue) (lo, hi int), ok bool) {
	if r.by == byRank {
		start, ok1 := parseInt(first)
		stop, ok2 := parseInt(last)
		return func(z *zsetValue) (lo, hi int) {
			lo, hi = rankSpan(z.length(), start, stop)
			if r.window.reverse && lo < hi {
				lo, hi = z.length()-hi, z.length()-lo
			}
			return lo, hi
		}, ok1 && ok2
	}
	var in zsetRange
	if r.by == byScore {
		in, ok = parseScoreRange(first, last)
	} else {
		in, ok = parseLexRange(first, last)
	}
	return func(z *zsetValue) (lo, hi int) { return z.span(in, r.window) }, ok
}

// copyRanks puts the members of the ranks from lo up to hi, which is left, into another set, in the order in which a server does.
func (z *zsetValue) copyRanks(to *zsetValue, lo, hi int, reverse bool) {
	one := func(rank int) {
		z.each(rank, func(member []byte, score float64) bool {
			to.put(member, score)
			return false
		})
	}
	if reverse {
		for rank := hi - 1; rank >= lo; rank-- {
			one(rank)
		}
		return
	}
	left := hi - lo
	z.each(lo, func(member []byte, score float64) bool {
		if left == 0 {
			return false
		}
		to.put(member, score)
		left--
		return true
	})
}
