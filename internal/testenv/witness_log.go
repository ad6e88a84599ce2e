package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// markStart is how each mark in a log begins.
const markStart = "*2\r\n$4\r\nPING\r\n"

// keepBytes is what a [Witness] keeps of the stream before it forgets what no log has any more.
const keepBytes = 1 << 20

// LogEnd is what [Witness.Check] found.
type LogEnd struct {
	// From and Offset are the offsets between which the log's increments have the stream.
	From, Offset int64
	// Fack is the furthest that was acknowledged of it, -1 if nothing was.
	Fack int64
}

// Check wants that the log in dir, to which nobody writes, has all that was ever acknowledged as durable, and nothing but what the upstream has sent: its increments are, byte by byte, the stream from where its base stands to
// at least the last FACK. It tells how far it goes; a directory without a log is at offset 0, and an error after any FACK; so is one behind StartOver of which nothing was acknowledged since, whatever is in it.
func (w *Witness) Check(dir string) (LogEnd, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return LogEnd{}, w.err
	}
	promised := w.promised()
	if promised == nil && w.strange {
		return LogEnd{Fack: -1}, nil
	}
	names, err := increments(filepath.Join(dir, appendDir))
	if err != nil {
		return LogEnd{}, err
	}
	if len(names) == 0 {
		if promised != nil {
			return LogEnd{}, fmt.Errorf("no log is left after FACK %d", promised.fack)
		}
		return LogEnd{Fack: -1}, nil
	}
	r := logReader{w: w}
	for i, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, appendDir, name))
		if err != nil {
			return LogEnd{}, err
		}
		if err := r.read(data, i == len(names)-1); err != nil {
			return LogEnd{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	switch {
	case r.history == nil && promised == nil:
		return LogEnd{Fack: -1}, nil
	case r.history == nil:
		return LogEnd{}, fmt.Errorf("the log has no mark after FACK %d", promised.fack)
	}
	if promised != nil && slices.Index(w.histories, r.history) < slices.Index(w.histories, promised) {
		return LogEnd{}, fmt.Errorf("the log is of history %s after FACK %d of %s", r.history.names, promised.fack, promised.names)
	}
	for r.at < r.history.fack && r.drop() {
	}
	if r.at < r.history.fack {
		return LogEnd{}, fmt.Errorf("the log ends at %d after FACK %d", r.at, r.history.fack)
	}
	w.forget(r.span, r.from)
	return LogEnd{From: r.from, Offset: r.at, Fack: r.history.fack}, nil
}

// forget drops the stream before an offset.
func (w *Witness) forget(s *span, before int64) {
	if n := before - s.from; n > keepBytes {
		s.bytes, s.from = bytes.Clone(s.bytes[n:]), before
	}
}

// increments returns the names of the increments of a log, in order; none if there is no manifest.
func increments(dir string) ([]string, error) {
	manifest, err := manifestName(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, manifest))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(namedFiles(string(text)), func(name string) bool { return !strings.HasSuffix(name, ".incr.aof") }), nil
}

// logReader walks through increments and the stream at once.
type logReader struct {
	w        *Witness
	history  *history // nil before the first mark
	span     *span
	from, at int64
}

// read takes an increment; only the last one may end in the middle of a command.
func (r *logReader) read(data []byte, last bool) error {
	begun := false // behind the SELECT that each increment begins with
	for len(data) > 0 {
		if data[0] == '#' {
			i := bytes.IndexByte(data, '\n')
			if i < 0 {
				break
			}
			data = data[i+1:]
			continue
		}
		n, name := Command(data)
		if n == 0 {
			break
		}
		command := data[:n]
		data = data[n:]
		var err error
		switch {
		case !begun && name == "SELECT":
			begun = true
		case bytes.HasPrefix(command, []byte(markStart)):
			err = r.mark(command)
		default:
			err = r.command(command)
		}
		if err != nil {
			return err
		}
	}
	if len(data) == 0 {
		return nil
	}
	if !last {
		return fmt.Errorf("a closed increment ends with %.60q", data)
	}
	return r.torn(data)
}

// mark takes the position that the log states.
func (r *logReader) mark(command []byte) error {
	fields := strings.Fields(argsOf(command)[1])
	if len(fields) < 4 || fields[0] != "#pos" {
		return fmt.Errorf("read mark %q", command)
	}
	offset, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return fmt.Errorf("read mark %q: %w", command, err)
	}
	h := r.w.named(fields[1])
	if h == nil {
		return fmt.Errorf("mark %q of another history", command)
	}
	if r.history == nil {
		r.history, r.span, r.from, r.at = h, h.spanAt(offset), offset, offset
		if r.span == nil {
			return fmt.Errorf("mark %q of what was never sent", command)
		}
	}
	for h == r.history && r.at < offset && r.drop() {
	}
	if h != r.history || r.at != offset {
		return fmt.Errorf("mark %q where the stream is at %d", command, r.at)
	}
	return nil
}

// command takes a command of the stream.
func (r *logReader) command(command []byte) error {
	if r.history == nil {
		return fmt.Errorf("%.60q before the first mark", command)
	}
	for !bytes.HasPrefix(r.span.behind(r.at), command) {
		if !r.drop() {
			return fmt.Errorf("%.60q behind offset %d, where the upstream sent %.60q", command, r.at, r.span.behind(r.at))
		}
	}
	r.at += int64(len(command))
	return nil
}

// torn takes what a crash has left of a command or a mark.
func (r *logReader) torn(data []byte) error {
	if r.history == nil {
		return fmt.Errorf("%.60q before the first mark", data)
	}
	start := []byte(markStart)
	if n := min(len(start), len(data)); bytes.Equal(start[:n], data[:n]) || data[0] == '#' {
		return nil
	}
	for !bytes.HasPrefix(r.span.behind(r.at), data) {
		if !r.drop() {
			return fmt.Errorf("%.60q behind offset %d, where the upstream sent %.60q", data, r.at, r.span.behind(r.at))
		}
	}
	return nil
}

// drop steps over a command of the stream that no log keeps, and reports whether there was one.
func (r *logReader) drop() bool {
	rest := r.span.behind(r.at)
	if len(rest) > 0 && (rest[0] == '\n' || rest[0] == '\r') {
		r.at++
		return true
	}
	n, name := Command(rest)
	switch name {
	case "PING", "REPLCONF", "PUBLISH", "SPUBLISH":
		r.at += int64(n)
		return true
	}
	return false
}
