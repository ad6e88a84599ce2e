package keyspace

// This file reaches into the middle of a list.

// endText returns the element at one end; it is valid until the list changes.
func (l *listValue) endText(end listEnd, scratch *numberBuffer) []byte {
	if end == listHead {
		return elementText(l.first.buf[l.first.from:], scratch)
	}
	return elementText(l.last.buf[l.last.before(len(l.last.buf)):], scratch)
}

// seek returns the chunk of element i, which exists, and its number there.
func (l *listValue) seek(i int) (*chunk, int) {
	if i < l.n/2 {
		c := l.first
		for ; i >= c.n; c = c.next {
			i -= c.n
		}
		return c, i
	}
	back := l.n - i
	c := l.last
	for ; back > c.n; c = c.prev {
		back -= c.n
	}
	return c, c.n - back
}

// set replaces element i, which exists.
func (l *listValue) set(i int, elem []byte) {
	e := packElement(elem)
	c, i := l.seek(i)
	at := c.at(i)
	end := c.after(at)
	if c.n == 1 || c.live()-(end-at)+e.size <= packedBytes {
		l.splice(c, at, end, &e)
		return
	}
	l.cut(c, at, end, 1)
	l.n--
	l.insertAt(c, c.at(i), &e)
}

func (l *listValue) splice(c *chunk, at, end int, e *element) {
	was := cap(c.buf)
	c.splice(at, end, e)
	l.bytes += int64(cap(c.buf) - was)
}

// insert puts elem before the first element that equals pivot, or behind it, and reports whether there is one.
func (l *listValue) insert(pivot, elem []byte, behind bool) bool {
	like := packElement(pivot)
	want := like.bytes()
	for c := l.first; c != nil; c = c.next {
		at := c.find(want, c.from)
		if at < 0 {
			continue
		}
		if behind {
			at += len(want)
		}
		e := packElement(elem)
		l.insertAt(c, at, &e)
		return true
	}
	return false
}

// insertAt puts e at a place in c, or where c is full beside it.
func (l *listValue) insertAt(c *chunk, at int, e *element) {
	if !c.hasRoom(e) {
		left := l.gap(c, at)
		right := l.first
		if left != nil {
			right = left.next
		}
		switch {
		case left.hasRoom(e):
			c, at = left, len(left.buf)
		case right.hasRoom(e):
			c, at = right, right.from
		default:
			c, at = &chunk{}, 0
			l.link(c, left)
		}
	}
	l.splice(c, at, at, e)
	c.n++
	l.n++
}

// gap makes a place in c lie between two chunks, and returns the one before it: nil at the list's beginning.
func (l *listValue) gap(c *chunk, at int) *chunk {
	switch at {
	case c.from:
		return c.prev
	case len(c.buf):
		return c
	}
	rest := packed{buf: append([]byte(nil), c.buf[at:]...)}
	for at := 0; at < len(rest.buf); at = rest.after(at) {
		rest.n++
	}
	l.link(&chunk{packed: rest}, c)
	l.cut(c, at, len(c.buf), rest.n)
	return c
}

// remove removes the elements that equal elem, at most limit from one end, and reports whether there were any.
func (l *listValue) remove(elem []byte, limit int, end listEnd) bool {
	like := packElement(elem)
	want := like.bytes()
	was := l.n
	c := l.first
	if end == listTail {
		c = l.last
	}
	for c != nil && limit > 0 {
		this := c
		if c = c.next; end == listTail {
			c = this.prev
		}
		n := this.count(want)
		if n == 0 {
			continue
		}
		skip := 0
		if n > limit && end == listTail {
			skip = n - limit
		}
		n = min(n, limit)
		limit -= n
		l.n -= n
		l.removeFrom(this, want, skip, n)
	}
	l.join()
	return l.n < was
}

func (l *listValue) removeFrom(c *chunk, want []byte, skip, n int) {
	if n == c.n {
		l.unlink(c)
		return
	}
	was := cap(c.buf)
	c.removeAll(want, skip, n)
	c.fit()
	l.bytes += int64(cap(c.buf) - was)
}

// join makes one chunk of neighbours that fill little more than half of one.
func (l *listValue) join() {
	for c := l.first; c != nil; c = c.next {
		for c.next != nil && c.live()+c.next.live() <= packedBytes*5/8 {
			from := c.next
			l.unlink(from)
			was := cap(c.buf)
			c.buf = append(c.buf, from.buf[from.from:]...)
			c.n += from.n
			l.bytes += int64(cap(c.buf) - was)
		}
	}
}
