package rdb

import "math"

// checkStreamNode says what is wrong with a node's listpack; empty if nothing (t_stream.c:streamValidateListpackIntegrity).
//
//	entries | deleted entries | fields n | field ... | 0
//	each entry: flags | ms and seq, counted from the node's id | (same fields: value ... | else: fields n | field value ...) |
//	how many listpack entries all that was
func checkStreamNode(p []byte) string {
	const unsound = "unsound node in a stream"
	w := walkListpack(p)
	integer := func() int64 {
		v, ok := w.next().integer()
		if !ok && w.what == "" {
			w.what = unsound
		}
		return v
	}
	skip := func(n int64) {
		for ; n > 0 && w.what == ""; n-- {
			w.next()
		}
	}
	left := len(p) // no count can be over it
	count, deleted, fields := integer(), integer(), integer()
	if count < 0 || deleted < 0 || fields < 0 || count > int64(left) || deleted > int64(left) || fields > int64(left) {
		return unsound
	}
	skip(fields)
	if integer() != 0 {
		return unsound
	}
	for n := count + deleted; n > 0 && w.what == ""; n-- {
		before := w.entries
		flags := integer()
		skip(2)
		own := fields
		if flags&StreamEntrySameFields == 0 {
			own = integer()
			skip(own)
		}
		skip(own)
		if size := w.entries - before; integer() != int64(size) {
			return unsound
		}
	}
	if w.what == "" && w.more() {
		return unsound
	}
	return w.end()
}

// firstEntry returns the id of the first entry that is not deleted, the largest id if there is none (t_stream.c:streamGetEdgeID). The nodes
// must be sound.
func (s *Stream) firstEntry() StreamID {
	for _, n := range s.Nodes {
		w := walkListpack(n.Listpack)
		w.next()
		w.next()
		fields, _ := w.next().integer()
		for range fields + 1 {
			w.next()
		}
		for w.more() {
			flags, _ := w.next().integer()
			ms, _ := w.next().integer()
			seq, _ := w.next().integer()
			if flags&StreamEntryDeleted == 0 {
				return StreamID{Ms: n.Master.Ms + uint64(ms), Seq: n.Master.Seq + uint64(seq)}
			}
			values := fields
			if flags&StreamEntrySameFields == 0 {
				own, _ := w.next().integer()
				values = 2 * own
			}
			for range values + 1 {
				w.next()
			}
		}
	}
	return StreamID{Ms: math.MaxUint64, Seq: math.MaxUint64}
}

// estimateRead returns how many entries a group whose last delivered one is id has read, -1 if that is not known
// (t_stream.c:streamEstimateDistanceFromFirstEverEntry).
func (s *Stream) estimateRead(id StreamID) int64 {
	last := id.Compare(s.LastID)
	switch {
	case s.EntriesAdded == 0:
		return 0
	case s.Length == 0 && last <= 0:
		return int64(s.EntriesAdded)
	case !id.IsZero() && id.Compare(s.MaxDeletedID) < 0:
		return -1
	case last == 0:
		return int64(s.EntriesAdded)
	case last > 0:
		return -1
	}
	if s.MaxDeletedID.IsZero() || s.MaxDeletedID.Compare(s.FirstID) < 0 {
		switch id.Compare(s.FirstID) {
		case -1:
			return int64(s.EntriesAdded - s.Length)
		case 0:
			return int64(s.EntriesAdded-s.Length) + 1
		}
	}
	return -1
}
