package aof

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// markLead is what stands before a mark's text in a file, but for the length.
const markLead = "*2\r\n$4\r\nPING\r\n$"

// provenBelow returns the highest offset that marks of id between from and size say is durable. It is for the rest of a file behind
// bytes that are no RESP, where nothing tells a mark from a value that looks like one. So it believes a mark only if another one above it
// agrees with it: the commands between them are as many bytes as the offsets differ. A value cannot have that by chance.
func provenBelow(f io.ReaderAt, from, size int64, id stream.ReplID) (stream.Offset, error) {
	var proven stream.Offset
	for from < size {
		at, err := findLead(f, from, size)
		if err != nil || at < 0 {
			return proven, err
		}
		next, agreed, err := agreeing(io.NewSectionReader(f, at, size-at), id)
		if err != nil {
			return proven, err
		}
		from = at + next
		proven = max(proven, agreed)
	}
	return proven, nil
}

// findLead returns where the next markLead begins, or -1.
func findLead(f io.ReaderAt, from, size int64) (int64, error) {
	buf := make([]byte, min(size-from, scanBuffer)+int64(len(markLead)))
	for ; from < size; from += scanBuffer {
		n, err := f.ReadAt(buf, from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read at %d: %w", from, err)
		}
		if i := bytes.Index(buf[:n], []byte(markLead)); i >= 0 {
			return from + int64(i), nil
		}
	}
	return -1, nil
}

// agreeing reads on from what may be a mark to the next one. It returns how far the search goes on behind it, and what the second mark
// says is durable if the two agree, else 0.
func agreeing(section io.Reader, id stream.ReplID) (next int64, durable stream.Offset, err error) {
	var (
		r     = resp.NewReader(section)
		first mark
		kept  int64
	)
	for n := 0; ; n++ {
		cmd, err := r.Next()
		if _, syntax := errors.AsType[*resp.SyntaxError](err); syntax || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return int64(len(markLead)), 0, nil
		}
		if err != nil {
			return 0, 0, err
		}
		m, isMark := mark{}, false
		if cmd.Kind == resp.Ping && len(cmd.Args) == 2 {
			m, isMark = parseMark(cmd.Args[1])
		}
		switch {
		case n == 0 && (!isMark || m.pos.ReplID != id):
			return int64(len(markLead)), 0, nil
		case n == 0:
			first = m
		case isMark && m.pos.ReplID == id && int64(m.pos.Offset-first.pos.Offset) == kept && kept > 0:
			return cmd.Start, m.durable, nil
		case isMark:
			return int64(len(markLead)), 0, nil
		case cmd.Kind != resp.Annotation:
			kept += cmd.End - cmd.Start
		}
	}
}
