package fold

import (
	"bytes"
	"fmt"

	"github.com/aofsidecar/aofsidecar/internal/keyspace"
)

// maxUnknown bounds the names of commands that a result has, for an upstream may send any; the rest counts as otherUnknown.
const (
	maxUnknown   = 100
	otherUnknown = "(others)"
)

// planner reads the commands for what they touch, and runs none.
type planner struct {
	opt   *Options
	plan  keyspace.Plan
	keys  *keyTable
	dbs   dbMap
	start mark // behind the last FLUSHALL

	allDropped bool         // the whole base is
	dropped    map[int]bool // the base's entries of a database are
	slots      [][2]int     // the base's entries in these cluster slots are
	functions  [][][]byte   // the commands on function libraries
	unknown    map[string]int64
	anyFlush   bool   // there is a flush of any sort
	watch      *watch // nil: no key has generations
}

func newPlanner(opt *Options, keys keySet) *planner {
	p := &planner{opt: opt, keys: newKeyTable(), dropped: map[int]bool{}, unknown: map[string]int64{}}
	if keys != nil {
		p.watch = &watch{keys: keys, flushes: newFlushes()}
	}
	return p
}

// near fetches what is known of keys.
func (p *planner) near(db int, keys [][]byte) { p.keys.db(p.dbs.of(db)).Near(keys, nil) }

func (p *planner) command(c *command) error {
	p.opt.Table.Plan(c.args, &p.plan)
	switch p.plan.Effect {
	case keyspace.Nothing:
	case keyspace.Functions:
		p.functions = append(p.functions, cloneArgs(c.args))
	case keyspace.SwapDB:
		p.dbs.swap(p.plan.A, p.plan.B)
	case keyspace.FlushDB:
		p.anyFlush = true
		p.dropped[p.dbs.of(c.db)] = true
		if p.watch != nil {
			p.watch.dbs[p.dbs.of(c.db)] = c.where
		}
	case keyspace.FlushSlots:
		p.anyFlush = true
		p.slots = append(p.slots, p.plan.Slots...)
		if p.watch != nil {
			p.watch.flushSlots(p.plan.Slots, c.where)
		}
	case keyspace.FlushAll:
		p.forget(c.next)
	case keyspace.Run:
		p.touch(c, false)
	case keyspace.Carry:
		p.touch(c, true)
	case keyspace.Unknown:
		return p.stranger(c)
	}
	return nil
}

// forget makes all that came before at nothing, but for functions, which no flush reaches.
func (p *planner) forget(at mark) {
	p.keys = newKeyTable()
	p.dbs = dbMap{}
	p.start, p.allDropped, p.anyFlush = at, true, true
	p.dropped, p.slots = map[int]bool{}, nil
	clear(p.unknown)
	if p.watch != nil {
		p.watch.flushes = newFlushes()
	}
}

// stranger taints the keys of a command that the table does not have.
func (p *planner) stranger(c *command) error {
	name := string(bytes.ToUpper(c.args[0][:min(len(c.args[0]), 64)]))
	var (
		keys [][]byte
		ok   bool
	)
	if p.opt.Keys != nil {
		keys, ok = p.opt.Keys(c.args)
	}
	if !ok {
		return &CannotError{What: fmt.Sprintf("nobody knows the keys of the command %q", name)}
	}
	for _, key := range keys {
		p.plan.Keys = append(p.plan.Keys, keyspace.KeyUse{Key: key, DB: keyspace.SelectedDB, Use: keyspace.Writes})
	}
	p.touch(c, true)
	return nil
}

// touch takes the keys of the plan, and links them.
func (p *planner) touch(c *command, taint bool) {
	first, old := noKey, keyID(len(p.keys.info))
	if p.watch != nil {
		p.watch.anew = !taint && onlyOverwrites(p.plan.Keys)
	}
	for i := range p.plan.Keys {
		id := p.use(c, &p.plan.Keys[i], old)
		if first == noKey {
			first = id
		} else {
			p.keys.link(first, id)
		}
	}
	if p.watch != nil {
		p.leave(c)
	}
	if taint {
		name := string(bytes.ToUpper(c.args[0][:min(len(c.args[0]), 64)]))
		if _, known := p.unknown[name]; !known && len(p.unknown) >= maxUnknown {
			name = otherUnknown
		}
		p.unknown[name]++
		if first != noKey {
			p.keys.taint(first)
		}
	}
}

// use takes one key; those from old on are new with this command.
func (p *planner) use(c *command, u *keyspace.KeyUse, old keyID) keyID {
	db := p.dbs.of(c.db)
	if u.DB != keyspace.SelectedDB {
		db = p.dbs.of(u.DB)
	}
	if u.Pattern {
		return p.keys.addPattern(db, u.Key)
	}
	id, fresh := p.keys.add(db, u.Key)
	switch {
	case fresh && u.Use == keyspace.Overwrites && !p.keys.matches(db, u.Key):
		p.keys.info[id].flags |= overwritten
	case id >= old && u.Use != keyspace.Overwrites:
		p.keys.info[id].flags &^= overwritten
	}
	if p.watch != nil {
		return p.generation(c, db, u.Key, id, fresh)
	}
	return id
}

func cloneArgs(args [][]byte) [][]byte {
	out := make([][]byte, len(args))
	for i, a := range args {
		out[i] = bytes.Clone(a)
	}
	return out
}

// drops reports whether no entry of the base under that key is left by the flushes.
func (p *planner) drops(db int, key []byte) bool {
	if p.allDropped || p.dropped[db] {
		return true
	}
	if len(p.slots) == 0 {
		return false
	}
	return inSlots(p.slots, string(key))
}
