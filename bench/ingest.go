package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds one measurement of any kind.
const patience = 5 * time.Minute

// measurement is what one consumer took for one stream.
type measurement struct {
	bytes int64
	took  time.Duration // to the acknowledgement of the last byte
	cpu   time.Duration // of the process, its syncs included
	peak  int64         // resident bytes
}

// rate returns bytes a second.
func (m measurement) rate() float64 { return float64(m.bytes) / m.took.Seconds() }

// cpuPerByte returns seconds of processor time a byte.
func (m measurement) cpuPerByte() float64 { return m.cpu.Seconds() / float64(m.bytes) }

// session is one consumer that replicates from a recorded upstream of its own, in a directory of its own.
type session struct {
	dir      string
	upstream *upstream
	child    *child
	link     *link
}

// open starts a consumer and returns when it has acknowledged the snapshot; what it wrote goes with close. The context is for all that is
// done with it: it ends with the process.
func (b *bench) open(ctx context.Context, c consumer, policy string, snapshotBytes int64) (context.Context, *session, error) {
	dir, err := os.MkdirTemp(b.dir, "run")
	if err != nil {
		return nil, nil, fmt.Errorf("make directory: %w", err)
	}
	s := &session{dir: dir}
	if s.upstream, err = listen(ctx, snapshotBytes); err != nil {
		return nil, nil, errors.Join(err, s.close())
	}
	alive, err := s.start(ctx, c.argv(dir, s.upstream.addr(), policy))
	if err != nil {
		return nil, nil, errors.Join(err, s.close())
	}
	return alive, s, nil
}

// start starts the process, or another one after its end, and waits for its first ACK.
func (s *session) start(ctx context.Context, argv []string) (context.Context, error) {
	var err error
	if s.child, err = start(ctx, s.dir, argv); err != nil {
		return nil, err
	}
	alive := s.child.alive(ctx)
	if s.link, err = s.upstream.link(alive); err != nil {
		return nil, err
	}
	context.AfterFunc(alive, func() { _ = s.link.conn.Close() }) // so that nobody writes to it for ever
	return alive, nil
}

// close ends the process and removes what it wrote; a next measurement does not find its bytes on their way to the disk.
func (s *session) close() error {
	var err error
	if s.child != nil {
		err = s.child.kill()
	}
	if s.upstream != nil {
		err = errors.Join(err, s.upstream.close())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// ingest measures a consumer with a recording.
func (b *bench) ingest(ctx context.Context, c consumer, rec *recording, policy string) (m measurement, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := settle(b.dir); err != nil {
		return m, err
	}
	alive, s, err := b.open(ctx, c, policy, 0)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.measure(alive, c, rec, policy)
}

// measure sends the recording and waits until it has arrived.
func (s *session) measure(ctx context.Context, c consumer, rec *recording, policy string) (measurement, error) {
	m := measurement{bytes: rec.bytes()}
	before, err := s.child.cpu()
	if err != nil {
		return m, err
	}
	begin := time.Now()
	written, durable, err := s.link.deliver(ctx, rec, c.bare, policy != policyNo)
	if err != nil {
		return m, err
	}
	if m.took = written.Sub(begin); policy == policyAlways {
		m.took = durable.Sub(begin)
	}
	after, err := s.child.cpu()
	if err != nil {
		return m, err
	}
	m.cpu = after - before
	m.peak, err = s.child.peak()
	return m, err
}

// deliver sends rec and returns when its last byte was acknowledged as written, and as durable if that is asked for.
func (l *link) deliver(ctx context.Context, rec *recording, bare, untilDurable bool) (written, durable time.Time, err error) {
	for range rec.times {
		if err = l.stream(rec.data); err != nil {
			return written, durable, l.because(ctx, err)
		}
	}
	end, wait := l.next, l.nudge
	if bare {
		wait = l.wait
		if err = l.halfClose(); err != nil {
			return written, durable, err
		}
	}
	if written, err = wait(ctx, func(p progress) bool { return p.ack >= end }); err != nil {
		return written, durable, err
	}
	if untilDurable {
		durable, err = wait(ctx, func(p progress) bool { return p.fack >= end })
	}
	return written, durable, err
}

// because prefers the reason for which ctx has ended to the broken connection that follows from it.
func (l *link) because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// settle writes out what is on its way to the disk below dir, so that no measurement pays for the one before.
func settle(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	err = unix.Syncfs(int(d.Fd()))
	if err != nil {
		err = fmt.Errorf("sync file system: %w", err)
	}
	return errors.Join(err, d.Close())
}

// touch takes so much memory, writes to it, and gives it back: what a hypervisor has taken from this machine comes back at its first use, at a second
// a GiB, which whoever happens to write next to a file would pay.
func touch(bytes int64) error {
	memory, err := unix.Mmap(-1, 0, int(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("touch memory: %w", err)
	}
	return unix.Munmap(memory)
}
