package main

import (
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/replica"
)

// shippedAcks is what is reported upstream with upstream.fack shipped: what is in the file, and what is in the archive. While another sidecar holds
// the lease it stands still.
type shippedAcks struct {
	log interface{ Received() stream.Offset }
	up  interface {
		Shipped() (stream.Offset, bool)
		Moved() <-chan struct{}
	}
}

var _ replica.Acks = shippedAcks{}

// Received is the offset up to which the stream is in the file.
func (a shippedAcks) Received() stream.Offset { return a.log.Received() }

// Durable is the offset up to which the archive has a base and all that follows it.
func (a shippedAcks) Durable() (stream.Offset, bool) { return a.up.Shipped() }

// Moved returns a channel that is closed when that moves.
func (a shippedAcks) Moved() <-chan struct{} { return a.up.Moved() }
