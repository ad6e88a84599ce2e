package fsxtest

import (
	"io/fs"
	"time"
)

// node is an inode: a file or a directory.
type node struct {
	id    uint64 // also seeds what a crash draws for it
	mode  fs.FileMode
	mtime time.Time
	links int // current names
	opens int // open files

	holder *handle // who holds the lock

	// A file:
	now     content  // what reads see
	disk    content  // what is durable
	pending []dataOp // what happened since, in order; now need not be disk + pending after a failed sync

	// A directory (names != nil):
	names     map[string]*node
	diskNames map[string]*node
}

func (n *node) isDir() bool { return n.names != nil }

// dataOp is a write (data != nil), or a truncation to off.
type dataOp struct {
	seq  uint64
	off  int64
	data []byte
}

func (op *dataOp) isWrite() bool { return op.data != nil }

func (op *dataOp) apply(c *content) {
	if op.isWrite() {
		c.write(op.off, op.data)
		return
	}
	c.truncate(op.off)
}

// do applies op to what reads see, and keeps it until a sync.
func (n *node) do(op dataOp) {
	op.apply(&n.now)
	n.pending = append(n.pending, op)
	n.mtime = time.Now()
}

// covered counts the pending operations up to seq: what a sync that began then makes durable.
func (n *node) covered(seq uint64) int {
	for i := range n.pending {
		if n.pending[i].seq > seq {
			return i
		}
	}
	return len(n.pending)
}

// sync makes everything up to seq durable.
func (n *node) sync(seq uint64) {
	k := n.covered(seq)
	for i := range n.pending[:k] {
		n.pending[i].apply(&n.disk)
	}
	n.drop(k)
}

// failSync is a sync up to seq that failed: lost says what of it reached the disk, and everything is clean
// afterwards. If evict, reads no longer see what was lost.
func (n *node) failSync(seq uint64, lost survivors, evict bool) {
	k := n.covered(seq)
	n.disk = lost.data(n, n.pending[:k])
	n.drop(k)
	if !evict {
		return
	}
	n.now = n.disk.clone()
	for i := range n.pending {
		n.pending[i].apply(&n.now)
	}
}

func (n *node) drop(k int) { n.pending = append([]dataOp(nil), n.pending[k:]...) }
