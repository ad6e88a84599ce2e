package fold

import "bytes"

// pattern is one of SORT's: a key with a * in it.
type pattern struct {
	prefix, suffix []byte
	text           string
	id             keyID
}

func (p *pattern) matches(key []byte) bool {
	return len(key) >= len(p.prefix)+len(p.suffix) && bytes.HasPrefix(key, p.prefix) && bytes.HasSuffix(key, p.suffix)
}

// addPattern returns the node that stands for all keys that text can become.
func (t *keyTable) addPattern(db int, text []byte) keyID {
	for _, p := range t.patterns[db] {
		if p.text == string(text) {
			return p.id
		}
	}
	prefix, suffix, _ := bytes.Cut(bytes.Clone(text), []byte("*"))
	p := pattern{prefix: prefix, suffix: suffix, text: string(text), id: t.node(patterned)}
	t.patterns[db] = append(t.patterns[db], p)
	return p.id
}

// matching returns the first pattern that key matches, or noKey.
func (t *keyTable) matching(db int, key []byte) keyID {
	for i := range t.patterns[db] {
		if p := &t.patterns[db][i]; p.matches(key) {
			return p.id
		}
	}
	return noKey
}

// linkMatching links id with all patterns that key matches.
func (t *keyTable) linkMatching(db int, key []byte, id keyID) {
	for i := range t.patterns[db] {
		if p := &t.patterns[db][i]; p.matches(key) {
			t.link(p.id, id)
		}
	}
}

// meets reports whether a key may match both.
func (p *pattern) meets(q *pattern) bool {
	return (bytes.HasPrefix(p.prefix, q.prefix) || bytes.HasPrefix(q.prefix, p.prefix)) &&
		(bytes.HasSuffix(p.suffix, q.suffix) || bytes.HasSuffix(q.suffix, p.suffix))
}

// linkPatterns links each pattern with the keys that match it, and with those that a key of the base, which is known too late, may match as well.
func (t *keyTable) linkPatterns() {
	for db, patterns := range t.patterns {
		for i := range patterns {
			for j := range i {
				if t.anyTaint && patterns[i].meets(&patterns[j]) {
					t.link(patterns[i].id, patterns[j].id)
				}
			}
		}
		keys := t.db(db)
		for n := range keys.All() {
			t.linkMatching(db, keys.Name(n), n.Value)
		}
	}
}
