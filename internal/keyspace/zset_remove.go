package keyspace

// zrem runs ZREM key member [member ...].
func zrem(c *call) error {
	z, found, err := find[*zsetValue](c, c.args[1])
	if !found || err != nil {
		return err
	}
	for _, member := range c.args[2:] {
		z.remove(member)
	}
	c.changed(c.args[1])
	return nil
}

// zremrangebyrank runs ZREMRANGEBYRANK key start stop.
func zremrangebyrank(c *call) error {
	start, ok1 := parseInt(c.args[2])
	stop, ok2 := parseInt(c.args[3])
	if !ok1 || !ok2 {
		return errFailed
	}
	z, found, err := find[*zsetValue](c, c.args[1])
	if !found || err != nil {
		return err
	}
	c.removeRanks(c.args[1], z, start, stop)
	return nil
}

// removeRanks removes what a first and a last index mean.
func (c *call) removeRanks(key []byte, z *zsetValue, start, stop int64) {
	z.removeRanks(rankSpan(z.length(), start, stop))
	c.changed(key)
}

// zremrangebyscore runs ZREMRANGEBYSCORE key min max.
func zremrangebyscore(c *call) error {
	r, ok := parseScoreRange(c.args[2], c.args[3])
	return zremrange(c, r, ok)
}

// zremrangebylex runs ZREMRANGEBYLEX key min max.
func zremrangebylex(c *call) error {
	r, ok := parseLexRange(c.args[2], c.args[3])
	return zremrange(c, r, ok)
}

func zremrange(c *call, r zsetRange, ok bool) error {
	if !ok {
		return errFailed
	}
	z, found, err := find[*zsetValue](c, c.args[1])
	if !found || err != nil {
		return err
	}
	z.removeRanks(z.span(r, wholeRange()))
	c.changed(c.args[1])
	return nil
}

// zpopmin and zpopmax run ZPOPMIN and ZPOPMAX key [count].
func zpopmin(c *call) error { return zpop(c, zsetMin) }
func zpopmax(c *call) error { return zpop(c, zsetMax) }

// zsetEnd is one end of a sorted set.
type zsetEnd bool

const (
	zsetMin zsetEnd = false
	zsetMax zsetEnd = true
)

func zpop(c *call, end zsetEnd) error {
	count := int64(1)
	if len(c.args) > 2 {
		n, ok := parseInt(c.args[2])
		if !ok || n < 0 || len(c.args) > 3 {
			return errFailed
		}
		count = n
	}
	return c.popFirst(c.args[1:2], end, count)
}

// popFirst removes up to count members from the end of the first sorted set that there is.
func (c *call) popFirst(keys [][]byte, end zsetEnd, count int64) error {
	for _, key := range keys {
		z, found, err := find[*zsetValue](c, key)
		if err != nil {
			return err
		}
		switch {
		case !found:
			continue
		case count == 0:
		case end == zsetMin:
			c.removeRanks(key, z, 0, count-1)
		default:
			c.removeRanks(key, z, -min(count, int64(z.length())), -1)
		}
		return nil
	}
	return nil
}

// bzpopmin and bzpopmax run BZPOPMIN and BZPOPMAX key [key ...] timeout, which do not wait in a log.
func bzpopmin(c *call) error { return bzpop(c, zsetMin) }
func bzpopmax(c *call) error { return bzpop(c, zsetMax) }

func bzpop(c *call, end zsetEnd) error {
	last := len(c.args) - 1
	if !isTimeout(c.args[last]) {
		return errFailed
	}
	return c.popFirst(c.args[1:last], end, 1)
}

// isTimeout reports whether arg is a timeout in seconds as blocking commands take it (timeout.c:getTimeoutFromObjectOrReply): a long double,
// for which nothing is too near to 0, rounded up to milliseconds.
func isTimeout(arg []byte) bool {
	if n := floatPrefix(arg); n == 0 || n < len(arg) {
		return false
	}
	seconds, ok := convertFloat(arg)
	return ok && seconds > -0.001 && seconds <= maxTimeout
}

// maxTimeout is the longest timeout in seconds, about: as milliseconds it must fit an int64.
const maxTimeout = (1<<63 - 1) / 1000

// zmpop runs ZMPOP numkeys key [key ...] MIN|MAX [COUNT count], and bzmpop BZMPOP timeout and then the same.
func zmpop(c *call) error { return mpop(c, c.args[1:]) }

func bzmpop(c *call) error {
	if !isTimeout(c.args[1]) {
		return errFailed
	}
	return mpop(c, c.args[2:])
}

// planBZPop, planZMPop and planBZMPop are the plans of the commands that pop from the first key that there is.
func planBZPop(args [][]byte, p *Plan) { writesAll(args[:len(args)-1], p) }
func planZMPop(args [][]byte, p *Plan) { planCounted(args[1:], p) }

func planBZMPop(args [][]byte, p *Plan) { planCounted(args[2:], p) }

func planCounted(args [][]byte, p *Plan) {
	keys, _, _ := countedKeys(args)
	for _, key := range keys {
		p.add(key, Writes)
	}
}

func mpop(c *call, args [][]byte) error {
	keys, rest, ok := countedKeys(args)
	if !ok || len(rest) == 0 {
		return errFailed
	}
	var end zsetEnd
	switch {
	case isWord(rest[0], "MIN"):
		end = zsetMin
	case isWord(rest[0], "MAX"):
		end = zsetMax
	default:
		return errFailed
	}
	count := int64(1)
	if rest = rest[1:]; len(rest) > 0 {
		if len(rest) != 2 || !isWord(rest[0], "COUNT") {
			return errFailed
		}
		if count, ok = parseInt(rest[1]); !ok || count < 1 {
			return errFailed
		}
	}
	return c.popFirst(keys, end, count)
}

// countedKeys splits arguments that begin with a number of keys and the keys.
func countedKeys(args [][]byte) (keys, rest [][]byte, ok bool) {
	if len(args) == 0 {
		return nil, nil, false
	}
	n, ok := parseInt(args[0])
	if !ok || n < 1 || n > int64(len(args)-1) {
		return nil, nil, false
	}
	return args[1 : 1+n], args[1+n:], true
}
