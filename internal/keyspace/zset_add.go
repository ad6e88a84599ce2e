package keyspace

import "math"

// zaddFlags are the options of ZADD that matter to the data; CH only asks for another answer.
type zaddFlags struct{ nx, xx, gt, lt, incr bool }

// compatible reports whether the server takes them together, for so many members.
func (f *zaddFlags) compatible(members int) bool {
	switch {
	case f.nx && (f.xx || f.gt || f.lt), f.gt && f.lt, f.incr && members > 1:
		return false
	default:
		return true
	}
}

// parse takes options from the front of args and returns what is left.
func (f *zaddFlags) parse(args [][]byte) [][]byte {
	for len(args) > 0 {
		switch arg := args[0]; {
		case isWord(arg, "NX"):
			f.nx = true
		case isWord(arg, "XX"):
			f.xx = true
		case isWord(arg, "GT"):
			f.gt = true
		case isWord(arg, "LT"):
			f.lt = true
		case isWord(arg, "INCR"):
			f.incr = true
		case isWord(arg, "CH"):
		default:
			return args
		}
		args = args[1:]
	}
	return args
}

// zadd runs ZADD key [options] score member [score member ...].
func zadd(c *call) error { return zaddWith(c, zaddFlags{}) }

// zincrby runs ZINCRBY key increment member.
func zincrby(c *call) error { return zaddWith(c, zaddFlags{incr: true}) }

// zaddWith is t_zset.c:zaddGenericCommand: ZINCRBY takes the options of ZADD too, though its arity leaves room for none.
func zaddWith(c *call, flags zaddFlags) error {
	pairs := flags.parse(c.args[2:])
	if len(pairs) == 0 || len(pairs)%2 != 0 || !flags.compatible(len(pairs)/2) {
		return errFailed
	}
	var buf [32]float64
	scores := buf[:0]
	for i := 0; i < len(pairs); i += 2 {
		score, ok := parseDouble(pairs[i])
		if !ok {
			return errFailed
		}
		scores = append(scores, score)
	}
	return zaddPairs(c, flags, scores, func(i int) []byte { return pairs[2*i+1] })
}

// zaddPairs gives members their scores.
func zaddPairs(c *call, flags zaddFlags, scores []float64, member func(i int) []byte) error {
	z, found, err := find[*zsetValue](c, c.args[1])
	switch {
	case err != nil:
		return err
	case !found && flags.xx:
		return nil
	case !found:
		z = &zsetValue{}
		z.expect(c.zsetHint(len(scores)), len(member(0)))
	case z.table == nil && c.zsetHint(len(scores)) > maxPackedMembers:
		z.unpack()
	}
	for i, score := range scores {
		if err := z.add(member(i), score, flags); err != nil {
			return err // an increment, and alone: nothing has changed
		}
	}
	if found {
		c.changed(c.args[1])
	} else {
		c.put(c.args[1], z)
	}
	return nil
}

// zsetHint is how many members a server expects of a command that brings so many: Redis 7.0 expects nothing (t_zset.c:zsetTypeCreate).
func (c *call) zsetHint(members int) int {
	if c.space.opt.Format.Version < 11 {
		return 0
	}
	return members
}

// add is t_zset.c:zsetAdd. It returns errFailed, and changes nothing, if a sum is not a number.
func (z *zsetValue) add(member []byte, score float64, flags zaddFlags) error {
	now, found := z.score(member)
	switch {
	case !found && flags.xx, found && flags.nx:
		return nil
	case !found:
		z.put(member, score)
		return nil
	}
	if flags.incr {
		if score += now; math.IsNaN(score) {
			return errFailed
		}
	}
	if score == now || (flags.lt && score > now) || (flags.gt && score < now) {
		return nil
	}
	z.put(member, score)
	return nil
}
