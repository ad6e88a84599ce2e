package rdb

// streamID is the length of a stream id as stored: milliseconds and sequence, big endian.
const streamID = 16

// skipStream consumes a stream (protocol.md 6.6). That ids in a consumer's pending list are in its group's is not checked.
func (s *source) skipStream(t Type) {
	nodes := s.count()
	for n := nodes; n > 0 && s.err == nil; n-- {
		h := s.stringHead()
		if h.length != streamID {
			s.corrupt("stream node without an id")
		}
		s.skip(h.size)
		s.skipBlob(listpack)
	}
	if length := s.number(); length > 0 && nodes == 0 {
		s.corrupt("stream with a length and without nodes")
	}
	s.skipNumbers(2) // last id
	if t != TypeStreamListpacks {
		s.skipNumbers(5) // first id, largest deleted id, entries added
	}
	for n := s.count(); n > 0 && s.err == nil; n-- {
		s.skipGroup(t)
	}
}

// skipGroup consumes a consumer group.
func (s *source) skipGroup(t Type) {
	s.skipString()   // name
	s.skipNumbers(2) // last id
	if t != TypeStreamListpacks {
		s.number() // entries read; -1 is stored as 2^64-1
	}
	for n := s.count(); n > 0 && s.err == nil; n-- {
		s.skip(streamID + 8) // id, delivery time
		s.number()           // deliveries
	}
	for n := s.count(); n > 0 && s.err == nil; n-- {
		s.skipString() // name
		s.skip(8)      // seen
		if t == TypeStreamListpacks3 {
			s.skip(8) // active
		}
		s.skip(s.count() * streamID) // pending
	}
}

func (s *source) skipNumbers(n int) {
	for range n {
		s.number()
	}
}
