package main

import (
	"context"
	"errors"
	"time"
)

// memory is what the sidecar had resident behind a large snapshot.
type memory struct {
	snapshotBytes, keys int64
	took                time.Duration // from PSYNC to the first ACK, which comes when the base is durable
	cpu                 time.Duration // until then, since the process began
	peakSnapshot        int64         // bytes
	peak                int64         // bytes, after a stream
}

// remembers measures the sidecar's memory behind a snapshot of size bytes, and then while it takes the recordings.
func (b *bench) remembers(ctx context.Context, size int64, recordings ...*recording) (m memory, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := settle(b.dir); err != nil {
		return m, err
	}
	alive, s, err := b.open(ctx, sidecar(b.sidecar), policyEverySec, size)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	m = memory{snapshotBytes: s.link.snapshot.bytes, keys: s.link.snapshot.keys, took: time.Since(s.link.asked)}
	if m.cpu, err = s.child.cpu(); err != nil {
		return m, err
	}
	if m.peakSnapshot, err = s.child.peak(); err != nil {
		return m, err
	}
	for _, rec := range recordings {
		if _, _, err := s.link.deliver(alive, rec, false, true); err != nil {
			return m, err
		}
	}
	m.peak, err = s.child.peak()
	return m, err
}
