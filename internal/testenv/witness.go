package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Witness is a [Proxy] between a sidecar and its upstream that keeps what the upstream has sent and the furthest that the sidecar has acknowledged as durable (FACK), over all of
// the sidecar's lives. Whatever then happens to the process or to its disk, [Witness.Check] says whether its log keeps what was promised. It has no code in common with what
// is tested.
//
// What it hears, it notes before it passes it on: nothing is on its way that it does not know.
type Witness struct {
	*Proxy

	mu        sync.Mutex
	histories []*history // in the order in which the upstream named them
	heard     Heard
	strange   bool  // the directory is one of which nothing was heard
	err       error // what should not have been said; the first of it
}

// Heard counts what a [Witness] has heard.
type Heard struct {
	// Full and Partial are the answers +FULLRESYNC and +CONTINUE; Needless are those of Full on a history of which the sidecar had acknowledged something.
	Full, Partial, Needless int
	// Again counts those of Partial from before a FACK, AgainBytes from how far. The log has these bytes, and keeps them.
	Again      int
	AgainBytes int64
	// Lower counts connections whose first FACK was less than one before.
	Lower int
	// Facks are the acknowledgements with a FACK, and Facked the bytes of stream that they are about.
	Facks  int
	Facked int64
}

// history is a stream with its names: the upstream has another one after a failover.
type history struct {
	names []string
	spans []*span
	first int64 // the first FACK
	fack  int64 // the furthest; -1: none
}

// span is a part of a history without a hole. A full resync begins one.
type span struct {
	from  int64 // the offset before the first byte
	bytes []byte
}

func (s *span) end() int64 { return s.from + int64(len(s.bytes)) }

// behind returns what is kept of the stream behind an offset.
func (s *span) behind(offset int64) []byte { return s.bytes[offset-s.from:] }

// spanAt returns the last span that an offset is in, nil if there is none.
func (h *history) spanAt(offset int64) *span {
	for _, s := range slices.Backward(h.spans) {
		if s.from <= offset && offset <= s.end() {
			return s
		}
	}
	return nil
}

// add notes what was sent behind an offset, which may have been sent before.
func (h *history) add(offset int64, p []byte) error {
	s := h.spanAt(offset)
	if s == nil {
		h.spans = append(h.spans, &span{from: offset, bytes: bytes.Clone(p)})
		return nil
	}
	known := s.behind(offset)
	known = known[:min(len(known), len(p))]
	if !bytes.Equal(known, p[:len(known)]) {
		return fmt.Errorf("the upstream sent other bytes behind offset %d than before", offset)
	}
	s.bytes = append(s.bytes, p[len(known):]...)
	return nil
}

// holds reports whether what ends at an offset, behind a command, has all that was acknowledged. A PING or GETACK at the end of that may be missing: there is no write in it, and it comes again.
func (h *history) holds(offset int64) bool {
	if offset >= h.fack {
		return true
	}
	r := logReader{history: h, span: h.spanAt(offset), at: offset}
	for r.span != nil && r.at < h.fack && r.drop() {
	}
	return r.span != nil && r.at >= h.fack
}

// NewWitness starts one before an upstream without TLS. It ends with the test.
func NewWitness(tb testing.TB, upstream string) *Witness {
	tb.Helper()
	w := &Witness{Proxy: NewProxy(tb, upstream)}
	w.SetPlan(nil)
	return w
}

// SetPlan is that of [Proxy].
func (w *Witness) SetPlan(plan func(conn int) Plan) {
	w.Proxy.SetPlan(func(conn int) Plan {
		var p Plan
		if plan != nil {
			p = plan(conn)
		}
		d := &dialogue{w: w, fack: -1}
		p.ToServer.Tap, p.ToClient.Tap = d.request, d.answer
		return p
	})
}

// Heard returns the counts of this moment.
func (w *Witness) Heard() Heard {
	w.mu.Lock()
	defer w.mu.Unlock()
	heard := w.heard
	for _, h := range w.histories {
		heard.Facked += h.fack - h.first
	}
	return heard
}

// StartOver forgets all that was said, for a sidecar that has ended and whose directory is not the one any more to which it was promised. From then on the log is known as far as it is received anew: once something is
// acknowledged Check wants a base that is.
func (w *Witness) StartOver() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.histories {
		w.heard.Facked += h.fack - h.first
	}
	w.histories, w.strange = nil, true
}

// Err returns the first thing that should not have been said: a FACK that is less than one before on the same connection, or more than was sent; a PSYNC of what was
// not sent, or for everything after a FACK; another stream under the same name.
func (w *Witness) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *Witness) fail(err error) { w.err = errors.Join(w.err, err) }

// named returns the history with a name, nil if there is none.
func (w *Witness) named(replID string) *history {
	for _, h := range w.histories {
		if slices.Contains(h.names, replID) {
			return h
		}
	}
	return nil
}

// opened returns the history with a name, a new one if need be.
func (w *Witness) opened(replID string) *history {
	if h := w.named(replID); h != nil {
		return h
	}
	h := &history{names: []string{replID}, first: -1, fack: -1}
	w.histories = append(w.histories, h)
	return h
}

// promised returns the last history of which something was acknowledged, nil if there is none.
func (w *Witness) promised() *history {
	for _, h := range slices.Backward(w.histories) {
		if h.fack >= 0 {
			return h
		}
	}
	return nil
}

// asked is a PSYNC.
func (w *Witness) asked(replID string, offset int64) {
	h := w.named(replID)
	switch {
	case h == nil && w.promised() != nil:
		w.fail(fmt.Errorf("PSYNC %s %d after FACK %d", replID, offset, w.promised().fack))
	case h != nil && h.spanAt(offset-1) == nil:
		w.fail(fmt.Errorf("PSYNC %s %d of what was never sent, or long ago", replID, offset))
	}
}

// acknowledged is a FACK. The first of a connection may be less than the last of another: what a life does not know to be durable it does not acknowledge, though it has it.
func (w *Witness) acknowledged(d *dialogue, offset int64) {
	w.heard.Facks++
	h := d.history
	if h == nil {
		w.fail(fmt.Errorf("FACK %d before there is a snapshot", offset))
		return
	}
	if offset < d.fack {
		w.fail(fmt.Errorf("FACK %d after FACK %d", offset, d.fack))
	}
	if offset > h.spans[len(h.spans)-1].end() {
		w.fail(fmt.Errorf("FACK %d of what was never sent", offset))
	}
	if d.fack < 0 && !h.holds(offset) {
		w.heard.Lower++
	}
	if h.fack < 0 {
		h.first = offset
	}
	d.fack, h.fack = offset, max(h.fack, offset)
}

// stage is how far a connection of a sidecar has come.
type stage int

const (
	talk     stage = iota // everything before PSYNC
	asked                 // the answer comes
	size                  // of the snapshot
	counted               // a snapshot of a known size
	marked                // a snapshot that ends with a mark
	streamed              // the stream
)

// dialogue is one connection.
type dialogue struct {
	w       *Witness
	said    []byte // an unfinished command
	line    []byte // an unfinished line
	stage   stage
	replID  string // that was asked for
	offset  int64
	history *history
	fack    int64  // -1: none
	left    int64  // of a snapshot of a known size
	mark    []byte // at the end of one without
	tail    []byte // in which it may begin
}

// request notes what the sidecar says.
func (d *dialogue) request(p []byte) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.said = append(d.said, p...)
	for {
		n, name := Command(d.said)
		if n == 0 {
			return
		}
		args := argsOf(d.said[:n])
		d.said = d.said[n:]
		switch {
		case name == "PSYNC" && len(args) == 3:
			d.replID = args[1]
			offset, err := strconv.ParseInt(args[2], 10, 64)
			if err != nil {
				d.w.fail(fmt.Errorf("PSYNC %v: %w", args, err))
			}
			d.w.asked(d.replID, offset)
			d.offset, d.stage = offset-1, asked
		case name == "REPLCONF" && len(args) == 5 && strings.EqualFold(args[3], "FACK"):
			offset, err := strconv.ParseInt(args[4], 10, 64)
			if err != nil {
				d.w.fail(fmt.Errorf("REPLCONF %v: %w", args, err))
			}
			d.w.acknowledged(d, offset)
		}
	}
}

// argsOf returns the arguments of a whole command in which none has an end of line.
func argsOf(command []byte) []string {
	lines := strings.Split(string(command), "\r\n")
	var args []string
	for i := 2; i < len(lines); i += 2 {
		args = append(args, lines[i])
	}
	return args
}

// answer notes what the upstream says.
func (d *dialogue) answer(p []byte) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	for len(p) > 0 {
		switch d.stage {
		case talk:
			return
		case asked, size:
			p = d.readLine(p)
		case counted:
			n := min(int64(len(p)), d.left)
			p, d.left = p[n:], d.left-n
			if d.left == 0 {
				d.stage = streamed
			}
		case marked:
			p = d.readMarked(p)
		case streamed:
			if err := d.history.add(d.offset, p); err != nil {
				d.w.fail(err)
			}
			d.offset += int64(len(p))
			return
		}
	}
}

// readLine takes a line, and returns what is behind it.
func (d *dialogue) readLine(p []byte) []byte {
	end, rest, whole := bytes.Cut(p, []byte("\n"))
	d.line = append(d.line, end...)
	if !whole {
		return nil
	}
	line := strings.TrimRight(string(d.line), "\r")
	d.line = nil
	if d.stage == size {
		d.begins(line)
	} else {
		d.decides(line)
	}
	return rest
}

// decides takes the answer to PSYNC.
func (d *dialogue) decides(line string) {
	w := d.w
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "+FULLRESYNC":
		replID, offset, _ := strings.Cut(rest, " ")
		at, err := strconv.ParseInt(offset, 10, 64)
		if err != nil {
			w.fail(fmt.Errorf("read %q: %w", line, err))
		}
		d.history, d.offset, d.stage = w.opened(replID), at, size
		w.heard.Full++
		if d.history.fack >= 0 {
			w.heard.Needless++
		}
		if d.history.spanAt(at) == nil {
			d.history.spans = append(d.history.spans, &span{from: at})
		}
	case "+CONTINUE":
		d.history, d.stage = w.opened(d.replID), streamed
		w.heard.Partial++
		if h := d.history; !h.holds(d.offset) {
			w.heard.Again++
			w.heard.AgainBytes += h.fack - d.offset
		}
		if rest != "" && w.named(rest) == nil {
			d.history.names = append(d.history.names, rest)
		}
	default:
		if strings.HasPrefix(word, "-") {
			d.stage = talk
		}
	}
}

// begins takes the line before a snapshot.
func (d *dialogue) begins(line string) {
	if mark, ok := strings.CutPrefix(line, "$EOF:"); ok {
		d.mark, d.tail, d.stage = []byte(mark), nil, marked
		return
	}
	if n, err := strconv.ParseInt(strings.TrimPrefix(line, "$"), 10, 64); err == nil {
		d.left, d.stage = n, counted
	}
}

// readMarked looks for the mark, and returns what is behind it.
func (d *dialogue) readMarked(p []byte) []byte {
	p = append(d.tail, p...)
	i := bytes.Index(p, d.mark)
	if i < 0 {
		d.tail = bytes.Clone(p[max(0, len(p)-len(d.mark)+1):])
		return nil
	}
	d.stage = streamed
	return p[i+len(d.mark):]
}
