package fold

import (
	"fmt"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// body takes what CopyRaw writes and cuts the head off. If the rest is more than limit bytes, where there is one, it only counts them.
type body struct {
	head  int64
	limit int64
	bytes []byte
	size  int64
}

// Write satisfies io.Writer.
func (b *body) Write(p []byte) (int, error) {
	n := len(p)
	cut := min(b.head, int64(n))
	b.head -= cut
	p = p[cut:]
	b.size += int64(len(p))
	if b.over() {
		b.bytes = nil
		return n, nil
	}
	b.bytes = append(b.bytes, p...)
	return n, nil
}

func (b *body) over() bool { return b.limit > 0 && b.size > b.limit }

// readBody returns the value's RDB body of the entry that r is at, or only its size if that is more than limit; 0: there is none.
func readBody(r *rdb.Reader, it *rdb.Item, limit int64) (body, error) {
	b := body{head: it.HeadBytes, limit: limit}
	err := r.CopyRaw(&b)
	return b, err
}

// readFunction returns the source of the function library that r is at.
func readFunction(r *rdb.Reader) ([]byte, error) {
	b := body{head: 1}
	if err := r.CopyRaw(&b); err != nil {
		return nil, err
	}
	source, err := rdb.DecodeString(b.bytes)
	if err != nil {
		return nil, fmt.Errorf("function library: %w", err)
	}
	return source, nil
}
