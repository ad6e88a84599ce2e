package aof

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// histories are all that there were, by the first digits of their ids.
type histories map[string]*history

func (hs histories) add(list []*history) {
	for _, h := range list {
		hs[h.id.Short()] = h
	}
}

// of returns the history of a timeline.
func (hs histories) of(timeline string) *history { return hs[timeline[len(timeline)-len("01234567"):]] }

// owed is what the log must keep of a timeline, because it has told of it and the archive has not got it.
type owed struct {
	base    stream.Offset // of the oldest base
	stored  bool          // the archive has a base, and all that follows up to through
	through stream.Offset
	end     stream.Offset // of a timeline that ended; -1: it goes on
}

// owe notes what the log tells of.
func (p promise) owe(l *Log) {
	if p.owed == nil || !l.opt.Archive {
		return
	}
	for _, tl := range l.Holdings().Timelines {
		o, ok := p.owed[tl.ID]
		if !ok {
			o = owed{base: tl.Bases[0].From, end: -1}
		}
		if tl.ID != l.show.now.ID {
			o.end = tl.End.Offset
		}
		p.owed[tl.ID] = o
	}
}

// requireOwed wants the archive, and what the log tells of, to be everything from the oldest base on.
func (p promise) requireOwed(t require.TestingT, l *Log, where string) {
	found := map[string]*stream.Timeline{}
	held := l.Holdings()
	for i := range held.Timelines {
		found[held.Timelines[i].ID] = &held.Timelines[i]
	}
	for id, o := range p.owed {
		if o.stored && o.end >= 0 && o.through >= o.end {
			continue
		}
		tl := found[id]
		require.NotNil(t, tl, "%s: timeline %s", where, id)
		at := o.through
		if !o.stored {
			at = o.base
			require.NotEmpty(t, tl.Bases, "%s: timeline %s", where, id)
			require.Equal(t, o.base, tl.Bases[0].From, "%s: timeline %s", where, id)
		}
		for i := range tl.Increments {
			if f := &tl.Increments[i]; f.From <= at {
				at = max(at, f.To)
			}
		}
		require.GreaterOrEqual(t, at, tl.End.Offset, "%s: timeline %s has %v, and the archive has it up to %d", where, id, tl.Increments, o.through)
		require.GreaterOrEqual(t, at, o.end, "%s: timeline %s", where, id)
		require.Empty(t, tl.Lost, "%s: timeline %s", where, id)
	}
}

// ship plays the archive, which gets a base and some of what follows of every timeline.
func (r *crashRig) ship() error {
	for _, tl := range r.l.Holdings().Timelines {
		o := r.promise.owed[tl.ID]
		if len(tl.Bases) == 0 { // the archive has one
			continue
		}
		base := tl.Bases[0]
		to := base.From
		if n := len(tl.Increments); n > 0 && r.rng.IntN(4) > 0 {
			to = tl.Increments[r.rng.IntN(n)].To
		}
		if to <= o.through && o.stored {
			continue
		}
		if o.stored || base.From == o.base {
			o.stored, o.through = true, to
			r.promise.owed[tl.ID] = o
			r.l.BaseShipped(base.Name)
			r.l.Shipped(tl.ID, to)
		}
	}
	return r.l.tendAll()
}

// tendAll is what Run does until there is nothing left to do.
func (l *Log) tendAll() error {
	for {
		if err := l.tend(); err != nil {
			return err
		}
		select {
		case <-l.spool.tend:
		default:
			return nil
		}
	}
}

// shipAll has the archive get everything.
func (r *crashRig) shipAll() {
	r.t.Helper()
	for _, tl := range r.l.Holdings().Timelines {
		o := r.promise.owed[tl.ID]
		o.stored, o.through = true, tl.End.Offset
		r.promise.owed[tl.ID] = o
		r.l.Shipped(tl.ID, o.through)
	}
	require.NoError(r.t, r.l.tendAll())
}

// TestCrashAtEveryOperationWithAnArchive requires in addition that what the log told of, and the archive does not have, is there
// after every crash; and that what it tells of is so.
func TestCrashAtEveryOperationWithAnArchive(t *testing.T) {
	for seed := range seedsOf(t, crashSeedsEnv, crashSeeds) {
		policy := []Policy{FsyncAlways, FsyncEverySec}[seed%2]
		t.Run(fmt.Sprintf("%s/%d", policy, seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { archiveWorkload(t, policy, seed) })
		})
	}
}

func archiveWorkload(t *testing.T, policy Policy, seed uint64) {
	t.Helper()
	r := newCrashRig(t, policy, seed)
	r.opt.Archive, r.opt.IncrementBytes = true, 3000
	points := r.crashEverywhere(seed)
	first := &history{id: replID(t, "a1"), start: stream.Offset(100 * (seed % 2))}
	second := &history{id: replID(t, "b2"), start: 7}
	r.open()
	r.resync(first, 20)
	r.stream(6)
	r.rewrite()
	r.stream(3)
	require.NoError(t, r.ship())
	r.rewrite()
	require.NoError(t, r.l.Close())
	r.open()
	require.NoError(t, r.ship())
	r.resume(first)
	r.stream(4)
	r.resync(second, int(seed%2)*2000) // or an empty one: the guard trips
	require.NoError(t, r.ship())
	r.stream(4)
	r.rewrite()
	require.NoError(t, r.ship())
	for _, g := range r.l.Status().Guarded() {
		r.promise.pinned = nil
		require.NoError(t, r.l.Unpin(g.Timeline))
	}
	r.shipAll()
	require.Len(t, r.l.Holdings().Timelines, 1)
	r.stream(2)
	r.rewrite()
	r.stream(2)
	r.rewrite()
	r.giveUp()
	require.NoError(t, r.l.Close())
	require.Greater(t, *points, 200)
}

// giveUp lets the disk's limit take what waits: nothing is owed any more.
func (r *crashRig) giveUp() {
	r.t.Helper()
	r.promise.owed = nil
	for r.l.droppable() > 0 {
		r.l.opt.MaxDisk.Bytes = r.l.diskUsed() - 1
		require.NoError(r.t, r.l.tendAll())
		requireHoldings(r.t, r.l, r.known.of, r.promise.sure, "given up")
	}
}
