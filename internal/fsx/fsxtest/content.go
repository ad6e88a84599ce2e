package fsxtest

import "maps"

const pageSize = 4096

type page [pageSize]byte

// content is the bytes of a file. Copies share pages: one that is not owned is copied before it is changed. A page that
// is missing reads as zeros, and so does everything between the size and the end of the last page.
type content struct {
	size  int64
	pages map[int64]*page
	owned map[int64]bool // made since the last clone
}

func newContent() content { return content{pages: map[int64]*page{}, owned: map[int64]bool{}} }

func (c *content) clone() content {
	clear(c.owned)
	return content{size: c.size, pages: maps.Clone(c.pages), owned: map[int64]bool{}}
}

// readAt fills p from off as far as the size allows.
func (c *content) readAt(p []byte, off int64) int {
	if off >= c.size {
		return 0
	}
	p = p[:min(int64(len(p)), c.size-off)]
	clear(p)
	eachPage(off, int64(len(p)), func(index, in, done, n int64) {
		if pg := c.pages[index]; pg != nil {
			copy(p[done:done+n], pg[in:])
		}
	})
	return len(p)
}

// put stores p at off and leaves the size alone.
func (c *content) put(off int64, p []byte) {
	eachPage(off, int64(len(p)), func(index, in, done, n int64) {
		copy(c.writable(index)[in:], p[done:done+n])
	})
}

// write stores p at off and grows the size over it.
func (c *content) write(off int64, p []byte) {
	c.put(off, p)
	c.size = max(c.size, off+int64(len(p)))
}

// zero clears n bytes from off in pages that are there.
func (c *content) zero(off, n int64) {
	eachPage(off, n, func(index, in, _, n int64) {
		if c.pages[index] != nil {
			clear(c.writable(index)[in : in+n])
		}
	})
}

// truncate sets the size and forgets what lies behind it.
func (c *content) truncate(size int64) {
	c.forget(size)
	c.size = size
}

// forget clears everything from off on and leaves the size alone.
func (c *content) forget(off int64) {
	first := (off + pageSize - 1) / pageSize
	maps.DeleteFunc(c.pages, func(index int64, _ *page) bool { return index >= first })
	c.zero(off, first*pageSize-off)
}

// missing counts the pages that a write of n bytes at off would add.
func (c *content) missing(off, n int64) int64 {
	var count int64
	eachPage(off, n, func(index, _, _, _ int64) {
		if c.pages[index] == nil {
			count++
		}
	})
	return count
}

// allocated is the space that the file takes.
func (c *content) allocated() int64 { return int64(len(c.pages)) * pageSize }

// writable is a page that no copy shares, already in its place.
func (c *content) writable(index int64) *page {
	old := c.pages[index]
	if old != nil && c.owned[index] {
		return old
	}
	pg := new(page)
	if old != nil {
		*pg = *old
	}
	c.pages[index], c.owned[index] = pg, true
	return pg
}

// eachPage calls fn for each page of the range: its index, where the range begins in it, how much of the range
// came before it, and how many bytes of the range it holds.
func eachPage(off, length int64, fn func(index, in, done, n int64)) {
	eachBlock(off, length, pageSize, fn)
}

func eachBlock(off, length, block int64, fn func(index, in, done, n int64)) {
	for done := int64(0); done < length; {
		at := off + done
		in := at % block
		n := min(block-in, length-done)
		fn(at/block, in, done, n)
		done += n
	}
}
