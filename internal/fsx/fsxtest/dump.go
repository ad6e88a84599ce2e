package fsxtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// dumpTail is how many of a file's last bytes Dump shows: enough for a mark and the command before it.
const dumpTail = 160

// Dump describes the file system for the message of a failed test: the crashes that led here, what is not durable,
// and of each file its size and its end.
func (f *FS) Dump() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	for _, crash := range f.past {
		fmt.Fprintf(&b, "after %s\n", crash)
	}
	for _, op := range f.log {
		fmt.Fprintf(&b, "not durable: %s\n", op.text)
	}
	fmt.Fprintf(&b, "%d of %d bytes used\n", f.used, f.capacity)
	f.root.dump(&b, rootPath)
	return b.String()
}

func (n *node) dump(b *strings.Builder, name string) {
	if n.isDir() {
		fmt.Fprintln(b, name)
		for _, base := range slices.Sorted(maps.Keys(n.names)) {
			n.names[base].dump(b, clean(name+"/"+base))
		}
		return
	}
	fmt.Fprintf(b, "%s inode %d, %d bytes, %d on disk", name, n.id, n.now.size, n.disk.size)
	if n.links > 1 {
		fmt.Fprintf(b, ", %d links", n.links)
	}
	for i := range n.pending {
		if op := &n.pending[i]; op.isWrite() {
			fmt.Fprintf(b, "; write %d+%d", op.off, len(op.data))
		} else {
			fmt.Fprintf(b, "; truncate %d", op.off)
		}
	}
	tail := make([]byte, min(dumpTail, n.now.size))
	n.now.readAt(tail, n.now.size-int64(len(tail)))
	fmt.Fprintf(b, "\n    ends %q\n", tail)
}
