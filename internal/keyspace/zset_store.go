package keyspace

import (
	"cmp"
	"math"
	"slices"
)

// zsetSource is one key that ZUNIONSTORE, ZINTERSTORE or ZDIFFSTORE reads: a sorted set, a set, whose members all have the score 1, or neither if
// there is none.
type zsetSource struct {
	zset   *zsetValue
	set    *setValue
	weight float64
}

func (s *zsetSource) length() int {
	switch {
	case s.zset != nil:
		return s.zset.length()
	case s.set != nil:
		return s.set.len()
	default:
		return 0
	}
}

func (s *zsetSource) score(member []byte) (score float64, found bool) {
	switch {
	case s.zset != nil:
		return s.zset.score(member)
	case s.set != nil:
		return 1, s.set.has(member)
	default:
		return 0, false
	}
}

// each calls visit for each member in any order. The member is valid during the call.
func (s *zsetSource) each(visit func(member []byte, score float64)) {
	switch {
	case s.zset != nil:
		s.zset.eachInAnyOrder(visit)
	case s.set != nil:
		s.set.each(func(member []byte) bool {
			visit(member, 1)
			return true
		})
	}
}

// aggregate says what becomes of two scores of one member.
type aggregate uint8

const (
	aggregateSum aggregate = iota
	aggregateMin
	aggregateMax
)

// of is t_zset.c:zunionInterAggregate: infinity less infinity is 0, and the first one stays where the second is no number.
func (a aggregate) of(score, with float64) float64 {
	switch {
	case a == aggregateSum:
		return orZero(score + with)
	case a == aggregateMin && with < score, a == aggregateMax && with > score:
		return with
	default:
		return score
	}
}

// orZero returns f, and 0 for what is not a number: 0 times infinity, infinity less infinity.
func orZero(f float64) float64 {
	if math.IsNaN(f) {
		return 0
	}
	return f
}

// parseZSetOptions parses [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX] and gives the sources their weights.
func parseZSetOptions(args [][]byte, sources []zsetSource) (a aggregate, ok bool) {
	for len(args) > 0 {
		taken := 2
		switch {
		case isWord(args[0], "WEIGHTS") && len(args) > len(sources):
			for i := range sources {
				if sources[i].weight, ok = parseDouble(args[1+i]); !ok {
					return a, false
				}
			}
			taken = 1 + len(sources)
		case isWord(args[0], "AGGREGATE") && len(args) > 1:
			if a, ok = parseAggregate(args[1]); !ok {
				return a, false
			}
		default:
			return a, false
		}
		args = args[taken:]
	}
	return a, true
}

func parseAggregate(arg []byte) (aggregate, bool) {
	switch {
	case isWord(arg, "SUM"):
		return aggregateSum, true
	case isWord(arg, "MIN"):
		return aggregateMin, true
	case isWord(arg, "MAX"):
		return aggregateMax, true
	default:
		return 0, false
	}
}

// planZSetStore is the plan of Z*STORE destination numkeys key [key ...].
func planZSetStore(args [][]byte, p *Plan) {
	keys, _, ok := countedKeys(args[2:])
	if !ok {
		return
	}
	p.add(args[1], Writes)
	for _, key := range keys {
		p.add(key, Reads)
	}
}

// zsetSources looks up the sources and returns the options behind them.
func (c *call) zsetSources() (sources []zsetSource, options [][]byte, err error) {
	keys, options, ok := countedKeys(c.args[2:])
	if !ok {
		return nil, nil, errFailed
	}
	sources = make([]zsetSource, len(keys))
	for i, key := range keys {
		e, err := c.entry(key)
		if err != nil {
			return nil, nil, err
		}
		sources[i].weight = 1
		if e == nil {
			continue
		}
		switch v := e.value.(type) {
		case *zsetValue:
			sources[i].zset = v
		case *setValue:
			sources[i].set = v
		default:
			return nil, nil, errFailed
		}
	}
	return sources, options, nil
}

// bySize orders sources from the smallest on, which is the order that scores are added in (t_zset.c:zunionInterDiffGenericCommand), and with
// three sources or more the order decides about the last bit of a sum. Equal ones stay as they are, as qsort of the GNU C library leaves them; that of
// musl, with which some images are built, may not.
func bySize(sources []zsetSource) {
	slices.SortStableFunc(sources, func(a, b zsetSource) int { return cmp.Compare(a.length(), b.length()) })
}

// zunionstore runs ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX].
func zunionstore(c *call) error {
	sources, options, err := c.zsetSources()
	if err != nil {
		return err
	}
	how, ok := parseZSetOptions(options, sources)
	if !ok {
		return errFailed
	}
	bySize(sources)
	union := &zsetValue{}
	for i := range sources {
		weight := sources[i].weight
		sources[i].each(func(member []byte, score float64) {
			score = orZero(float64(weight * score))
			if now, found := union.score(member); found {
				score = how.of(now, score)
			}
			union.fill(member, score)
		})
	}
	c.storeZSet(union)
	return nil
}

// zinterstore runs ZINTERSTORE, with the arguments of ZUNIONSTORE.
func zinterstore(c *call) error {
	sources, options, err := c.zsetSources()
	if err != nil {
		return err
	}
	how, ok := parseZSetOptions(options, sources)
	if !ok {
		return errFailed
	}
	bySize(sources)
	inter := &zsetValue{}
	sources[0].each(func(member []byte, score float64) {
		score = orZero(float64(sources[0].weight * score))
		for i := range sources[1:] {
			other, found := sources[1+i].score(member)
			if !found {
				return
			}
			score = how.of(score, float64(sources[1+i].weight*other)) // a product that is no number is not 0 here
		}
		inter.fill(member, score)
	})
	c.storeZSet(inter)
	return nil
}

// zdiffstore runs ZDIFFSTORE destination numkeys key [key ...].
func zdiffstore(c *call) error {
	sources, options, err := c.zsetSources()
	if err != nil {
		return err
	}
	if len(options) > 0 {
		return errFailed
	}
	diff := &zsetValue{}
	sources[0].each(func(member []byte, score float64) {
		for i := range sources[1:] {
			if _, found := sources[1+i].score(member); found {
				return
			}
		}
		diff.fill(member, score)
	})
	c.storeZSet(diff)
	return nil
}

// storeZSet makes z what is under the first key.
func (c *call) storeZSet(z *zsetValue) {
	z.settle()
	c.replace(c.args[1], z)
}
