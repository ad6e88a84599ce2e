package keyspace

import "bytes"

// sortQuery is what SORT is asked for (sort.c:sortCommandGeneric).
type sortQuery struct {
	descending, alpha bool
	// keepOrder says that some BY names no key that differs from element to element: lists and sorted sets keep their order.
	keepOrder    bool
	start, count int64
	by           *sortPattern // nil: elements are their own weights
	gets         []sortPattern
	store        []byte // nil: the client gets the result
}

// parseSort parses the arguments behind the key.
func parseSort(args [][]byte) (q sortQuery, ok bool) {
	q.count = -1
	for ; len(args) > 0; args = args[1:] {
		word, more := args[0], len(args)-1
		switch {
		case isWord(word, "ASC"):
			q.descending = false
		case isWord(word, "DESC"):
			q.descending = true
		case isWord(word, "ALPHA"):
			q.alpha = true
		case isWord(word, "LIMIT") && more >= 2:
			var ok, ok2 bool
			q.start, ok = parseInt(args[1])
			q.count, ok2 = parseInt(args[2])
			if !ok || !ok2 {
				return q, false
			}
			args = args[2:]
		case isWord(word, "STORE") && more >= 1:
			q.store, args = args[1], args[1:]
		case isWord(word, "BY") && more >= 1:
			by := newSortPattern(args[1])
			q.by, args = &by, args[1:]
			q.keepOrder = q.keepOrder || !by.star
		case isWord(word, "GET") && more >= 1:
			q.gets, args = append(q.gets, newSortPattern(args[1])), args[1:]
		default:
			return q, false
		}
	}
	return q, true
}

// window returns what part of n sorted elements is wanted.
func (q *sortQuery) window(n int) (from, to int) {
	from = int(min(max(q.start, 0), int64(n)))
	if q.count < 0 {
		return from, n
	}
	return from, from + int(min(q.count, int64(n-from)))
}

// sortPattern is a pattern of BY or GET.
type sortPattern struct {
	text          []byte // the key's part, with the first * in it
	before, after []byte // that *
	field         []byte // of a hash; empty: the key is a string
	star          bool   // there is a *
	element       bool   // it is "#", the element itself
}

// newSortPattern parses a pattern. Servers look for * and -> as far as a C string goes (sort.c:lookupKeyByPattern).
func newSortPattern(pattern []byte) sortPattern {
	p := sortPattern{text: pattern}
	seen, _, _ := bytes.Cut(pattern, []byte{0})
	p.element = string(seen) == "#"
	star := bytes.IndexByte(seen, '*')
	if star < 0 {
		return p
	}
	p.star = true
	const arrow = "->"
	if at := bytes.Index(seen[star+1:], []byte(arrow)); at >= 0 && star+1+at+len(arrow) < len(seen) {
		at += star + 1
		p.text, p.field = pattern[:at], pattern[at+len(arrow):]
	}
	p.before, p.after = p.text[:star], p.text[star+1:]
	return p
}

// planSort names the keys of a SORT; without STORE it is a read.
func planSort(args [][]byte, p *Plan) {
	q, ok := parseSort(args[2:])
	if !ok {
		return // refused
	}
	if q.store == nil {
		p.Effect = Nothing
		return
	}
	p.add(args[1], Reads)
	if q.by != nil && !q.keepOrder {
		p.addPattern(q.by.text)
	}
	for i := range q.gets {
		if q.gets[i].star {
			p.addPattern(q.gets[i].text)
		}
	}
	// If an element is no number SORT is refused and the destination stays: it is not Overwrites.
	p.add(q.store, Writes)
}

func (p *Plan) addPattern(pattern []byte) {
	p.Keys = append(p.Keys, KeyUse{Key: pattern, DB: SelectedDB, Use: Reads, Pattern: true})
}
