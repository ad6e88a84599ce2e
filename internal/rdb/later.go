package rdb

import "bytes"

// glance is run for a file of a later version. What its codes mean there nobody knows yet, so that only the auxiliary fields that it
// begins with are taken: what they say of the file's position is worth having. All else is for the CRC64, and what looks like
// damage may be the new format.
func (c *checker) glance(rd *Reader) error {
	c.summary.Unwalked = &UnknownError{Offset: rd.dialect.magicName(), What: "version", Code: uint64(rd.version)}
	head := rd.ahead()
	for {
		item, err := head.Next()
		if err != nil || item.Kind != AuxItem {
			break // whatever it is
		}
		c.add(&item)
	}
	return rd.drain()
}

// ahead returns a Reader of what fits into the buffer, which consumes nothing of r: where a walk goes wrong in a format that changed, it
// can run past the trailer.
func (r *Reader) ahead() *Reader {
	s := &r.src
	for s.end < len(s.buf) && s.read() {
		// until the buffer is full, or the input ends
	}
	return &Reader{src: newSource(bytes.NewReader(s.buf[s.pos:s.end])), dialect: r.dialect, version: r.version, value: []byte{}}
}
