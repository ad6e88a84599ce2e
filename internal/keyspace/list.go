package keyspace

// listEnd is one end of a list.
type listEnd bool

const (
	listHead listEnd = false
	listTail listEnd = true
)

// listValue is a list: a chain of packed chunks, as the server's quicklist is one of listpacks. Pushing and popping at the ends moves
// nothing; what is inside a chunk is walked.
type listValue struct {
	first, last *chunk
	n           int
	bytes       int64 // of all chunks
}

// chunk is one link of a list. It is never empty.
type chunk struct {
	packed
	prev, next *chunk
}

const (
	listBytes  = 48 // of a listValue
	chunkBytes = 64 // of a chunk, without what it holds
)

var _ value = (*listValue)(nil)

func (l *listValue) typeName() string { return "list" }
func (l *listValue) empty() bool      { return l.n == 0 }
func (l *listValue) size() int64      { return listBytes + l.bytes }

func (l *listValue) clone() value {
	to := &listValue{n: l.n}
	for c := l.first; c != nil; c = c.next {
		to.link(&chunk{packed: c.clone()}, to.last)
	}
	return to
}

// each calls visit for each element from the first on until it returns false. The text is valid during the call.
func (l *listValue) each(visit func(elem []byte) bool) {
	for c := l.first; c != nil; c = c.next {
		if !c.each(visit) {
			return
		}
	}
}

// link puts c behind another chunk; nil: before all. The bytes of c are counted, its elements are not.
func (l *listValue) link(c, behind *chunk) {
	c.prev = behind
	if behind == nil {
		c.next, l.first = l.first, c
	} else {
		c.next, behind.next = behind.next, c
	}
	if c.next == nil {
		l.last = c
	} else {
		c.next.prev = c
	}
	l.bytes += chunkBytes + int64(cap(c.buf))
}

// unlink takes c out. Its elements stay counted.
func (l *listValue) unlink(c *chunk) {
	if c.prev == nil {
		l.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		l.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	l.bytes -= chunkBytes + int64(cap(c.buf))
}

// hasRoom reports whether e belongs into c, and not into a chunk of its own.
func (c *chunk) hasRoom(e *element) bool { return c != nil && c.live()+e.size <= packedBytes }

// newChunk makes room for e behind a chunk that is full, or in a list that is empty.
func (l *listValue) newChunk(e *element, behind *chunk) *chunk {
	c := &chunk{}
	if l.n > 0 { // what made one chunk full will fill the next
		c.buf = make([]byte, 0, max(packedBytes, e.size))
	}
	l.link(c, behind)
	return c
}

// seal gives back what a full chunk does not use, where that is much: elements of a few kilobytes leave wide gaps.
func (l *listValue) seal(c *chunk) {
	if c == nil || cap(c.buf)-c.live() < c.live()/8 {
		return
	}
	was := cap(c.buf)
	c.packed = c.clone()
	l.bytes += int64(cap(c.buf) - was)
}

func (l *listValue) pushBack(elem []byte) {
	e := packElement(elem)
	c := l.last
	if !c.hasRoom(&e) {
		l.seal(c)
		c = l.newChunk(&e, c)
	}
	was := cap(c.buf)
	c.pushBack(&e)
	l.bytes += int64(cap(c.buf) - was)
	l.n++
}

func (l *listValue) pushFront(elem []byte) {
	e := packElement(elem)
	c := l.first
	if !c.hasRoom(&e) {
		l.seal(c)
		c = l.newChunk(&e, nil)
	}
	was := cap(c.buf)
	c.pushFront(&e)
	l.bytes += int64(cap(c.buf) - was)
	l.n++
}

// push puts elem at one end.
func (l *listValue) push(elem []byte, end listEnd) {
	if end == listHead {
		l.pushFront(elem)
	} else {
		l.pushBack(elem)
	}
}

// pop removes up to n elements from one end.
func (l *listValue) pop(n int, end listEnd) {
	n = min(n, l.n)
	if end == listHead {
		l.popFront(n)
	} else {
		l.popBack(n)
	}
}

func (l *listValue) popFront(n int) {
	l.n -= n
	for n > 0 && n >= l.first.n {
		n -= l.first.n
		l.unlink(l.first)
	}
	if n > 0 {
		c := l.first
		l.cut(c, c.from, c.at(n), n)
	}
}

func (l *listValue) popBack(n int) {
	l.n -= n
	for n > 0 && n >= l.last.n {
		n -= l.last.n
		l.unlink(l.last)
	}
	if n > 0 {
		c := l.last
		l.cut(c, c.at(c.n-n), len(c.buf), n)
	}
}

// cut removes n elements from a chunk that has more, between two places in it, and does not count them.
func (l *listValue) cut(c *chunk, from, to, n int) {
	was := cap(c.buf)
	c.cut(from, to, n)
	c.fit()
	l.bytes += int64(cap(c.buf) - was)
}
