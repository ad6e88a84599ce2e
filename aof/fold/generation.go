package fold

import "sort"

// generation is a key from a place in the commands on, where nothing is left of what it was.
type generation struct {
	start mark // where the command is that it begins with, or behind the one that removed the key
	id    keyID
}

// before reports whether m comes before other.
func (m mark) before(other mark) bool {
	return m.file < other.file || m.file == other.file && m.at < other.at
}

// at returns what a key, given by its first generation, is to a command at m.
func (t *keyTable) at(id keyID, m mark) keyID {
	if id == noKey || !t.is(id, past) {
		return id
	}
	return t.nth(id, func(start mark) bool { return !m.before(start) })
}

// before returns what a key is in front of m.
func (t *keyTable) before(id keyID, m mark) keyID {
	return t.nth(id, func(start mark) bool { return start.before(m) })
}

// last returns what a key is at the end.
func (t *keyTable) last(id keyID) keyID {
	return t.nth(id, func(mark) bool { return true })
}

// nth returns the last generation that begins at a place which reached is true for: up to some place it is.
func (t *keyTable) nth(id keyID, reached func(start mark) bool) keyID {
	gens := t.later[id]
	if n := sort.Search(len(gens), func(i int) bool { return !reached(gens[i].start) }); n > 0 {
		return gens[n-1].id
	}
	return id
}

// begin lets a key, given by its first generation, begin another at m, in front of which are all its commands so far.
func (t *keyTable) begin(id keyID, m mark) {
	gens := t.later[id]
	n := len(gens)
	if n == 0 {
		t.follow(id, id, m)
		return
	}
	now, was := &gens[n-1], id
	if n > 1 {
		was = gens[n-2].id
	}
	switch {
	case now.start == m:
	case t.alone(now.id) && t.alone(was): // one after the other, of this key only: one is enough
		t.info[was].flags |= t.info[now.id].flags & tainted
		t.info[now.id].flags &^= tainted
		now.start = m
	default:
		t.follow(id, now.id, m)
	}
}

// follow adds a generation behind the one that is the last.
func (t *keyTable) follow(id, last keyID, m mark) {
	next := t.node(0)
	t.info[last].flags |= past
	t.later[id] = append(t.later[id], generation{start: m, id: next})
}

func (t *keyTable) alone(id keyID) bool { return t.info[id].parent == id && !t.is(id, shared) }

// succession is a generation, the one behind it, and the link of that.
type succession struct{ id, next, link keyID }

// bury finds the dead links, whose keys have all begun another generation, and links each generation of the others with the one behind it: what
// is left of a key is in one link.
func (t *keyTable) bury() {
	ended := map[keyID][]succession{} // by link
	for id, gens := range t.later {
		for i := range gens {
			root, next := t.root(id), gens[i].id
			ended[root] = append(ended[root], succession{id, next, t.root(next)})
			id = next
		}
	}
	var (
		alive = map[keyID]bool{}
		queue []keyID
	)
	live := func(root keyID) {
		if len(ended[root]) > 0 && !alive[root] {
			alive[root] = true
			queue = append(queue, root)
		}
	}
	for id := range t.info {
		if !t.is(keyID(id), past) {
			live(t.root(keyID(id)))
		}
	}
	for len(queue) > 0 {
		root := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, s := range ended[root] {
			t.link(s.id, s.next)
			live(s.link)
		}
	}
	for root := range ended {
		if !alive[root] {
			t.anyDead = true
			t.info[root].flags = t.info[root].flags&^tainted | dead
		}
	}
}

// count says in anyTaint whether any link is tainted that is not dead.
func (t *keyTable) count() {
	t.anyTaint = false
	for id := range t.info {
		t.anyTaint = t.anyTaint || t.info[id].flags&tainted != 0 && t.info[id].parent == keyID(id)
	}
}

func (t *keyTable) isDead(id keyID) bool { return t.info[t.root(id)].flags&dead != 0 }
