package aof

import (
	"bytes"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
)

var _ upload.Source = (*Log)(nil)

// requireHoldings wants everything that Holdings tells to be so: each file opens under its name, is as long as is said, begins and ends where it is
// said, and holds exactly what of tells of its timeline's history; increments follow one another, but for what is lost or in the archive; and nothing that comes behind what may
// be read states less than that. Of the end of a timeline before the present one, what sure does not cover may be zeros: a power loss may leave them in the tail, and if the
// upstream answered with a full resync nothing ever said what was there.
func requireHoldings(t require.TestingT, l *Log, of func(timeline string) *history, sure func(*history) stream.Offset, where string) {
	held := l.Holdings()
	for i := range held.Timelines {
		c := holdingsCheck{t: t, l: l, tl: &held.Timelines[i], h: of(held.Timelines[i].ID), where: where}
		require.NotNil(t, c.h, "%s: timeline %s", where, c.tl.ID)
		c.sure = sure(c.h)
		c.check(i == len(held.Timelines)-1 && l.Status().Timeline == c.tl.ID)
		if i > 0 {
			require.Less(t, timelineNumber(held.Timelines[i-1].ID), timelineNumber(c.tl.ID), where)
		}
	}
	if off, ok := l.Durable(); ok {
		require.LessOrEqual(t, held.Timelines[len(held.Timelines)-1].End.Offset, off, where)
	}
}

type holdingsCheck struct {
	t     require.TestingT
	l     *Log
	tl    *stream.Timeline
	h     *history
	sure  stream.Offset
	where string
}

func (c *holdingsCheck) check(present bool) {
	for i := range c.tl.Bases {
		c.base(&c.tl.Bases[i])
	}
	for i := range c.tl.Increments {
		f := &c.tl.Increments[i]
		if i > 0 && c.tl.Increments[i-1].To != f.From && c.l.show.shippedTo(c.tl.ID) < f.From { // a rewrite keeps nothing that the archive has; what it kept before goes later
			require.Contains(c.t, c.tl.Lost, stream.Range{From: c.tl.Increments[i-1].To, To: f.From}, "%s: %s", c.where, f.Name)
		}
		require.Equal(c.t, !present || i < len(c.tl.Increments)-1, f.Closed, "%s: %s", c.where, f.Name)
		c.increment(f, i == len(c.tl.Increments)-1, present)
	}
}

func (c *holdingsCheck) base(f *stream.LogFile) {
	data := c.read(f)
	require.Len(c.t, data, int(f.Bytes), "%s: %s", c.where, f.Name)
	require.Equal(c.t, f.RESP, !bytes.HasPrefix(data, []byte("REDIS")), "%s: %s", c.where, f.Name)
	if f.From != c.h.start || !bytes.Equal(data, testRDB(c.h.keys)) {
		require.Equal(c.t, c.h.state(c.t, f.From), stateOf(c.t, data, nil), "%s: %s", c.where, f.Name)
	}
}

func (c *holdingsCheck) read(f *stream.LogFile) []byte {
	file, err := c.l.OpenFile(f.Name)
	require.NoError(c.t, err, c.where)
	data, err := io.ReadAll(file)
	require.NoError(c.t, err, c.where)
	require.NoError(c.t, file.Close(), c.where)
	return data
}

func (c *holdingsCheck) increment(f *stream.LogFile, last, present bool) {
	data := c.read(f)
	require.GreaterOrEqual(c.t, int64(len(data)), f.Bytes, "%s: %s", c.where, f.Name)
	if f.Closed {
		require.Len(c.t, data, int(f.Bytes), "%s: %s", c.where, f.Name)
	}
	s := scan{path: f.Name, size: f.Bytes}
	require.NoError(c.t, s.run(bytes.NewReader(data[:f.Bytes])), "%s: %s", c.where, f.Name)
	require.False(c.t, s.torn, "%s: %s", c.where, f.Name)
	require.Equal(c.t, f.From, s.head.Position.Offset, "%s: %s", c.where, f.Name)
	require.Equal(c.t, f.UnixMilli, s.head.UnixMilli, "%s: %s", c.where, f.Name)
	require.LessOrEqual(c.t, s.at.offset, f.To, "%s: %s", c.where, f.Name)
	want := c.h.kept(f.To)[len(c.h.kept(f.From)):]
	got := appendStream(nil, data[:f.Bytes])
	if last && !present {
		fillHoles(got, want, len(c.h.kept(max(c.sure, f.From)))-len(c.h.kept(f.From)))
	}
	requireBytes(c.t, want, got, "%s: %s from %d to %d", c.where, f.Name, f.From, f.To)
	if !last {
		require.Equal(c.t, f.To, s.at.offset, "%s: %s", c.where, f.Name)
		return
	}
	require.Equal(c.t, f.To, c.tl.End.Offset, "%s: %s", c.where, f.Name)
	require.True(c.t, c.h.knows(c.tl.End), "%s: %s", c.where, c.tl.End)
	require.GreaterOrEqual(c.t, c.tl.EndUnixMilli, s.at.unixMilli, "%s: %s", c.where, f.Name)
	c.behind(data, f.Bytes)
}

// fillHoles puts what is wanted in the place of zeros, from an index on.
func fillHoles(got, want []byte, from int) {
	for i := from; i < min(len(got), len(want)); i++ {
		if got[i] == 0 {
			got[i] = want[i]
		}
	}
}

// behind looks at the marks that are not to be read yet.
func (c *holdingsCheck) behind(data []byte, at int64) {
	s := scan{path: "all of it", size: int64(len(data))}
	s.visit = func() error {
		if s.lastAt.file > at {
			require.GreaterOrEqual(c.t, s.last.Position.Offset, c.tl.End.Offset, c.where)
			require.GreaterOrEqual(c.t, s.last.UnixMilli, c.tl.EndUnixMilli, c.where)
		}
		return nil
	}
	require.NoError(c.t, s.run(bytes.NewReader(data)), c.where)
}

// held checks what the rig's log tells, and returns the present timeline.
func (r *rig) held() stream.Timeline {
	r.t.Helper()
	requireHoldings(r.t, r.l, func(timeline string) *history {
		for _, h := range append(r.before, r.h) {
			if strings.HasSuffix(timeline, "-"+h.id.Short()) {
				return h
			}
		}
		return nil
	}, (*history).end, "")
	list := r.l.Holdings().Timelines
	if len(list) == 0 {
		return stream.Timeline{}
	}
	return list[len(list)-1]
}

func archived(o *Options) { o.Archive, o.IncrementBytes = true, 300 }

// What may be read grows with what is durable, and ends at a boundary; somebody who waits is woken.
func TestHoldingsFollowTheLog(t *testing.T) {
	for _, policy := range []Policy{FsyncAlways, FsyncEverySec, FsyncNo} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 0), func(o *Options) { archived(o); o.Fsync = policy })
				r.open()
				require.Empty(t, r.l.Holdings().Timelines)
				changed := r.l.Changed()
				resync(t, r.l, r.h, 10)
				<-changed
				tl := r.held()
				require.Equal(t, r.l.Status().Timeline, tl.ID)
				require.Len(t, tl.Bases, 1)
				require.Equal(t, stream.LogFile{
					Name: tl.ID + "/00000000000000000100.base.rdb", From: 100, To: 100, Closed: true, Bytes: int64(len(testRDB(10))),
					UnixMilli: time.Now().UnixMilli(), Keys: 10,
				}, tl.Bases[0])
				_, stop := r.run()
				for range 20 {
					r.h.plain(1)
					r.h.add("MULTI")
					r.h.add("INCR", "a")
					r.h.add("EXEC")
					r.h.add("PING")
					changed := r.l.Changed()
					r.feed()
					pass(2100 * time.Millisecond)
					tl := r.held()
					if policy != FsyncNo {
						<-changed
						require.Equal(t, r.durable(), tl.End.Offset)
						require.Equal(t, r.h.end(), tl.End.Offset)
						require.Equal(t, time.Now().Add(-2100*time.Millisecond).UnixMilli(), tl.EndUnixMilli, "when it came")
					}
				}
				require.Greater(t, len(r.held().Increments), 3)
				stop()
				synctest.Wait()
				require.NoError(t, r.l.Close())
				require.Equal(t, r.h.end(), r.held().End.Offset, "Close makes it durable")
			})
		})
	}
}

// What nothing makes durable may not be read: what was only written, a torn command, an open transaction, a tail that waits for the upstream's answer.
func TestHoldingsEndAtWhatIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 5), func(o *Options) { o.Archive = true })
		r.start()
		r.feed()
		require.Equal(t, stream.Offset(100), r.held().End.Offset)
		require.NoError(t, r.l.onTick())
		synced := r.h.end()
		require.Equal(t, synced, r.held().End.Offset)
		r.h.plain(3)
		r.feed()
		r.h.add("MULTI")
		r.h.add("INCR", "a")
		r.feedOpen()
		require.Equal(t, synced, r.held().End.Offset)

		r.reopen(fsxtest.KillProcess{})
		tl := r.held()
		require.LessOrEqual(t, tl.End.Offset, synced)
		require.Greater(t, tl.End.Offset, r.h.start, "what a mark proves")
		r.goOn()
		tl = r.held()
		require.Equal(t, synced, tl.End.Offset, "the tail is cut, and what was before it is synced")
	})
}

// The same log tells the same after a start.
func TestHoldingsAfterAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 4), archived)
		r.start()
		require.NoError(t, grow(r))
		_, err := r.l.Rewrite(t.Context(), "test")
		require.NoError(t, err)
		require.NoError(t, grow(r))
		r.before = append(r.before, r.h)
		r.nextTimeline("b2", 10, 4)
		require.NoError(t, grow(r))
		_, err = r.l.Rewrite(t.Context(), "test")
		require.NoError(t, err)
		require.NoError(t, r.l.Close())
		r.held()
		want := r.l.Holdings()
		require.Len(t, want.Timelines, 2)
		require.Len(t, want.Timelines[0].Bases, 2)
		require.Len(t, want.Timelines[1].Bases, 2)
		require.Equal(t, stream.Position{ReplID: r.before[0].id, Offset: r.before[0].end()}, want.Timelines[0].End)
		r.reopen(nil)
		r.held()
		got := r.l.Holdings()
		for i := range got.Timelines {
			w, g := &want.Timelines[i], &got.Timelines[i]
			if i == 1 { // the last mark proves that it is durable, and is not proven itself
				require.LessOrEqual(t, g.Increments[len(g.Increments)-1].Bytes, w.Increments[len(w.Increments)-1].Bytes)
				g.Increments[len(g.Increments)-1].Bytes = w.Increments[len(w.Increments)-1].Bytes
			}
			for j := range g.Bases {
				if g.Bases[j].Keys < 0 { // a base that a rewrite replaced; the manifest that said it is gone
					g.Bases[j].Keys = w.Bases[j].Keys
				}
			}
			require.Equal(t, *w, *g)
		}
	})
}

// OpenFile opens what Holdings tells and nothing else, and what it opened stays readable.
func TestOpenFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 4), archived)
		r.start()
		require.NoError(t, grow(r))
		tl := r.held()
		for _, name := range []string{
			"", ".", "/", "..", tl.ID, tl.ID + "/", "../aofsidecar.lock", tl.ID + "/../../aofsidecar.lock", "aofsidecar.lock",
			tl.Increments[0].Name + "\x00", "/" + tl.Increments[0].Name, r.l.inc.path, r.l.inc.name,
			tl.ID + "/00000000000000000099.incr.aof", "appendonlydir/appendonly.aof.manifest",
		} {
			_, err := r.l.OpenFile(name)
			require.ErrorIs(t, err, fs.ErrNotExist, "%q", name)
		}
		f, err := r.l.OpenFile(tl.Bases[0].Name)
		require.NoError(t, err)
		_, err = r.l.Rewrite(t.Context(), "test")
		require.NoError(t, err)
		again, err := r.l.OpenFile(tl.Bases[0].Name)
		require.NoError(t, err, "the name is the same in retained/")
		require.NoError(t, again.Close())
		r.l.BaseShipped(tl.Bases[0].Name)
		require.NoError(t, r.l.tendAll())
		_, err = r.l.OpenFile(tl.Bases[0].Name)
		require.ErrorIs(t, err, fs.ErrNotExist)
		data, err := io.ReadAll(f)
		require.NoError(t, err)
		require.Equal(t, testRDB(10), data)
		require.NoError(t, f.Close())
		_, err = f.Write([]byte("x"))
		require.Error(t, err)
	})
}

// Nothing is copied while nothing changes.
func TestHoldingsAreCheap(t *testing.T) {
	r := newRig(t, newHistory(t, "a1", 100, 4), archived)
	r.start()
	require.NoError(t, grow(r))
	r.l.Holdings()
	require.Zero(t, testing.AllocsPerRun(100, func() { r.l.Holdings() }))
}
