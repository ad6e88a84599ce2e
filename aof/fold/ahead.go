package fold

import (
	"io"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

const (
	// batches is how many there are: one that is read, one that waits, one that is run.
	batches = 3
	// What bounds a batch, so that all of them stay in the processor's cache.
	batchBytes    = 64 << 10
	batchCommands = 2048
	batchArgs     = 4 * batchCommands
)

// batch is commands one after the other, and why there are no more.
type batch struct {
	commands []parsed
	args     [][]byte
	data     []byte // of the args; it never grows, so that they stay where they are
	lent     bool   // one command only, too long to copy: its arguments are the reader's, which waits until the batch is back
	err      error  // behind the commands: io.EOF, or what went wrong
}

// parsed is one command of a batch.
type parsed struct {
	start, end int64
	first, n   uint32 // of the batch's args
	kind       resp.Kind
}

// ring is the batches of a fold. They are made once: it reads its files several times.
type ring [batches]*batch

func newRing() *ring {
	r := &ring{}
	for i := range r {
		r[i] = &batch{data: make([]byte, 0, batchBytes)}
	}
	return r
}

// take copies a command into the batch. It returns false, and does nothing, if there is no room.
func (b *batch) take(c *resp.Command) bool {
	size := 0
	for _, arg := range c.Args {
		size += len(arg)
	}
	if len(b.commands) == batchCommands || len(b.args)+len(c.Args) > batchArgs || size > cap(b.data)-len(b.data) {
		return false
	}
	b.append(c)
	for i, arg := range b.args[len(b.args)-len(c.Args):] {
		at := len(b.data)
		b.data = append(b.data, arg...)
		b.args[len(b.args)-len(c.Args)+i] = b.data[at:len(b.data):len(b.data)]
	}
	return true
}

// append adds a command as it is.
func (b *batch) append(c *resp.Command) {
	b.commands = append(b.commands, parsed{start: c.Start, end: c.End, first: uint32(len(b.args)), n: uint32(len(c.Args)), kind: c.Kind})
	b.args = append(b.args, c.Args...)
}

// reader reads a file of commands in a goroutine, a few batches ahead of who runs them.
type reader struct {
	rd      *resp.Reader
	full    chan *batch
	empty   chan *batch
	back    chan *batch   // that were lent
	stop    chan struct{} // closed: nobody wants any more
	stopped chan struct{} // closed: the goroutine is gone
}

// readAhead begins to read r into the batches, which nobody else uses until close, which must be called.
func readAhead(r io.Reader, all *ring) *reader {
	a := &reader{
		rd:   resp.NewReader(r),
		full: make(chan *batch, batches), empty: make(chan *batch, batches), back: make(chan *batch, 1),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	a.rd.MaxArgBytes = -1
	for _, b := range all {
		a.empty <- b
	}
	go a.read()
	return a
}

// next returns the next batch. There is none behind one with an error.
func (a *reader) next() *batch { return <-a.full }

// done gives a batch back. Its arguments are not to be used any more.
func (a *reader) done(b *batch) {
	if b.lent {
		a.back <- b
		return
	}
	a.empty <- b
}

// close ends the reading, and waits for it.
func (a *reader) close() {
	close(a.stop)
	<-a.stopped
}

func (a *reader) read() {
	defer close(a.stopped)
	b := a.fresh(a.empty)
	for b != nil {
		got, err := a.rd.Next()
		if err != nil {
			b.err = err
			a.full <- b
			return
		}
		if !b.take(&got) {
			b = a.turn(b, &got)
		}
	}
}

// turn hands over a full batch and takes the command, which did not fit, into the next one. It returns nil if it is to stop.
func (a *reader) turn(b *batch, c *resp.Command) *batch {
	if len(b.commands) > 0 {
		a.full <- b
		if b = a.fresh(a.empty); b == nil || b.take(c) {
			return b
		}
	}
	b.append(c)
	b.lent = true
	a.full <- b
	return a.fresh(a.back)
}

// fresh returns an empty batch, or nil if it is to stop.
func (a *reader) fresh(from <-chan *batch) *batch {
	select {
	case b := <-from:
		if b.lent {
			b.args = nil // they may be many, and long
		}
		*b = batch{commands: b.commands[:0], args: b.args[:0], data: b.data[:0]}
		return b
	case <-a.stop:
		return nil
	}
}
