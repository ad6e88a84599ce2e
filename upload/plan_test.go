package upload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

const planTimeline = "1763800000-0123abcd"

// archiveModel is an archive made at random: of every byte it is known whether it is there, and when it had been received.
type archiveModel struct {
	rng     *rand.Rand
	store   *memStore
	times   map[stream.Offset]int64 // of each boundary
	ends    []stream.Offset         // the boundaries, ascending
	bases   map[stream.Offset]bool  // valid ones
	has     map[[2]stream.Offset]bool
	written []SegmentKey   // valid ones
	shipped *stream.Offset // the most that was said of it; nil: by nobody who spoke last
	silent  int64          // the least epoch whose segments say that somebody has gone on since
}

func (m *archiveModel) put(tb testing.TB, key string) {
	tb.Helper()
	_, err := m.store.Put(tb.Context(), key, bodyOf([]byte(key)), Condition{})
	require.NoError(tb, err)
}

func (m *archiveModel) segment(from, to int, epoch int64) SegmentKey {
	return SegmentKey{
		Timeline: planTimeline, From: m.ends[from], To: m.ends[to], FromMilli: m.times[m.ends[from]], ToMilli: m.times[m.ends[to]],
		Epoch: epoch, Sum: fmt.Sprintf("%016x", m.rng.Uint64()), Zstd: true,
	}
}

func (m *archiveModel) base(at int, epoch int64) BaseKey {
	return BaseKey{
		Timeline: planTimeline, Offset: m.ends[at], UnixMilli: m.times[m.ends[at]], Epoch: epoch, Sum: fmt.Sprintf("%016x", m.rng.Uint64()),
	}
}

// newArchiveModel makes an archive as several holders leave it, one after another.
func newArchiveModel(tb testing.TB, seed uint64) *archiveModel {
	tb.Helper()
	m := &archiveModel{
		rng: rand.New(rand.NewPCG(seed, 3)), store: newMemStore(),
		times: map[stream.Offset]int64{}, bases: map[stream.Offset]bool{}, has: map[[2]stream.Offset]bool{},
	}
	at, milli := stream.Offset(m.rng.IntN(100)), int64(1_763_800_000_000)
	for range 40 {
		m.ends, m.times[at] = append(m.ends, at), milli
		at += stream.Offset(1 + m.rng.IntN(50))
		milli += int64(m.rng.IntN(3)) * 1000
	}
	m.put(tb, TimelineKey(planTimeline)+".tmp")
	begin := 0 // where the present holder took over
	for epoch := int64(1); epoch <= int64(1+m.rng.IntN(3)); epoch++ {
		next := min(begin+5+m.rng.IntN(25), len(m.ends)-1)
		m.holder(tb, epoch, begin, next)
		rec := EpochRecord{Epoch: epoch + 1, Timeline: planTimeline, Offset: m.ends[next]}
		if m.rng.IntN(4) == 0 { // it was another timeline's; then nothing of this one is void
			rec.Timeline = "1763800001-0123abcd"
		}
		if rec.Timeline == planTimeline {
			m.late(tb, epoch, next)
		}
		if said := m.says(rec.Epoch); said.Timeline != "" {
			rec.Shipped = []ShippedTo{said}
		}
		_, err := putRecord(tb.Context(), m.store, EpochKey(rec.Epoch), rec, Condition{})
		require.NoError(tb, err)
		begin = next
	}
	if m.rng.IntN(4) > 0 {
		holder := int64(1 + m.rng.IntN(5))
		said := m.says(holder + 1)
		_, err := putRecord(tb.Context(), m.store, LeaseKey(), LeaseRecord{Epoch: holder, Timeline: said.Timeline, Offset: said.Offset}, Condition{})
		require.NoError(tb, err)
	}
	if slices.ContainsFunc(m.written, func(k SegmentKey) bool { return k.Epoch >= m.silent }) {
		m.shipped = nil
	}
	return m
}

// says is what a record may say, and notes what follows from it while no segment is of that epoch or a later one.
func (m *archiveModel) says(silent int64) ShippedTo {
	to := m.ends[m.rng.IntN(len(m.ends))]
	switch m.rng.IntN(4) {
	case 0:
		return ShippedTo{}
	case 1:
		return ShippedTo{Timeline: "1763800001-0123abcd", Offset: to}
	}
	most := to
	if m.shipped != nil {
		most = max(most, *m.shipped)
	}
	m.shipped, m.silent = &most, max(m.silent, silent)
	return ShippedTo{Timeline: planTimeline, Offset: to}
}

// holder writes bases, small segments and merged ones, and deletes some.
func (m *archiveModel) holder(tb testing.TB, epoch int64, begin, end int) {
	tb.Helper()
	for at := begin; at < end; {
		to := min(at+1+m.rng.IntN(3), end)
		m.add(tb, m.segment(at, to, epoch))
		at = to
	}
	for range m.rng.IntN(6) {
		from := m.rng.IntN(end)
		to := from + m.rng.IntN(end-from+1)
		m.add(tb, m.segment(from, to, epoch))
	}
	for range m.rng.IntN(4) {
		at := m.rng.IntN(end + 1)
		m.put(tb, m.base(at, epoch).String())
		m.bases[m.ends[at]] = true
	}
	for range m.rng.IntN(5) {
		if i := m.rng.IntN(1 + len(m.written)); i < len(m.written) && m.rng.IntN(2) == 0 {
			require.NoError(tb, m.store.Delete(tb.Context(), m.written[i].String()))
			m.written = slices.Delete(m.written, i, i+1)
		}
	}
}

func (m *archiveModel) add(tb testing.TB, k SegmentKey) {
	tb.Helper()
	m.put(tb, k.String())
	m.written = append(m.written, k)
}

// late writes what arrives of an older holder after it was taken over: it does not count.
func (m *archiveModel) late(tb testing.TB, epoch int64, end int) {
	tb.Helper()
	if end+1 < len(m.ends) {
		m.put(tb, m.segment(m.rng.IntN(end+1), end+1+m.rng.IntN(len(m.ends)-end-1), epoch).String())
		m.put(tb, m.base(end+1, epoch).String())
	}
}

// reach is the naive answer: how far the valid segments lead on from an offset.
func (m *archiveModel) reach(from stream.Offset) stream.Offset {
	for {
		was := from
		for _, k := range m.written {
			if k.From <= from {
				from = max(from, k.To)
			}
		}
		if from == was {
			return from
		}
	}
}

// fewest is the naive answer: how many segments lead from one offset to another, breadth first.
func (m *archiveModel) fewest(from, to stream.Offset) int {
	at := map[stream.Offset]bool{from: true}
	for n := 0; ; n++ {
		best := stream.Offset(0)
		for o := range at {
			best = max(best, o)
		}
		if best >= to {
			return n
		}
		for _, o := range slices.Collect(maps.Keys(at)) {
			for _, k := range m.written {
				if k.From <= o && k.To > o {
					at[k.To] = true
				}
			}
		}
	}
}

func (m *archiveModel) end() stream.Offset {
	end := stream.Offset(-1)
	for _, k := range m.written {
		end = max(end, k.To)
	}
	for o := range m.bases {
		end = max(end, o)
	}
	return end
}

// newestBase returns the valid base at or before an offset, or -1.
func (m *archiveModel) newestBase(o stream.Offset) stream.Offset {
	best := stream.Offset(-1)
	for base := range m.bases {
		if base <= o {
			best = max(best, base)
		}
	}
	return best
}

func requireCovers(tb testing.TB, m *archiveModel, p *Plan, to stream.Offset) {
	tb.Helper()
	at := p.Base.Offset
	for _, seg := range p.Segments {
		require.Contains(tb, m.written, seg.SegmentKey, "it counts")
		require.LessOrEqual(tb, seg.From, at)
		at = max(at, seg.To)
	}
	require.GreaterOrEqual(tb, at, to)
}

func TestPlanAgainstAModel(t *testing.T) {
	for seed := range uint64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := newArchiveModel(t, seed)
			c, err := ReadCatalog(t.Context(), m.store)
			require.NoError(t, err)
			require.Len(t, c.Timelines, 1)
			require.Equal(t, 1, c.Unknown)
			m.checkWindows(t, c)
			for want := m.ends[0] - 5; want <= m.ends[len(m.ends)-1]+5; want += 7 {
				m.checkOffset(t, c, want)
			}
			m.checkEnd(t, c)
			for milli := m.times[m.ends[0]] - 500; milli < m.times[m.ends[len(m.ends)-1]]+1000; milli += 500 {
				m.checkTime(t, c, milli)
			}
		})
	}
}

func (m *archiveModel) checkWindows(tb testing.TB, c *Catalog) {
	tb.Helper()
	windows := c.Windows()
	for base := range m.bases {
		w := windowOf(windows, base)
		require.Equal(tb, m.reach(base), w.To)
		require.LessOrEqual(tb, w.From, base)
		require.True(tb, m.bases[w.From])
	}
	for _, r := range c.Timelines[0].Runs() {
		require.Equal(tb, r.To, m.reach(r.From))
	}
}

func (m *archiveModel) checkOffset(tb testing.TB, c *Catalog, want stream.Offset) {
	tb.Helper()
	p, err := c.Plan(Target{Offset: &want})
	base := m.newestBase(want)
	switch reach := m.reach(base); {
	case len(m.bases) == 0:
		requireNone(tb, c, err)
	case base < 0 || want > m.end():
		var outside *WindowError
		require.ErrorAs(tb, err, &outside)
		require.NotEmpty(tb, outside.Windows)
	case reach < want:
		var hole *HoleError
		require.ErrorAs(tb, err, &hole)
		require.Equal(tb, reach, hole.Missing.From)
		require.Greater(tb, hole.Missing.To, reach)
	default:
		require.NoError(tb, err)
		require.Equal(tb, base, p.Base.Offset)
		requireCovers(tb, m, p, want)
		if want > base {
			require.Len(tb, p.Segments, m.fewest(base, want))
		}
	}
}

// requireNone wants the error of an archive without a base, which is no backup unless something had been confirmed.
func requireNone(tb testing.TB, c *Catalog, err error) {
	tb.Helper()
	_, damaged := errors.AsType[*DamagedError](err)
	confirmed := max(c.Timelines[0].Once, c.Lease.Offset) > 0
	require.Equal(tb, confirmed, damaged, "%v", err)
	require.Equal(tb, !confirmed, errors.Is(err, ErrNoBackup), "%v", err)
}

func (m *archiveModel) checkEnd(tb testing.TB, c *Catalog) {
	tb.Helper()
	p, err := c.Plan(Target{})
	if len(m.bases) == 0 {
		requireNone(tb, c, err)
		return
	}
	base := m.newestBase(m.end())
	reach := m.reach(base)
	if reach < m.end() && (m.shipped == nil || *m.shipped > reach) {
		var hole *HoleError
		require.ErrorAs(tb, err, &hole)
		require.Equal(tb, m.shipped, hole.Shipped)
		return
	}
	require.NoError(tb, err)
	require.Equal(tb, base, p.Base.Offset)
	require.Equal(tb, reach, p.Window.To)
	requireCovers(tb, m, p, reach)
	require.Equal(tb, reach < m.end(), p.Hole != nil)
	if p.Hole != nil {
		require.Equal(tb, reach, p.Hole.Missing.From)
		require.Greater(tb, p.Hole.Missing.To, reach)
	}
}

// checkTime: the plan reaches every place that had been received by then.
func (m *archiveModel) checkTime(tb testing.TB, c *Catalog, milli int64) {
	tb.Helper()
	p, err := c.Plan(Target{Time: time.UnixMilli(milli)})
	if err != nil {
		m.checkNoTime(tb, err, milli)
		return
	}
	require.LessOrEqual(tb, p.Base.UnixMilli, milli)
	for base := range m.bases {
		require.False(tb, base > p.Base.Offset && m.times[base] <= milli, "an older base than need be")
	}
	reach := m.reach(p.Base.Offset)
	last := p.Base.Offset
	for _, k := range m.written { // marks that are there
		for _, o := range []stream.Offset{k.From, k.To} {
			if o <= reach && m.times[o] <= milli {
				last = max(last, o)
			}
		}
	}
	requireCovers(tb, m, p, last)
	require.LessOrEqual(tb, milli, p.Window.End.UnixMilli())
}

func (m *archiveModel) checkNoTime(tb testing.TB, err error, milli int64) {
	tb.Helper()
	covered := false
	for base := range m.bases {
		covered = covered || m.times[base] <= milli && milli <= m.times[m.reach(base)]
	}
	require.False(tb, covered, "%v, but it is there", err)
}

func TestPlanChoosesTheTimeline(t *testing.T) {
	store := newMemStore()
	put := func(key string, rec any) {
		t.Helper()
		_, err := putRecord(t.Context(), store, key, rec, Condition{})
		require.NoError(t, err)
	}
	plan := func(target Target) (*Plan, error) {
		t.Helper()
		c, err := ReadCatalog(t.Context(), store)
		require.NoError(t, err)
		return c.Plan(target)
	}
	_, err := plan(Target{})
	require.ErrorIs(t, err, ErrNoBackup)

	// The first number is the higher one: a directory was lost and its clock was wrong. The epochs tell.
	first, second := "1763800009-aaaaaaaa", "1763800002-bbbbbbbb"
	for epoch, id := range map[int64]string{1: first, 2: second} {
		put(TimelineKey(id), TimelineRecord{Timeline: id, Epoch: epoch})
		milli := 1_763_800_000_000 * epoch
		put(BaseKey{Timeline: id, Offset: 10, UnixMilli: milli, Epoch: epoch, Sum: "0011223344556677"}.String(), 1)
		put(SegmentKey{Timeline: id, From: 10, To: 20, FromMilli: milli, ToMilli: milli + 1000, Epoch: epoch, Sum: "0011223344556677"}.String(), 1)
	}
	p, err := plan(Target{})
	require.NoError(t, err)
	require.Equal(t, second, p.Timeline)
	p, err = plan(Target{Time: time.UnixMilli(1_763_800_000_500)})
	require.NoError(t, err)
	require.Equal(t, first, p.Timeline, "the second had not begun")
	_, err = plan(Target{Time: time.UnixMilli(1_763_900_000_000)})
	var outside *WindowError
	require.ErrorAs(t, err, &outside)
	_, err = plan(Target{Time: time.UnixMilli(1_763_800_000_500), Timeline: second})
	require.ErrorAs(t, err, &outside)
	require.ErrorContains(t, err, "offsets 10 to 20")
	begin, perr := time.Parse(time.RFC3339, outside.Windows[0].Begin.Format(time.RFC3339Nano))
	require.NoError(t, perr)
	require.ErrorContains(t, err, begin.Format("2006-01-02T15:04:05.000Z"))
	_, err = plan(Target{Time: begin, Timeline: second})
	require.NoError(t, err)
	_, err = plan(Target{Timeline: "1763800003-cccccccc"})
	require.ErrorIs(t, err, ErrNoBackup)

	put(PinKey(first), PinRecord{Reason: PinOperator})
	_, err = plan(Target{})
	require.NoError(t, err, "an operator's pin says nothing of the next timeline")
	put(PinKey(first), PinRecord{Reason: PinGuard})
	_, err = plan(Target{})
	var guard *GuardError
	require.ErrorAs(t, err, &guard)
	require.Equal(t, GuardError{Timeline: second, Before: first}, *guard)
	_, err = plan(Target{Time: time.UnixMilli(2*1_763_800_000_000 + 500)})
	require.ErrorAs(t, err, &guard)
	for _, id := range []string{first, second} {
		p, err := plan(Target{Timeline: id})
		require.NoError(t, err)
		require.Equal(t, id, p.Timeline)
	}
	p, err = plan(Target{Time: time.UnixMilli(1_763_800_000_500)})
	require.NoError(t, err, "that was before it tripped")
	require.Equal(t, first, p.Timeline)
}

func TestPlanOfAMillionSegmentsIsQuick(t *testing.T) {
	tl := ArchivedTimeline{ID: planTimeline, Bases: []ArchivedBase{{BaseKey: BaseKey{Timeline: planTimeline}}}}
	for i := range stream.Offset(1_000_000) {
		tl.Segments = append(tl.Segments, ArchivedSegment{SegmentKey: SegmentKey{From: i, To: i + 1}})
	}
	p, err := (&Catalog{Timelines: []ArchivedTimeline{tl}}).Plan(Target{})
	require.NoError(t, err)
	require.Len(t, p.Segments, 1_000_000)
}

func bodyOf(p []byte) Body {
	return Body{Size: int64(len(p)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p)), nil }}
}
