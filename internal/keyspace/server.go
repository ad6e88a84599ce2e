package keyspace

import "maps"

// serverCommands are the commands for whole databases, and those that do nothing to the data.
func serverCommands() []command {
	list := []command{
		{name: "FLUSHDB", arity: -1, plan: planFlush(FlushDB), run: runFlushDB},
		{name: "FLUSHALL", arity: -1, plan: planFlush(FlushAll), run: runFlushAll},
		{name: "SWAPDB", arity: 3, plan: planSwapDB, run: runSwapDB},
		{name: "CLUSTER FLUSHSLOT", arity: -3, plan: planFlushSlot, run: runFlushSlots},
		{name: "SFLUSH", arity: -3, plan: planSFlush, run: runFlushSlots},
	}
	list = append(list, scriptCommands()...)
	list = append(list, moduleCommands()...)
	return append(list, harmlessCommands()...)
}

// isFlushMode reports whether args, which follow a flush, are none or one of the words that say how (db.c:getFlushCommandFlags).
func isFlushMode(args [][]byte) bool {
	return len(args) == 0 || (len(args) == 1 && (isWord(args[0], "SYNC") || isWord(args[0], "ASYNC")))
}

func planFlush(effect Effect) func([][]byte, *Plan) {
	return func(args [][]byte, p *Plan) {
		p.Effect = Nothing
		if isFlushMode(args[1:]) {
			p.Effect = effect
		}
	}
}

func runFlushDB(c *call) error {
	if !isFlushMode(c.args[1:]) {
		return errFailed
	}
	c.space.flush(c.db)
	return nil
}

// runFlushAll is FLUSHALL; function libraries stay.
func runFlushAll(c *call) error {
	if !isFlushMode(c.args[1:]) {
		return errFailed
	}
	for db := range c.space.dbs {
		c.space.flush(db)
	}
	return nil
}

// flush removes all keys of a database.
func (s *Space) flush(db int) {
	if d := s.dbs[db]; d != nil {
		for _, e := range d.all() {
			s.forget(e)
		}
		delete(s.dbs, db)
		s.near = nil
	}
}

func planSwapDB(args [][]byte, p *Plan) {
	p.Effect = Nothing
	a, okA := parseDB(args[1])
	b, okB := parseDB(args[2])
	if okA && okB {
		p.Effect, p.A, p.B = SwapDB, a, b
	}
}

// runSwapDB is SWAPDB (db.c:swapdbCommand).
func runSwapDB(c *call) error {
	a, okA := parseDB(c.args[1])
	b, okB := parseDB(c.args[2])
	if !okA || !okB {
		return errFailed
	}
	dbs := c.space.dbs
	c.space.near = nil
	dbs[a], dbs[b] = dbs[b], dbs[a]
	maps.DeleteFunc(dbs, func(_ int, d *database) bool { return d == nil })
	return nil
}

// planFlushSlot is CLUSTER FLUSHSLOT slot [SYNC|ASYNC] (Valkey 9, cluster_legacy.c:clusterCommandFlushslot).
func planFlushSlot(args [][]byte, p *Plan) {
	p.Effect = Nothing
	if slot, ok := parseSlot(args[2]); ok && isFlushMode(args[3:]) {
		p.Effect, p.Slots = FlushSlots, append(p.Slots, [2]int{slot, slot})
	}
}

// planSFlush is SFLUSH first last [first last ...] [SYNC|ASYNC] (Redis 8, cluster.c:sflushCommand). The server does it only if the slots are
// all that its node has, and puts it into the stream only then.
func planSFlush(args [][]byte, p *Plan) {
	p.Effect = Nothing
	ranges := args[1:]
	if last := ranges[len(ranges)-1]; isWord(last, "SYNC") || isWord(last, "ASYNC") {
		ranges = ranges[:len(ranges)-1]
	}
	if len(ranges)%2 != 0 {
		return
	}
	for i := 0; i < len(ranges); i += 2 {
		first, okFirst := parseSlot(ranges[i])
		last, okLast := parseSlot(ranges[i+1])
		if !okFirst || !okLast || first > last {
			p.Slots = p.Slots[:0]
			return
		}
		p.Slots = append(p.Slots, [2]int{first, last})
	}
	if len(p.Slots) > 0 {
		p.Effect = FlushSlots
	}
}

// runFlushSlots removes the keys of the slots that the plan has, in all databases.
func runFlushSlots(c *call) error {
	var p Plan
	c.space.table.Plan(c.args, &p)
	if p.Effect != FlushSlots {
		return errFailed
	}
	var flushed [slots]bool
	for _, r := range p.Slots {
		for slot := r[0]; slot <= r[1]; slot++ {
			flushed[slot] = true
		}
	}
	for _, d := range c.space.dbs {
		for key, e := range d.all() {
			if flushed[Slot(string(key))] {
				c.space.forget(e)
				d.keys.Remove(key)
			}
		}
	}
	return nil
}
