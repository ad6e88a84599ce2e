package fsxtest

import "slices"

// nameKey is a name in a directory.
type nameKey struct {
	dir  *node
	name string
}

// change says what a name means from now on: nothing if to is nil.
type change struct {
	nameKey
	to     *node
	synced bool // its directory was synced since; the operation waits for its other directory
}

// nameOp is one operation on names that is not durable yet. It survives a crash whole or not at all, and only
// if every earlier one on the same names does, as in a journal.
type nameOp struct {
	seq     uint64
	text    string
	changes []change
	emptied *node // a removed directory: it had to be empty, so what emptied it comes before
}

func (op *nameOp) apply() {
	for _, c := range op.changes {
		if c.to == nil {
			delete(c.dir.diskNames, c.name)
		} else {
			c.dir.diskNames[c.name] = c.to
		}
	}
}

// nameLog is the operations on names that are not durable yet, in order.
type nameLog []*nameOp

// do changes the current names and keeps the operation.
func (l *nameLog) do(op *nameOp) {
	for _, c := range op.changes {
		if old := c.dir.names[c.name]; old != nil {
			old.links--
		}
		if c.to == nil {
			delete(c.dir.names, c.name)
			continue
		}
		c.dir.names[c.name] = c.to
		c.to.links++
	}
	*l = append(*l, op)
}

// takeSynced removes and returns what a sync of dir that began at seq makes durable: the operations all
// of whose directories are synced now, and what these need.
func (l *nameLog) takeSynced(dir *node, seq uint64) nameLog {
	for _, op := range *l {
		for i := range op.changes {
			if op.changes[i].dir == dir && op.seq <= seq {
				op.changes[i].synced = true
			}
		}
	}
	names, dirs := map[nameKey]bool{}, map[*node]bool{}
	var taken, kept nameLog
	for _, op := range slices.Backward(*l) {
		durable := !slices.ContainsFunc(op.changes, func(c change) bool { return !c.synced })
		if !durable && !op.touches(names, dirs) {
			kept = append(kept, op)
			continue
		}
		taken = append(taken, op)
		op.mark(names, dirs)
	}
	slices.Reverse(taken)
	slices.Reverse(kept)
	*l = kept
	return taken
}

// settle applies to the disk the operations that pick chooses, in order, without those that
// need one which was not chosen.
func (l *nameLog) settle(pick func(i, total int) bool) {
	names, dirs := map[nameKey]bool{}, map[*node]bool{}
	for i, op := range *l {
		if op.needs(names, dirs) || !pick(i, len(*l)) {
			op.lose(names, dirs)
			continue
		}
		op.apply()
	}
}

// touches reports whether a later operation, whose names and emptied directories these are, needs op.
func (op *nameOp) touches(names map[nameKey]bool, emptied map[*node]bool) bool {
	return slices.ContainsFunc(op.changes, func(c change) bool { return names[c.nameKey] || emptied[c.dir] })
}

func (op *nameOp) mark(names map[nameKey]bool, emptied map[*node]bool) {
	for _, c := range op.changes {
		names[c.nameKey] = true
	}
	if op.emptied != nil {
		emptied[op.emptied] = true
	}
}

// needs reports whether op needs an earlier operation that was lost, whose names and directories these are.
func (op *nameOp) needs(names map[nameKey]bool, dirs map[*node]bool) bool {
	return dirs[op.emptied] || slices.ContainsFunc(op.changes, func(c change) bool { return names[c.nameKey] })
}

func (op *nameOp) lose(names map[nameKey]bool, dirs map[*node]bool) {
	for _, c := range op.changes {
		names[c.nameKey], dirs[c.dir] = true, true
	}
}
