package fold

import "github.com/aofsidecar/aofsidecar/internal/names"

// keyID is a key that is touched, or a pattern that stands for some.
type keyID uint32

const noKey = ^keyID(0)

// What is known of a key, or of one generation of it. tainted, patterned, shared, dead and the pass count for a root only.
const (
	overwritten uint16 = 1 << iota // its first command leaves nothing of the value before
	tainted                        // its commands are carried
	patterned                      // a pattern is in the link
	seen                           // the base has it
	shared                         // it is linked with others
	watched                        // it may have generations
	past                           // another generation follows
	dead                           // nothing is left of the link, and nothing of it is written
)

// keyInfo is a key, or a later generation of one; which links it is in says parent.
type keyInfo struct {
	parent keyID
	pass   uint16
	flags  uint16
	raw    uint32 // bytes of its value in the base, as far as it is known
}

// keyTable is the touched keys by database (see dbMap), linked by union-find.
type keyTable struct {
	dbs      map[int]*names.Table[keyID] // first generations
	near     *names.Table[keyID]         // the last of dbs that was asked for, and its number; nil: none
	nearDB   int
	info     []keyInfo
	patterns map[int]*patterns
	later    map[keyID][]generation // by the first one, in their order
	anyTaint bool
	anyDead  bool
}

func newKeyTable() *keyTable {
	return &keyTable{dbs: map[int]*names.Table[keyID]{}, patterns: map[int]*patterns{}, later: map[keyID][]generation{}}
}

// find returns the key, or noKey.
func (t *keyTable) find(db int, key []byte) keyID {
	if n := t.db(db).Find(key); n != nil {
		return n.Value
	}
	return noKey
}

// db returns the keys of a database.
func (t *keyTable) db(db int) *names.Table[keyID] {
	if t.near != nil && t.nearDB == db {
		return t.near
	}
	keys := t.dbs[db]
	if keys == nil {
		keys = &names.Table[keyID]{}
		t.dbs[db] = keys
	}
	t.near, t.nearDB = keys, db
	return keys
}

// add returns the key, which is new if fresh.
func (t *keyTable) add(db int, key []byte) (id keyID, fresh bool) {
	n, fresh := t.db(db).Add(key)
	if fresh {
		n.Value = t.node(0)
	}
	return n.Value, fresh
}

func (t *keyTable) node(flags uint16) keyID {
	id := keyID(len(t.info))
	t.info = append(t.info, keyInfo{parent: id, flags: flags})
	return id
}

// root stands for all that are linked with id.
func (t *keyTable) root(id keyID) keyID {
	for t.info[id].parent != id {
		up := t.info[id].parent
		t.info[id].parent = t.info[up].parent
		id = up
	}
	return id
}

func (t *keyTable) link(a, b keyID) {
	a, b = t.root(a), t.root(b)
	if a == b {
		return
	}
	if a > b { // the older one: chains stay short enough, and the result does not depend on luck
		a, b = b, a
	}
	t.info[b].parent = a
	t.info[a].flags |= t.info[b].flags&(tainted|patterned) | shared
}

func (t *keyTable) taint(id keyID) {
	t.info[t.root(id)].flags |= tainted
	t.anyTaint = true
}

func (t *keyTable) isTainted(id keyID) bool { return t.info[t.root(id)].flags&tainted != 0 }

func (t *keyTable) is(id keyID, flag uint16) bool { return t.info[id].flags&flag != 0 }
