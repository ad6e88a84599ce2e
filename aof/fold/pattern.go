package fold

import (
	"bytes"
	"iter"
	"slices"
)

// pattern is one of SORT's: a key with a * in it.
type pattern struct {
	prefix, suffix []byte
	id             keyID
}

func (p *pattern) matches(key []byte) bool {
	return len(key) >= len(p.prefix)+len(p.suffix) && bytes.HasPrefix(key, p.prefix) && bytes.HasSuffix(key, p.suffix)
}

// meets reports whether a key may match both.
func (p *pattern) meets(q *pattern) bool {
	return (bytes.HasPrefix(p.prefix, q.prefix) || bytes.HasPrefix(q.prefix, p.prefix)) &&
		(bytes.HasSuffix(p.suffix, q.suffix) || bytes.HasSuffix(q.suffix, p.suffix))
}

// patterns are those of a database. There may be one for each user of the upstream's, so that a key is not compared with all of them.
type patterns struct {
	byText   map[string]keyID
	byPrefix map[string][]pattern
	lengths  []int // that prefixes have, from short to long
}

// under yields the patterns whose prefix text begins with.
func (p *patterns) under(text []byte) iter.Seq[*pattern] {
	return func(yield func(*pattern) bool) {
		for _, n := range p.lengths {
			if n > len(text) {
				return
			}
			same := p.byPrefix[string(text[:n])]
			for i := range same {
				if !yield(&same[i]) {
					return
				}
			}
		}
	}
}

// addPattern returns the node that stands for all keys that text can become.
func (t *keyTable) addPattern(db int, text []byte) keyID {
	all := t.patterns[db]
	if all == nil {
		all = &patterns{byText: map[string]keyID{}, byPrefix: map[string][]pattern{}}
		t.patterns[db] = all
	}
	if id, known := all.byText[string(text)]; known {
		return id
	}
	prefix, suffix, _ := bytes.Cut(bytes.Clone(text), []byte("*"))
	p := pattern{prefix: prefix, suffix: suffix, id: t.node(patterned)}
	all.byText[string(text)] = p.id
	all.byPrefix[string(prefix)] = append(all.byPrefix[string(prefix)], p)
	if at, known := slices.BinarySearch(all.lengths, len(prefix)); !known {
		all.lengths = slices.Insert(all.lengths, at, len(prefix))
	}
	return p.id
}

// matches reports whether key matches a pattern.
func (t *keyTable) matches(db int, key []byte) bool {
	if all := t.patterns[db]; all != nil {
		for p := range all.under(key) {
			if p.matches(key) {
				return true
			}
		}
	}
	return false
}

// linkMatching links id with all patterns that key matches.
func (t *keyTable) linkMatching(all *patterns, key []byte, id keyID) {
	for p := range all.under(key) {
		if p.matches(key) {
			t.link(p.id, id)
		}
	}
}

// linkPatterns links each pattern with the keys that match it, and with those that a key of the base, which is known too late, may match as well.
func (t *keyTable) linkPatterns() {
	for db, all := range t.patterns {
		if t.anyTaint {
			t.linkMeeting(all)
		}
		keys := t.db(db)
		for n := range keys.All() {
			t.linkMatching(all, keys.Name(n), n.Value)
		}
	}
}

// linkMeeting links the patterns that a key may match both of. The prefix of one of two such is a prefix of the other's.
func (t *keyTable) linkMeeting(all *patterns) {
	for _, same := range all.byPrefix {
		for i := range same {
			for q := range all.under(same[i].prefix) {
				if same[i].meets(q) {
					t.link(same[i].id, q.id)
				}
			}
		}
	}
}
