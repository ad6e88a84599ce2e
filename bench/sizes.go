package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// sizeWrites is how many writes the increment has, whatever the size of the data set.
	sizeWrites = 200_000
	// A server takes more memory than its base has bytes, and more again while it forks.
	serverTimes = 2
	// restoreTimes is how often a base is on the disk when it is restored: itself, in the store, and the result. rewriteTimes: twice, and a third copy for a while.
	restoreTimes, rewriteTimes = 3, 2
	// sizeSpare is left free on the disk.
	sizeSpare = 2 << 30
)

// sizes are the data sets that are measured, in GiB of their RDB.
func sizes() []int { return []int{1, 2, 4, 8, 16} }

// step is what one step took; the zero one was not made, as there was no room for it.
type step struct {
	took, cpu time.Duration
	peak      int64
}

// sized is what a data set of some size took.
type sized struct {
	base, keys                                           int64
	resync, replicated, ship, restore, rewrite, byServer step
}

// sizeOf measures a data set of so many GiB through all that the sidecar does with a whole one, with the same increment for all sizes.
func (b *bench) sizeOf(ctx context.Context, r *report, gib int) (err error) {
	ctx, cancel := context.WithTimeout(ctx, archivePatience)
	defer cancel()
	size := int64(b.scaled(gib << 30))
	if err := wantRoom(b.dir, rewriteTimes*size+sizeSpare); err != nil {
		return err
	}
	s := sized{}
	if s.replicated, err = b.resyncReplica(ctx, size); err != nil {
		return fmt.Errorf("full resync of a real replica: %w", err)
	}
	from, asItWas, err := b.resyncSidecar(ctx, size, &s)
	if err != nil {
		return fmt.Errorf("full resync: %w", err)
	}
	defer func() { err = errors.Join(err, from.close(), os.RemoveAll(asItWas)) }()
	if b.serverFits(size) {
		if s.byServer, err = b.rewriteByStock(ctx, asItWas); err != nil {
			return fmt.Errorf("rewrite by a server: %w", err)
		}
	}
	if err := os.RemoveAll(asItWas); err != nil {
		return fmt.Errorf("remove the server's log: %w", err)
	}
	if wantRoom(b.dir, (restoreTimes-1)*size+sizeSpare) == nil {
		if err := b.shipAndRestore(ctx, from, &s); err != nil {
			return err
		}
	}
	b.say("data set of %d MiB: peak %d MiB at the resync, %d at the shipping, %d at the restore, %d at the rewrite",
		s.base/mebibyte, s.resync.peak/mebibyte, s.ship.peak/mebibyte, s.restore.peak/mebibyte, s.rewrite.peak/mebibyte)
	r.sizes = append(r.sizes, s)
	return nil
}

// serverFits says whether a stock server can hold a data set of that size here.
func (b *bench) serverFits(size int64) bool {
	var info unix.Sysinfo_t
	return b.replica != "" && unix.Sysinfo(&info) == nil && uint64(size)*serverTimes < info.Totalram*uint64(info.Unit)
}

// resyncReplica measures a real replica's full resync, until it says that its new base is durable.
func (b *bench) resyncReplica(ctx context.Context, size int64) (st step, err error) {
	if !b.serverFits(size) {
		return st, nil
	}
	_, s, st, err := b.resync(ctx, realReplica(b.replica), size)
	if err != nil {
		return st, err
	}
	return st, s.close()
}

// resync measures a full resync. The caller closes the session.
func (b *bench) resync(ctx context.Context, c consumer, size int64) (context.Context, *session, step, error) {
	var st step
	if err := settle(b.dir); err != nil {
		return nil, nil, st, err
	}
	alive, s, err := b.open(ctx, c, policyEverySec, size)
	if err != nil {
		return nil, nil, st, err
	}
	durable, err := s.link.nudge(alive, func(p progress) bool { return p.fack >= streamOrigin })
	if err == nil {
		st.took = durable.Sub(s.link.asked)
		st.cpu, err = s.child.cpu()
	}
	if err == nil {
		st.peak, err = s.child.peak()
	}
	if err != nil {
		return nil, nil, st, errors.Join(err, s.close())
	}
	return alive, s, st, nil
}

// resyncSidecar measures the sidecar's, gives it the increment, has it rewritten, and kills it. It returns a copy of the log from before the rewrite, too.
func (b *bench) resyncSidecar(ctx context.Context, size int64, m *sized) (s *session, asItWas string, err error) {
	alive, s, st, err := b.resync(ctx, sidecar(b.sidecar), size)
	if err != nil {
		return nil, "", err
	}
	m.resync, m.base, m.keys = st, s.link.snapshot.bytes, s.link.snapshot.keys
	_, _, err = s.link.deliver(alive, recordSnapshotWrites(b.scaled(sizeWrites), int(m.keys)), false, true)
	if err == nil {
		asItWas, err = copyOf(b.dir, s.dir)
	}
	if err == nil {
		m.rewrite, err = b.rewriteLive(alive, s)
	}
	if err := errors.Join(err, s.child.kill()); err != nil {
		return nil, "", errors.Join(err, s.close(), os.RemoveAll(asItWas))
	}
	return s, asItWas, nil
}

// recordSnapshotWrites records writes to keys that writeSnapshot makes, which do with any type.
func recordSnapshotWrites(writes, keys int) *recording {
	r := newRecorder(14, writes*100)
	r.selectDB(0)
	for r.commands < writes {
		key := strconv.AppendInt([]byte("snapshot:"), int64(r.rng.IntN(keys)), 10)
		switch n := r.rng.IntN(10); {
		case n < 6:
			r.add("SET", key, r.value())
		case n < 9:
			r.add("PEXPIREAT", key, r.expiry())
		default:
			r.add("DEL", key)
		}
	}
	return r.done("writes to a snapshot")
}

// shipAndRestore measures the way to the archive and back.
func (b *bench) shipAndRestore(ctx context.Context, from *session, m *sized) error {
	return b.inVault(ctx, openLargeVault, func(v *vault) error {
		there, err := b.ship(ctx, v, from, compressZstd)
		if err != nil {
			return fmt.Errorf("ship: %w", err)
		}
		m.ship = step{took: there.took, cpu: there.cpu, peak: there.peak}
		back, err := b.restore(ctx, v, compressZstd)
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		m.restore = step{took: back.took, cpu: back.cpu, peak: back.peak}
		return nil
	})
}

// rewriteLive measures a rewrite by the sidecar of a session, into which nothing streams meanwhile.
func (b *bench) rewriteLive(ctx context.Context, s *session) (st step, err error) {
	was, err := onlyBase(s.dir)
	if err != nil {
		return st, err
	}
	before, err := s.child.cpu()
	if err := errors.Join(err, settle(b.dir)); err != nil {
		return st, err
	}
	begin := time.Now()
	if err := b.askForRewrites(ctx, s.dir, 1); err != nil {
		return st, err
	}
	st.took = time.Since(begin)
	after, err := s.child.cpu()
	if err != nil {
		return st, err
	}
	st.cpu = after - before
	if st.peak, err = s.child.peak(); err != nil {
		return st, err
	}
	if is, err := onlyBase(s.dir); err != nil || is == was {
		return st, errors.Join(errors.New("nothing was rewritten"), err)
	}
	return st, nil
}

// rewriteByStock measures a server that loads the log in dir and rewrites it.
func (b *bench) rewriteByStock(ctx context.Context, dir string) (st step, err error) {
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "log")), settle(b.dir)); err != nil {
		return st, fmt.Errorf("prepare the server's log: %w", err)
	}
	begin := time.Now()
	alive, server, err := b.boot(ctx, dir)
	if err != nil {
		return st, err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	if err := server.rewrite(alive); err != nil {
		return st, err
	}
	st.took = time.Since(begin)
	st.cpu, st.peak, err = server.used(alive)
	return st, err
}
