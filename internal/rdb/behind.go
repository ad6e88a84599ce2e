package rdb

import (
	"io"
	"sync"
)

// behindBlocks is how many blocks there are: one that is filled, one that waits, one that is written.
const behindBlocks = 3

// behind is a blockWriter whose goroutine sums and writes.
type behind struct {
	blocks chan []byte // to be written; nil: tell the sum
	free   chan []byte
	sums   chan summed
	once   sync.Once
	ended  chan struct{}

	mu  sync.Mutex
	err error // guarded by mu
}

type summed struct {
	sum uint64
	err error
}

func newBehind(w io.Writer) *behind {
	b := &behind{
		blocks: make(chan []byte, behindBlocks), free: make(chan []byte, behindBlocks),
		sums: make(chan summed), ended: make(chan struct{}),
	}
	for range behindBlocks - 1 { // the Writer brings one
		b.free <- make([]byte, 0, writeBlock)
	}
	go b.run(w)
	return b
}

// run writes until close. Behind an error it writes nothing more.
func (b *behind) run(w io.Writer) {
	defer close(b.ended)
	sum := newCRC()
	for block := range b.blocks {
		err := b.failed()
		if block == nil {
			b.sums <- summed{sum: sum.sum, err: err}
			continue
		}
		if err == nil {
			b.fail(writeSummed(w, &sum, block))
		}
		b.free <- emptied(block)
	}
}

func (b *behind) put(block []byte) ([]byte, error) {
	b.blocks <- block
	return <-b.free, b.failed()
}

func (b *behind) sum() (uint64, error) {
	b.blocks <- nil
	s := <-b.sums
	return s.sum, s.err
}

func (b *behind) close() {
	b.once.Do(func() { close(b.blocks) })
	<-b.ended
}

func (b *behind) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *behind) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}
