package rdb

import (
	"io"
	"sync"
)

const (
	// aheadBlock is how many bytes a block that is read ahead has, and aheadBlocks how many there are: one that is walked, one that waits, one
	// that is read.
	aheadBlock  = 256 << 10
	aheadBlocks = 3
	// aheadRoom lies before a block for what is left of the one before: fewer bytes than anybody asks fill for.
	aheadRoom = 64
)

// ahead reads an input block by block, and sums it, beside the one who walks it.
type ahead struct {
	blocks chan block  // closed behind the last one
	free   chan []byte // each aheadRoom + aheadBlock long
	stop   chan struct{}
	once   sync.Once
	ended  chan struct{}
}

// block is bytes of the input, behind aheadRoom in buf, or why there are none.
type block struct {
	buf    []byte
	n      int
	before uint64 // the CRC64 of all before them
	err    error
}

// NewReaderAhead is NewReader for large inputs: a goroutine reads r ahead and sums it, up to 768 KiB before what Next returned. Close ends it. Rest
// is not for such a Reader.
func NewReaderAhead(r io.Reader) (*Reader, error) {
	a := &ahead{
		blocks: make(chan block, aheadBlocks), free: make(chan []byte, aheadBlocks+1),
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
	for range aheadBlocks {
		a.free <- make([]byte, aheadRoom+aheadBlock)
	}
	src := source{r: r, crc: newCRC(), from: -1, owed: -1, ahead: a}
	go a.run(r, crc{tables: src.crc.tables})
	rd, err := openReader(src)
	if err == nil && rd.later() {
		err = &UnsupportedError{Magic: rd.magic}
	}
	if err != nil {
		a.close()
		return nil, err
	}
	return rd, nil
}

// run reads until the end, an error, or close.
func (a *ahead) run(r io.Reader, sum crc) {
	defer close(a.ended)
	defer close(a.blocks)
	for {
		var buf []byte
		select {
		case buf = <-a.free:
		case <-a.stop:
			return
		}
		b := block{buf: buf, before: sum.sum}
		b.n, b.err = r.Read(buf[aheadRoom:])
		_, _ = sum.Write(buf[aheadRoom : aheadRoom+b.n]) // never fails
		a.blocks <- b                                    // there is room for all of them
		if b.n == 0 && b.err != nil {
			return
		}
	}
}

func (a *ahead) close() {
	a.once.Do(func() { close(a.stop) })
	<-a.ended
}

// swap makes the next block the buffer. It returns what reading it returned.
func (s *source) swap() (int, error) {
	b, ok := <-s.ahead.blocks
	if !ok {
		return 0, io.EOF
	}
	if b.n == 0 {
		s.ahead.free <- b.buf
		return 0, b.err
	}
	s.leave()
	at := s.offset()
	start := aheadRoom - (s.end - s.pos)
	copy(b.buf[start:], s.buf[s.pos:s.end])
	if s.buf != nil {
		s.ahead.free <- s.buf
	}
	s.buf, s.pos, s.end, s.base = b.buf, start, aheadRoom+b.n, at-int64(start)
	s.summed, s.crc.sum = aheadRoom, b.before
	if s.from >= 0 {
		s.from = start
	}
	return b.n, nil // an error comes again
}
