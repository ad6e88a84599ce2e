package keyspace

import (
	"bytes"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// How large a node becomes: servers' defaults of stream-node-max-entries and stream-node-max-bytes.
const (
	nodeEntries = 100
	nodeLength  = 4096
)

// nodeBytes is about what a node costs beside its listpack.
const nodeBytes = 48

// streamNode is some entries of a stream in a listpack:
//
//	live deleted n field*n 0                     the master: how many entries, and the fields of the first one
//	flags ms seq n (field value)*n count         an entry; ms and seq are differences to the master's id
//	flags ms seq value*n count                   one that has the master's fields
//
// count is of the elements before it, for readers who come from behind.
type streamNode rdb.StreamNode

func (n *streamNode) size() int64 { return nodeBytes + int64(cap(n.Listpack)) }

// newStreamNode returns a node with one entry. It takes the memory that a node of length hint needs.
func newStreamNode(id rdb.StreamID, fields [][]byte, hint int) streamNode {
	lp := append(make(rdb.Listpack, 0, hint), rdb.NewListpack()...)
	lp = lp.AppendInt(1)
	lp = lp.AppendInt(0)
	lp = lp.AppendInt(int64(len(fields) / 2))
	for i := 0; i < len(fields); i += 2 {
		lp = lp.AppendString(fields[i])
	}
	lp = lp.AppendInt(0)
	n := streamNode{Master: id, Listpack: lp}
	n.append(id, fields, rdb.StreamEntrySameFields)
	return n
}

// full reports whether an entry whose fields and values have that many bytes goes into a new node.
func (n *streamNode) full(entry int) bool {
	live, deleted := n.counts()
	return len(n.Listpack)+entry >= nodeLength || live+deleted >= nodeEntries
}

// counts returns how many entries the node has, and how many more that are deleted.
func (n *streamNode) counts() (live, deleted int64) {
	r := newListReader(n.Listpack)
	return r.int(), r.int()
}

// setCounts changes what counts returns.
func (n *streamNode) setCounts(live, deleted int64) {
	n.Listpack = n.Listpack.ReplaceInt(rdb.ListpackStart, live)
	r := newListReader(n.Listpack)
	r.skip(1)
	n.Listpack = n.Listpack.ReplaceInt(r.at, deleted)
}

// add adds an entry behind the others.
func (n *streamNode) add(id rdb.StreamID, fields [][]byte) {
	live, deleted := n.counts()
	n.setCounts(live+1, deleted)
	flags := int64(0)
	if n.sameFields(fields) {
		flags = rdb.StreamEntrySameFields
	}
	n.append(id, fields, flags)
}

// sameFields reports whether the fields are the master's.
func (n *streamNode) sameFields(fields [][]byte) bool {
	r := newListReader(n.Listpack)
	r.skip(2)
	if r.int() != int64(len(fields)/2) {
		return false
	}
	for i := 0; i < len(fields); i += 2 {
		if !isElement(r.element(), fields[i]) {
			return false
		}
	}
	return !r.ended
}

// isElement reports whether e holds the string s.
func isElement(e rdb.ListpackEntry, s []byte) bool {
	if e.Bytes != nil {
		return bytes.Equal(e.Bytes, s)
	}
	n, ok := parseInt(s)
	return ok && n == e.Int
}

func (n *streamNode) append(id rdb.StreamID, fields [][]byte, flags int64) {
	lp := n.Listpack.AppendInt(flags)
	lp = lp.AppendInt(int64(id.Ms - n.Master.Ms))
	lp = lp.AppendInt(int64(id.Seq - n.Master.Seq))
	count := int64(3 + len(fields)/2)
	same := flags&rdb.StreamEntrySameFields != 0
	if !same {
		count += int64(1 + len(fields)/2)
		lp = lp.AppendInt(int64(len(fields) / 2))
	}
	for i, arg := range fields {
		if i%2 == 1 || !same {
			lp = lp.AppendString(arg)
		}
	}
	n.Listpack = lp.AppendInt(count)
}

// clip gives back what memory the node does not need; it is full.
func (n *streamNode) clip() {
	if spare := cap(n.Listpack) - len(n.Listpack); spare > len(n.Listpack)/8 {
		n.Listpack = append(make([]byte, 0, len(n.Listpack)), n.Listpack...)
	}
}

// listReader reads a listpack. Behind the end all is zero.
type listReader struct {
	list  rdb.Listpack
	at    int
	ended bool
}

func newListReader(list rdb.Listpack) listReader {
	return listReader{list: list, at: rdb.ListpackStart}
}

func (r *listReader) element() rdb.ListpackEntry {
	e, next, ok := r.list.Next(r.at)
	if !ok {
		r.ended = true
		return e
	}
	r.at = next
	return e
}

// int reads an element that servers write as an integer.
func (r *listReader) int() int64 { return r.element().Int }

// skip skips n elements, or as many as there are.
func (r *listReader) skip(n int64) {
	for ; n > 0 && !r.ended; n-- {
		r.element()
	}
}

// entryReader goes through the entries of a node, the deleted ones too.
type entryReader struct {
	listReader
	master       rdb.StreamID
	masterFields int64
	fieldsAt     int // where the master's are
	entriesAt    int // where the first entry is

	// The entry, after next:
	start  int // the position of its flags
	flags  int64
	id     rdb.StreamID
	fields int64 // how many
}

func (n *streamNode) entries() entryReader {
	r := entryReader{listReader: newListReader(n.Listpack), master: n.Master}
	r.listReader.skip(2)
	r.masterFields = r.int()
	r.fieldsAt = r.at
	r.listReader.skip(r.masterFields + 1)
	r.entriesAt = r.at
	return r
}

// streamPlace is where an entry is. It holds until the node goes or flags change their width, which servers' never do. The zero one is the
// beginning of any node.
type streamPlace struct {
	master rdb.StreamID // of the node
	id     rdb.StreamID
	offset int // from the first entry
}

// place is where r is.
func (r *entryReader) place() streamPlace {
	return streamPlace{master: r.master, id: r.id, offset: r.start - r.entriesAt}
}

// seek goes to p, if that is in this node.
func (r *entryReader) seek(p *streamPlace) {
	if p.master == r.master {
		r.at = r.entriesAt + p.offset
	}
}

// next reads what comes before the fields and values of the next entry, which skip or each must read.
func (r *entryReader) next() bool {
	r.start = r.at
	r.flags = r.int()
	r.id.Ms = r.master.Ms + uint64(r.int())
	r.id.Seq = r.master.Seq + uint64(r.int())
	r.fields = r.masterFields
	if r.flags&rdb.StreamEntrySameFields == 0 {
		r.fields = r.int()
	}
	return !r.ended
}

func (r *entryReader) deleted() bool { return r.flags&rdb.StreamEntryDeleted != 0 }

// skip reads the fields and values, and what ends the entry.
func (r *entryReader) skip() {
	if r.flags&rdb.StreamEntrySameFields == 0 {
		r.listReader.skip(r.fields)
	}
	r.listReader.skip(r.fields)
	r.listReader.skip(1)
}

// each calls visit with each field and value, and reads what ends the entry.
func (r *entryReader) each(visit func(field, value rdb.ListpackEntry)) {
	own := r.flags&rdb.StreamEntrySameFields == 0
	master := listReader{list: r.list, at: r.fieldsAt}
	for n := r.fields; n > 0 && !r.ended; n-- {
		fields := &master
		if own {
			fields = &r.listReader
		}
		field := fields.element()
		visit(field, r.element())
	}
	r.listReader.skip(1)
}
