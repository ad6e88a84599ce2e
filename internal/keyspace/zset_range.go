package keyspace

import "bytes"

// zsetRange is a range of a sorted set by what its members are.
type zsetRange interface {
	// fromMin and toMax report whether a member is on the right side of the minimum, and of the maximum.
	fromMin(member []byte, score float64) bool
	toMax(member []byte, score float64) bool
	// void reports whether nothing can be between minimum and maximum.
	void() bool
}

// scoreRange is a range by score.
type scoreRange struct{ min, max scoreLimit }

type scoreLimit struct {
	score    float64
	excluded bool
}

// parseScoreRange parses the limits of a range by score: a number, behind a ( if it is not in the range itself.
func parseScoreRange(minArg, maxArg []byte) (*scoreRange, bool) {
	from, ok1 := parseScoreLimit(minArg)
	to, ok2 := parseScoreLimit(maxArg)
	return &scoreRange{min: from, max: to}, ok1 && ok2
}

func parseScoreLimit(arg []byte) (l scoreLimit, ok bool) {
	if len(arg) > 0 && arg[0] == '(' {
		arg, l.excluded = arg[1:], true
	}
	l.score, ok = parseLimit(arg)
	return l, ok
}

func (r *scoreRange) fromMin(_ []byte, score float64) bool {
	return score > r.min.score || (score == r.min.score && !r.min.excluded)
}

func (r *scoreRange) toMax(_ []byte, score float64) bool {
	return score < r.max.score || (score == r.max.score && !r.max.excluded)
}

func (r *scoreRange) void() bool {
	return r.min.score > r.max.score || (r.min.score == r.max.score && (r.min.excluded || r.max.excluded))
}

// lexRange is a range by member, which means something where all scores are the same.
type lexRange struct{ min, max lexLimit }

// lexLimit is one side of a lexRange. Its end is -1 for - and 1 for +, which no member is.
type lexLimit struct {
	member   []byte
	end      int
	excluded bool
}

// parseLexRange parses the limits of a range by member: -, +, or a member behind [ or, if it is not in the range itself, behind (.
func parseLexRange(minArg, maxArg []byte) (*lexRange, bool) {
	from, ok1 := parseLexLimit(minArg)
	to, ok2 := parseLexLimit(maxArg)
	return &lexRange{min: from, max: to}, ok1 && ok2
}

func parseLexLimit(arg []byte) (l lexLimit, ok bool) {
	switch {
	case isWord(arg, "-"):
		return lexLimit{end: -1, excluded: true}, true
	case isWord(arg, "+"):
		return lexLimit{end: 1, excluded: true}, true
	case len(arg) > 0 && (arg[0] == '(' || arg[0] == '['):
		return lexLimit{member: arg[1:], excluded: arg[0] == '('}, true
	default:
		return l, false
	}
}

// compare compares a member with the limit.
func (l *lexLimit) compare(member []byte) int {
	if l.end != 0 {
		return -l.end
	}
	return bytes.Compare(member, l.member)
}

func (r *lexRange) fromMin(member []byte, _ float64) bool {
	order := r.min.compare(member)
	return order > 0 || (order == 0 && !r.min.excluded)
}

func (r *lexRange) toMax(member []byte, _ float64) bool {
	order := r.max.compare(member)
	return order < 0 || (order == 0 && !r.max.excluded)
}

func (r *lexRange) void() bool {
	order := r.min.end - r.max.end
	if r.min.end == 0 && r.max.end == 0 {
		order = bytes.Compare(r.min.member, r.max.member)
	}
	return order > 0 || (order == 0 && (r.min.excluded || r.max.excluded))
}

// window is which part of a range is meant: without the first offset members, and at most limit of them if it is not negative; the first ones
// are the last ones if it is reversed.
type window struct {
	offset, limit int64
	reverse       bool
}

// wholeRange leaves nothing out.
func wholeRange() window { return window{limit: -1} }

// span returns the ranks of a part of a range, from lo up to hi, which is left. It goes through the set as t_zset.c does, which matters where a
// range by member is asked of a set with several scores: the range begins with the first member behind the minimum, and ends before the first
// one from there on that is behind the maximum. (Of a large such set a server removes what the heights of its skip list's nodes happen to let it
// find, and even its own replica may remove something else. Here it is searched for in halves.)
func (z *zsetValue) span(r zsetRange, w window) (lo, hi int) {
	n := z.length()
	if n == 0 || r.void() || w.offset >= int64(n) || !z.touches(r) {
		return 0, 0
	}
	offset, limit := int(w.offset), n
	if w.limit >= 0 {
		limit = int(min(w.limit, int64(n)))
	}
	if w.reverse {
		hi = z.lastUpTo(n-1, r.toMax)
		if hi < 0 || z.firstFrom(hi, r.fromMin) != hi || hi < offset {
			return 0, 0
		}
		hi -= offset
		before := func(member []byte, score float64) bool { return !r.fromMin(member, score) }
		lo = max(z.lastUpTo(hi, before)+1, hi+1-limit)
		return lo, hi + 1
	}
	lo = z.firstFrom(0, r.fromMin)
	behind := func(member []byte, score float64) bool { return !r.toMax(member, score) }
	if lo == n || z.firstFrom(lo, behind) == lo || lo+offset >= n {
		return 0, 0
	}
	lo += offset
	return lo, min(z.firstFrom(lo, behind), lo+limit)
}

// touches is t_zset.c:zzlIsInRange: whether the last member is behind the minimum and the first one before the maximum.
func (z *zsetValue) touches(r zsetRange) bool {
	n := z.length()
	touches := false
	z.each(0, func(member []byte, score float64) bool {
		touches = r.toMax(member, score)
		return false
	})
	z.each(n-1, func(member []byte, score float64) bool {
		touches = touches && r.fromMin(member, score)
		return false
	})
	return touches
}

// rankSpan returns the ranks that a first and a last index mean, both in the range, negative ones from the end.
func rankSpan(n int, start, end int64) (lo, hi int) {
	length := int64(n)
	if start < 0 {
		start = max(start+length, 0)
	}
	if end < 0 {
		end += length
	}
	if start > end || start >= length {
		return 0, 0
	}
	return int(start), int(min(end, length-1)) + 1
}
