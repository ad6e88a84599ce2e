package replica

import "sync"

// What is received and not yet in the log lies in buffers of bufferBytes, at most maxBuffers of them (16 MiB); when they are
// full the socket is not read, and TCP pushes back. An idle link uses two.
const (
	bufferBytes = 1 << 20
	maxBuffers  = 16
	// headroom is what a buffer leaves free at its start for the beginning of a command that was cut at
	// the end of the buffer before, so that the log gets it in one piece.
	headroom = 32 << 10
	// leastRead is the smallest space that is worth a read.
	leastRead = 16 << 10
)

// buffer is filled from headroom on, by the reader, up to end.
type buffer struct {
	data [bufferBytes]byte
	end  int
	at   int64 // when the last bytes came, Unix milliseconds
}

// inflow is the queue between the goroutine that reads the socket and the one that feeds the log. The reader fills the
// last buffer of the queue while the feeder empties the first, which may be the same one: bytes are handed over as
// they come, and what came meanwhile is handed over together.
type inflow struct {
	mu   sync.Mutex
	more sync.Cond // bytes came, or the end
	room sync.Cond // a buffer was freed, or the feeder has gone

	queue [maxBuffers]*buffer // a ring; the first is at head
	head  int
	count int

	free   []*buffer
	spared int // how many of free were not needed since the last trim

	ended error // why no more bytes come
	gone  bool  // nobody takes bytes any more
}

func newInflow() *inflow {
	f := &inflow{count: 1, free: make([]*buffer, 0, maxBuffers)}
	f.more.L, f.room.L = &f.mu, &f.mu
	f.queue[0] = &buffer{end: headroom}
	return f
}

func (f *inflow) last() *buffer { return f.queue[(f.head+f.count-1)%maxBuffers] }

// space returns where to read to, and waits until there is room; nil when the feeder has gone. For the reader.
func (f *inflow) space() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.last()
	if bufferBytes-b.end >= leastRead {
		return b.data[b.end:]
	}
	for f.count == maxBuffers && !f.gone {
		f.room.Wait()
	}
	if f.gone {
		return nil
	}
	b = f.take()
	b.end = headroom
	f.queue[(f.head+f.count)%maxBuffers] = b
	f.count++
	f.more.Signal() // the buffer before is sealed
	return b.data[b.end:]
}

// take returns a free or a new buffer.
func (f *inflow) take() *buffer {
	n := len(f.free)
	if n == 0 {
		return new(buffer)
	}
	b := f.free[n-1]
	f.free[n-1] = nil
	f.free = f.free[:n-1]
	f.spared = min(f.spared, n-1)
	return b
}

// filled says that n bytes were read to where space said. For the reader.
func (f *inflow) filled(n int, at int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.last()
	b.end += n
	b.at = at
	f.more.Signal()
}

// end says that no more bytes will come, and why. For the reader.
func (f *inflow) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = err
	f.more.Signal()
}

// arrival is what wait saw: the first buffer, filled up to end by at. sealed says that nothing will be added to it.
type arrival struct {
	buf    *buffer
	end    int
	at     int64
	sealed bool
}

// wait waits for bytes after seen in the first buffer, or for its being sealed. Its error is the reader's, and
// comes after the last byte. For the feeder.
func (f *inflow) wait(seen int) (arrival, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		b := f.queue[f.head]
		sealed := f.count > 1
		switch {
		case b.end > seen || sealed:
			return arrival{buf: b, end: b.end, at: b.at, sealed: sealed}, nil
		case f.ended != nil:
			return arrival{}, f.ended
		}
		f.more.Wait()
	}
}

// next frees the first buffer, which is sealed, after its last bytes were copied before the start of the one that
// follows. For the feeder.
func (f *inflow) next(rest []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.queue[f.head]
	f.queue[f.head] = nil
	f.head = (f.head + 1) % maxBuffers
	f.count--
	copy(f.queue[f.head].data[headroom-len(rest):], rest)
	f.free = append(f.free, b)
	f.room.Signal()
}

// leave says that nobody takes bytes any more. For the feeder.
func (f *inflow) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	f.room.Signal()
}

// trim gives back the buffers that were not needed since the last call.
func (f *inflow) trim() {
	f.mu.Lock()
	defer f.mu.Unlock()
	keep := len(f.free) - f.spared
	clear(f.free[keep:])
	f.free = f.free[:keep]
	f.spared = keep
}
