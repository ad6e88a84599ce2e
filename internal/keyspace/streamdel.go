package keyspace

import (
	"sort"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

func runXDel(c *call) error {
	s, err := c.findStream(c.args[1])
	if s == nil || err != nil {
		return err
	}
	ids := c.args[2:]
	for _, arg := range ids {
		if _, ok := parseStreamID(arg); !ok {
			return errFailed
		}
	}
	first := false
	for _, arg := range ids {
		id, _ := parseStreamID(arg)
		if !s.remove(id) {
			continue
		}
		first = first || id == s.firstID
		if id.Compare(s.maxDeletedID) > 0 {
			s.maxDeletedID = id
		}
	}
	if s.length == 0 {
		s.firstID = rdb.StreamID{}
	} else if first {
		s.firstID = s.first()
	}
	c.changed(c.args[1])
	return nil
}

// find finds the entry of that id, if it is not deleted: its node, and a reader that is at it.
func (s *streamValue) find(id rdb.StreamID) (node int, r entryReader, found bool) {
	if len(s.nodes) == 0 || id.Compare(s.lastID) > 0 {
		return 0, r, false
	}
	node = sort.Search(len(s.nodes), func(i int) bool { return s.nodes[i].Master.Compare(id) > 0 })
	for node = max(node-1, 0); node < len(s.nodes); node++ {
		r = s.nodes[node].entries()
		if s.found.id.Compare(id) <= 0 {
			r.seek(&s.found)
		}
		for ; r.next(); r.skip() {
			if c := r.id.Compare(id); c >= 0 && !r.deleted() {
				s.found = r.place()
				return node, r, c == 0
			}
		}
	}
	return 0, r, false
}

// has reports whether the stream has an entry of that id.
func (s *streamValue) has(id rdb.StreamID) bool {
	_, _, found := s.find(id)
	return found
}

// remove removes an entry: it is marked, or its node goes with it if there was no other (t_stream.c:streamIteratorRemoveEntry).
func (s *streamValue) remove(id rdb.StreamID) bool {
	at, r, found := s.find(id)
	if !found {
		return false
	}
	s.length--
	n := &s.nodes[at]
	live, deleted := n.counts()
	if live == 1 {
		s.removeNode(at)
		return true
	}
	before := n.size()
	s.mark(n, &r)
	n.setCounts(live-1, deleted+1)
	s.bytes += n.size() - before
	return true
}

// planXSetID is the plan of XSETID; with an option that we do not know, a later server's, it is carried.
func planXSetID(args [][]byte, p *Plan) {
	p.add(args[1], Writes)
	if _, ok := parseXSetID(args); !ok {
		p.Effect = Carry
	}
}

// setIDArgs are the arguments of XSETID.
type setIDArgs struct {
	id           rdb.StreamID
	entriesAdded int64        // -1: stays
	maxDeletedID rdb.StreamID // 0-0: stays
}

func parseXSetID(args [][]byte) (a setIDArgs, ok bool) {
	a.entriesAdded = -1
	if a.id, ok = parseStreamID(args[2]); !ok {
		return a, false
	}
	for at := 3; at < len(args); at += 2 {
		if at+1 == len(args) {
			return a, false
		}
		switch arg := args[at+1]; {
		case isWord(args[at], "ENTRIESADDED"):
			a.entriesAdded, ok = parseInt(arg)
			ok = ok && a.entriesAdded >= 0
		case isWord(args[at], "MAXDELETEDID"):
			a.maxDeletedID, ok = parseStreamID(arg)
			ok = ok && a.id.Compare(a.maxDeletedID) >= 0
		default:
			ok = false
		}
		if !ok {
			return a, false
		}
	}
	return a, true
}

func runXSetID(c *call) error {
	a, ok := parseXSetID(c.args)
	if !ok {
		return errFailed
	}
	s, err := c.findStream(c.args[1])
	if err != nil {
		return err
	}
	if s == nil || c.space.setIDMindsDeleted() && a.id.Compare(s.maxDeletedID) < 0 {
		return errFailed
	}
	if s.length > 0 {
		if a.id.Compare(s.last()) < 0 || a.entriesAdded != -1 && s.length > uint64(a.entriesAdded) {
			return errFailed
		}
	}
	s.lastID = a.id
	if a.entriesAdded != -1 {
		s.entriesAdded = uint64(a.entriesAdded)
	}
	if !a.maxDeletedID.IsZero() {
		s.maxDeletedID = a.maxDeletedID
	}
	return nil
}

// setIDMindsDeleted reports whether XSETID refuses an id below the largest deleted one: since Redis 7.2.
func (s *Space) setIDMindsDeleted() bool { return s.opt.Format.Version >= 11 }

// last returns the id of the last entry that is not deleted.
func (s *streamValue) last() (id rdb.StreamID) {
	for i := len(s.nodes) - 1; i >= 0; i-- {
		found := false
		for r := s.nodes[i].entries(); r.next(); r.skip() {
			if !r.deleted() {
				id, found = r.id, true
			}
		}
		if found {
			break
		}
	}
	return id
}
