package fsxtest

import (
	"fmt"
	"maps"
	"slices"
)

// Crash is a way to stop: [KillProcess], [Reboot], [PowerLossAll], [PowerLossOrdered] or [PowerLoss].
type Crash interface {
	fmt.Stringer
	// survivors says what of the operations that were not synced is on the disk; nil if nothing was lost
	// and nothing became durable either.
	survivors() survivors
}

// survivors decides what a power loss leaves.
type survivors interface {
	// keep decides about operation i of total on names. It is asked in order.
	keep(i, total int) bool
	// data returns the content of a file that is durable as n.disk, after the operations ops.
	data(n *node, ops []dataOp) content
}

// CrashClone returns the file system that the next process finds after a crash at this moment. It has no hooks,
// no open files and no locks, and counts points anew; its capacity is the same. The original goes on as if nothing had happened. Operations that
// are under way have taken effect in part or not at all. Clones can be crashed again.
func (f *FS) CrashClone(c Crash) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	clone := f.copy()
	clone.past = append(clone.past, fmt.Sprintf("%v at point %d", c, f.points))
	if left := c.survivors(); left != nil {
		clone.log.settle(left.keep)
		clone.log = nil
		clone.settle(clone.root, left, map[*node]bool{})
		clone.boot++
	}
	clone.recount()
	return clone
}

// Past lists the crashes that led to this file system, oldest first, with their seeds.
func (f *FS) Past() []string { return slices.Clone(f.past) }

// settle makes what is on the disk what reads see, in n and below. A file may be met under several names.
func (f *FS) settle(n *node, left survivors, done map[*node]bool) {
	if done[n] {
		return
	}
	done[n] = true
	if !n.isDir() {
		n.disk = left.data(n, n.pending)
		n.now, n.pending = n.disk.clone(), nil
		return
	}
	n.names = maps.Clone(n.diskNames)
	for _, child := range n.names {
		f.settle(child, left, done)
	}
}

// recount counts names and space anew, for what a process left open without a name is gone.
func (f *FS) recount() {
	f.used = 0
	seen := map[*node]bool{}
	var walk func(n *node)
	walk = func(n *node) {
		for _, child := range n.names {
			child.links++
			if seen[child] {
				continue
			}
			seen[child] = true
			f.used += child.now.allocated()
			walk(child)
		}
	}
	walk(f.root)
}

// copy is a deep copy without hooks, locks, open files and link counts. Pages are shared until one side writes them.
func (f *FS) copy() *FS {
	copied := map[*node]*node{}
	g := &FS{
		lastSeq: f.lastSeq, lastID: f.lastID, capacity: f.capacity, boot: f.boot,
		rng: newRand(0, 0), past: slices.Clone(f.past), root: f.root.copy(copied),
	}
	for _, op := range f.log {
		dup := *op
		dup.changes = slices.Clone(op.changes)
		for i, c := range dup.changes {
			dup.changes[i].dir, dup.changes[i].to = c.dir.copy(copied), c.to.copy(copied)
		}
		dup.emptied = op.emptied.copy(copied)
		g.log = append(g.log, &dup)
	}
	return g
}

func (n *node) copy(copied map[*node]*node) *node {
	if n == nil || copied[n] != nil {
		return copied[n]
	}
	dup := &node{id: n.id, mode: n.mode, mtime: n.mtime}
	copied[n] = dup
	if !n.isDir() {
		dup.now, dup.disk, dup.pending = n.now.clone(), n.disk.clone(), slices.Clone(n.pending)
		return dup
	}
	dup.names, dup.diskNames = map[string]*node{}, map[string]*node{}
	for name, child := range n.names {
		dup.names[name] = child.copy(copied)
	}
	for name, child := range n.diskNames {
		dup.diskNames[name] = child.copy(copied)
	}
	return dup
}
