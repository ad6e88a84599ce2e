package fold

import (
	"bytes"
	"maps"
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/keyspace"
)

// keySet is keys by database (see dbMap).
type keySet map[int]map[string]struct{}

// mortal returns the keys of tainted links that nothing may be left of: those without a pattern, which reads keys that no command names.
func (t *keyTable) mortal() keySet {
	if !t.anyTaint {
		return nil
	}
	set := keySet{}
	for db, keys := range t.dbs {
		for n := range keys.All() {
			if t.info[t.root(n.Value)].flags&(tainted|patterned) != tainted {
				continue
			}
			if set[db] == nil {
				set[db] = map[string]struct{}{}
			}
			set[db][string(keys.Name(n))] = struct{}{}
		}
	}
	return set
}

// watch is what a planner that knows which links are tainted does more: it follows the generations of their keys.
type watch struct {
	keys keySet
	flushes
	anew bool // the command at hand leaves nothing of what its keys were
}

// flushes is where the last one was.
type flushes struct {
	dbs   map[int]mark
	slots map[int]mark
}

func newFlushes() flushes { return flushes{dbs: map[int]mark{}, slots: map[int]mark{}} }

func (f *flushes) flushSlots(slots [][2]int, at mark) {
	for _, r := range slots {
		for slot := r[0]; slot <= r[1]; slot++ {
			f.slots[slot] = at
		}
	}
}

// last returns where the last flush that took a key was.
func (f *flushes) last(db int, key []byte) (mark, bool) {
	at, ok := f.dbs[db]
	if len(f.slots) > 0 {
		if slot, in := f.slots[keyspace.Slot(string(key))]; in && (!ok || at.before(slot)) {
			return slot, true
		}
	}
	return at, ok
}

// generation returns what the key is to the command. A flush is taken note of when the key is used next, or at the end.
func (p *planner) generation(c *command, db int, key []byte, id keyID, fresh bool) keyID {
	if fresh {
		if _, ok := p.watch.keys[db][string(key)]; ok {
			p.keys.info[id].flags |= watched
		}
	}
	if !p.keys.is(id, watched) {
		return id
	}
	p.flushed(db, key, id)
	if p.watch.anew {
		p.keys.begin(id, c.where)
	}
	return p.keys.last(id)
}

// flushed lets a key begin a generation where a flush took it.
func (p *planner) flushed(db int, key []byte, id keyID) {
	at, ok := p.watch.last(db, key)
	if !ok {
		return
	}
	if gens := p.keys.later[id]; len(gens) == 0 || gens[len(gens)-1].start.before(at) {
		p.keys.begin(id, at)
	}
}

// leave lets the key that a RENAME took away begin a generation behind it: whether that was done or refused, no such key is left.
func (p *planner) leave(c *command) {
	if len(c.args) != 3 || !bytes.EqualFold(c.args[0], []byte("RENAME")) || bytes.Equal(c.args[1], c.args[2]) {
		return
	}
	if id := p.keys.find(p.dbs.of(c.db), c.args[1]); id != noKey && p.keys.is(id, watched) {
		p.keys.begin(id, c.next)
	}
}

// end is behind all commands.
func (p *planner) end() {
	p.keys.linkPatterns()
	if p.watch == nil {
		return
	}
	for _, db := range slices.Sorted(maps.Keys(p.keys.dbs)) {
		keys := p.keys.db(db)
		for n := range keys.All() {
			if p.keys.is(n.Value, watched) {
				p.flushed(db, keys.Name(n), n.Value)
			}
		}
	}
	p.keys.bury()
	p.keys.count()
}

func onlyOverwrites(keys []keyspace.KeyUse) bool {
	for i := range keys {
		if keys[i].Use != keyspace.Overwrites || keys[i].Pattern {
			return false
		}
	}
	return true
}
