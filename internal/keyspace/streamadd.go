package keyspace

import (
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// maxEntryBytes is how long fields and values of one entry may be together (t_stream.c:STREAM_LISTPACK_MAX_SIZE).
const maxEntryBytes = 1 << 30

// planXAdd is the plan of XADD, which servers propagate with an id and an exact trim. What is none of that, or has an option that we do
// not know, a later server's, is carried.
func planXAdd(args [][]byte, p *Plan) {
	p.add(args[1], Writes)
	if a, ok := parseAdd(args); !ok || a.form != fullStreamID || a.trim.about {
		p.Effect = Carry
	}
}

func runXAdd(c *call) error {
	a, ok := parseAdd(c.args)
	if !ok {
		return errFailed
	}
	if a.form != fullStreamID || a.trim.about {
		return &UnknownCommandError{Name: "XADD by the clock or by the size of nodes"}
	}
	key := c.args[1]
	s, err := c.findStream(key)
	if err != nil {
		return err
	}
	if s == nil {
		if !a.create {
			return nil
		}
		s = &streamValue{}
		c.put(key, s) // stays, empty, if the entry is too long
	}
	if !s.add(a.id, a.fields) {
		return errFailed
	}
	s.trim(&a.trim)
	c.changed(key)
	return nil
}

// add adds an entry, if its id is beyond all that were.
func (s *streamValue) add(id rdb.StreamID, fields [][]byte) bool {
	total := 0
	for _, arg := range fields {
		total += len(arg)
	}
	if id.Compare(s.lastID) <= 0 || total > maxEntryBytes {
		return false
	}
	s.addToNodes(id, fields, total)
	s.length++
	s.entriesAdded++
	s.lastID = id
	if s.length == 1 {
		s.firstID = id
	}
	return true
}

func (s *streamValue) addToNodes(id rdb.StreamID, fields [][]byte, total int) {
	hint := 0
	if len(s.nodes) > 0 {
		last := &s.nodes[len(s.nodes)-1]
		before := last.size()
		if !last.full(total) {
			last.add(id, fields)
			s.bytes += last.size() - before
			return
		}
		last.clip()
		s.bytes += last.size() - before
		hint = min(len(last.Listpack), nodeLength)
	}
	node := newStreamNode(id, fields, hint)
	s.bytes += node.size()
	s.nodes = append(s.nodes, node)
	// Only where XSETID turned back behind deleted entries, as Redis 7.0 lets it, this is not the last place.
	for i := len(s.nodes) - 1; i > 0 && s.nodes[i-1].Master.Compare(s.nodes[i].Master) > 0; i-- {
		s.nodes[i-1], s.nodes[i] = s.nodes[i], s.nodes[i-1]
	}
}

// planXTrim is the plan of XTRIM; see planXAdd.
func planXTrim(args [][]byte, p *Plan) {
	p.add(args[1], Writes)
	if t, ok := parseXTrim(args); !ok || t.about {
		p.Effect = Carry
	}
}

// parseXTrim parses the arguments of XTRIM.
func parseXTrim(args [][]byte) (t trimArgs, ok bool) {
	_, ok = parseTrim(args, &t, func([]byte) (stop, ok bool) { return true, false })
	return t, ok && t.by != trimNone
}

func runXTrim(c *call) error {
	t, ok := parseXTrim(c.args)
	if !ok {
		return errFailed
	}
	if t.about {
		return &UnknownCommandError{Name: "XTRIM by the size of nodes"}
	}
	s, err := c.findStream(c.args[1])
	if s == nil || err != nil {
		return err
	}
	s.trim(&t)
	c.changed(c.args[1])
	return nil
}

// trim removes the oldest entries: whole nodes, and of the one where it ends it marks what is to go (t_stream.c:streamTrim).
func (s *streamValue) trim(t *trimArgs) {
	if t.by == trimNone {
		return
	}
	before, gone := s.length, 0
	for gone < len(s.nodes) && (t.by == trimID || s.length > t.length) {
		if !s.trimNode(&s.nodes[gone], t) {
			break
		}
		gone++
	}
	s.dropNodes(gone)
	if s.length == 0 {
		s.firstID = rdb.StreamID{}
	} else if s.length != before {
		s.firstID = s.first()
	}
}

// trimNode trims in a node and reports whether all of it is to go. What goes is no longer in s.length.
func (s *streamValue) trimNode(n *streamNode, t *trimArgs) bool {
	live, deleted := n.counts()
	if t.by == trimLength && s.length-uint64(live) >= t.length {
		s.length -= uint64(live)
		return true
	}
	marked, before := int64(0), n.size()
	r := n.entries()
	r.seek(&s.head)
	for r.next() {
		if t.by == trimLength && s.length <= t.length || t.by == trimID && r.id.Compare(t.id) >= 0 {
			break
		}
		r.skip()
		if !r.deleted() {
			s.mark(n, &r)
			marked++
			s.length--
		}
	}
	if r.ended && t.by == trimID { // without meeting an id that stays
		s.bytes += n.size() - before
		return true
	}
	if marked > 0 {
		n.setCounts(live-marked, deleted+marked)
		s.bytes += n.size() - before
	}
	return false
}

// mark marks the entry that r is at, or behind, as deleted; r goes on behind it.
func (s *streamValue) mark(n *streamNode, r *entryReader) {
	before := len(n.Listpack)
	n.Listpack = n.Listpack.ReplaceInt(r.start, r.flags|rdb.StreamEntryDeleted)
	r.list = n.Listpack
	if wider := len(n.Listpack) - before; wider != 0 {
		r.at += wider
		s.head, s.found = streamPlace{}, streamPlace{}
	}
}

// dropNodes removes the first n nodes.
func (s *streamValue) dropNodes(n int) {
	for i := range s.nodes[:n] {
		s.bytes -= s.nodes[i].size()
		s.nodes[i] = streamNode{} // what is before the slice would be kept
	}
	s.nodes = s.nodes[n:]
	s.head, s.found = streamPlace{}, streamPlace{}
}

// removeNode removes one node, and moves what is on the shorter side of it.
func (s *streamValue) removeNode(at int) {
	if at >= len(s.nodes)/2 {
		s.bytes -= s.nodes[at].size()
		s.nodes = slices.Delete(s.nodes, at, at+1)
		s.head, s.found = streamPlace{}, streamPlace{}
		return
	}
	node := s.nodes[at]
	copy(s.nodes[1:], s.nodes[:at])
	s.nodes[0] = node
	s.dropNodes(1)
}

// first returns the id of the first entry that is not deleted.
func (s *streamValue) first() rdb.StreamID {
	for i := range s.nodes {
		r := s.nodes[i].entries()
		for r.seek(&s.head); r.next(); r.skip() {
			if !r.deleted() {
				s.head = r.place()
				return r.id
			}
		}
	}
	return rdb.StreamID{Ms: ^uint64(0), Seq: ^uint64(0)}
}
