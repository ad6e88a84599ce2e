package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// fakeLog is a Source: a log without disk or upstream, and the truth about what the upstream sent.
type fakeLog struct {
	mu      sync.Mutex
	rng     *rand.Rand
	lines   []stream.Timeline
	files   map[string]*[]byte
	serial  int
	changed chan struct{}

	id      stream.ReplID
	db      int
	written stream.Offset // of the present timeline; End is durable
	milli   int64

	truth map[string]*truth   // by timeline
	other map[string][]*truth // what it was before another upstream went another way

	places []fakePlace     // boundaries in the open increment
	resend []stream.Offset // boundaries whose bytes come again after a crash

	salt    int  // makes the ids of timelines differ from another log's
	keeps   bool // nothing goes when it is shipped
	shipped map[string]stream.Offset
	stored  []string // bases
	asked   []string // why new timelines were asked for
}

// fakePlace is a boundary in the open increment.
type fakePlace struct {
	offset stream.Offset
	file   int
	db     int
}

// truth is the stream of a timeline from its base on.
type truth struct {
	origin     stream.Offset
	bytes      []byte
	boundaries []stream.Offset
	dbs        map[stream.Offset]int
}

func newFakeLog(seed uint64) *fakeLog {
	return &fakeLog{
		rng: rand.New(rand.NewPCG(seed, 99)), files: map[string]*[]byte{}, changed: make(chan struct{}),
		truth: map[string]*truth{}, other: map[string][]*truth{}, shipped: map[string]stream.Offset{},
	}
}

func fakeReplID(n int) stream.ReplID {
	id, err := stream.ParseReplID(fmt.Sprintf("%040x", n))
	if err != nil {
		panic(err)
	}
	return id
}

var _ Source = (*fakeLog)(nil)

func (l *fakeLog) Holdings() stream.Holdings {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := stream.Holdings{Timelines: slices.Clone(l.lines)}
	for i := range h.Timelines {
		h.Timelines[i].Increments = slices.Clone(h.Timelines[i].Increments)
		h.Timelines[i].Bases = slices.Clone(h.Timelines[i].Bases)
	}
	return h
}

func (l *fakeLog) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

func (l *fakeLog) change() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *fakeLog) OpenFile(name string) (fsx.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &fakeFile{l: l, p: p}, nil
}

type fakeFile struct {
	fsx.File
	l *fakeLog
	p *[]byte
}

func (f *fakeFile) ReadAt(p []byte, off int64) (int, error) {
	f.l.mu.Lock()
	defer f.l.mu.Unlock()
	return bytes.NewReader(*f.p).ReadAt(p, off)
}

func (f *fakeFile) Close() error { return nil }

func (l *fakeLog) Shipped(timeline string, through stream.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if through > l.shipped[timeline] {
		l.shipped[timeline] = through
	}
	if l.keeps {
		return
	}
	for i := range l.lines {
		if line := &l.lines[i]; line.ID == timeline && i < len(l.lines)-1 && through >= line.End.Offset {
			l.lines = slices.Delete(l.lines, i, i+1)
			l.change()
			return
		} else if line.ID == timeline {
			l.drop(line, func(inc stream.LogFile) bool {
				return inc.Closed && inc.To <= through && len(line.Bases) > 0 && inc.To <= line.Bases[len(line.Bases)-1].From
			})
		}
	}
}

// drop gives increments up.
func (l *fakeLog) drop(line *stream.Timeline, which func(stream.LogFile) bool) {
	line.Increments = slices.DeleteFunc(line.Increments, func(inc stream.LogFile) bool {
		if which(inc) {
			delete(l.files, inc.Name)
			return true
		}
		return false
	})
}

func (l *fakeLog) BaseShipped(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stored = append(l.stored, name)
	if l.keeps || len(l.lines) == 0 {
		return
	}
	line := &l.lines[len(l.lines)-1]
	if n := len(line.Bases); n > 1 {
		line.Bases = slices.DeleteFunc(line.Bases, func(b stream.LogFile) bool { return b.Name == name && b.Name != line.Bases[n-1].Name })
	}
}

func (l *fakeLog) NewTimeline(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked = append(l.asked, why); len(l.asked) < 1000 {
		l.resync(l.id, l.written+stream.Offset(l.rng.IntN(100)))
	}
}

// End is what is durable of the present timeline.
func (l *fakeLog) End() stream.Offset {
	lines := l.Holdings().Timelines
	return lines[len(lines)-1].End.Offset
}

// ID is the present timeline's.
func (l *fakeLog) ID() string {
	lines := l.Holdings().Timelines
	return lines[len(lines)-1].ID
}

func (l *fakeLog) line() *stream.Timeline { return &l.lines[len(l.lines)-1] }

func (l *fakeLog) file(kind string) (string, *[]byte) {
	l.serial++
	name := fmt.Sprintf("f%d.%s", l.serial, kind)
	p := new([]byte)
	l.files[name] = p
	return name, p
}

// Resync begins a timeline.
func (l *fakeLog) Resync(id stream.ReplID, at stream.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resync(id, at)
}

func (l *fakeLog) resync(id stream.ReplID, at stream.Offset) {
	l.resend = nil
	if n := len(l.lines); n > 0 {
		l.sync()
		l.close()
	}
	l.id, l.written, l.db = id, at, 0
	l.milli = time.Now().UnixMilli()
	timeline := fmt.Sprintf("%08d-%08x", len(l.truth)+1+1000*l.salt, l.salt)
	l.truth[timeline] = &truth{origin: at, boundaries: []stream.Offset{at}, dbs: map[stream.Offset]int{at: 0}}
	l.lines = append(l.lines, stream.Timeline{ID: timeline})
	l.base()
	l.open()
	l.sync()
}

func (l *fakeLog) base() {
	name, p := l.file("base.rdb")
	*p = fakeBase(l.line().ID, l.written)
	l.line().Bases = append(l.line().Bases, stream.LogFile{
		Name: name, From: l.written, To: l.written, Closed: true, Bytes: int64(len(*p)), UnixMilli: l.milli, Keys: -1,
	})
}

// fakeBase is an RDB whose only value says whose base it is.
func fakeBase(timeline string, at stream.Offset) []byte {
	var out bytes.Buffer
	w := rdb.NewWriter(&out, rdb.Format{Dialect: rdb.Redis, Version: 11})
	value := bytes.Repeat(fmt.Appendf(nil, "base of %s at %d\n", timeline, at), 100)
	err := errors.Join(w.SelectDB(0), w.Key(rdb.TypeString, rdb.Attributes{}, []byte("base"), rdb.AppendString(nil, value)), w.Close())
	if err != nil {
		panic(err)
	}
	return out.Bytes()
}

func (l *fakeLog) mark() stream.Mark {
	return stream.Mark{Position: stream.Position{ReplID: l.id, Offset: l.written}, UnixMilli: l.milli, Durable: l.line().End.Offset}
}

func (l *fakeLog) open() {
	name, p := l.file("incr.aof")
	*p = l.mark().AppendCommand(resp.AppendSelect(nil, l.db))
	l.places = []fakePlace{{offset: l.written, file: len(*p), db: l.db}}
	l.line().Increments = append(l.line().Increments, stream.LogFile{Name: name, From: l.written, To: l.written, Bytes: int64(len(*p)), UnixMilli: l.milli})
}

func (l *fakeLog) last() *stream.LogFile { return &l.line().Increments[len(l.line().Increments)-1] }

func (l *fakeLog) append(p []byte) { f := l.files[l.last().Name]; *f = append(*f, p...) }

// sync makes what is written durable.
func (l *fakeLog) sync() {
	line := l.line()
	if line.End.Offset < l.written || line.End.ReplID != l.id {
		l.append(l.mark().AppendCommand(nil))
	}
	line.End = stream.Position{ReplID: l.id, Offset: l.written}
	line.EndUnixMilli = l.milli
	inc := l.last()
	inc.To, inc.Bytes = l.written, int64(len(*l.files[inc.Name]))
	l.change()
}

func (l *fakeLog) close() { l.last().Closed = true }

// Rotate begins an increment; with base, after a rewrite.
func (l *fakeLog) Rotate(base bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.again()
	l.sync()
	l.close()
	if base {
		l.base()
	}
	l.open()
	l.sync()
}

// Sync makes what is written durable.
func (l *fakeLog) Sync() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.milli = max(l.milli, time.Now().UnixMilli())
	l.sync()
}

// Failover goes on under another id.
func (l *fakeLog) Failover(id stream.ReplID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.again()
	l.sync()
	l.id = id
	l.sync()
}

func (l *fakeLog) stream(p []byte, kept bool) {
	tr := l.truth[l.line().ID]
	tr.bytes = append(tr.bytes, p...)
	l.written += stream.Offset(len(p))
	if kept {
		l.append(p)
	}
}

func (l *fakeLog) boundary() {
	tr := l.truth[l.line().ID]
	tr.boundaries = append(tr.boundaries, l.written)
	tr.dbs[l.written] = l.db
	l.place()
}

func (l *fakeLog) place() {
	l.places = append(l.places, fakePlace{offset: l.written, file: len(*l.files[l.last().Name]), db: l.db})
}

// Crash is a kill -9: the log is back by up to n boundaries, and the upstream sends again what came after; or, where it was another one that
// has become the upstream meanwhile, something else, under another id.
func (l *fakeLog) Crash(n int, another stream.ReplID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line, tr := l.line(), l.truth[l.line().ID]
	l.again()
	to := l.places[max(0, len(l.places)-1-n)]
	f := l.files[l.last().Name]
	*f = (*f)[:to.file:to.file]
	l.places = l.places[:slices.Index(l.places, to)+1]
	l.written, l.db = to.offset, to.db
	i := slices.Index(tr.boundaries, to.offset)
	line.End.Offset = min(line.End.Offset, to.offset)
	if another.IsZero() {
		l.resend = slices.Clone(tr.boundaries[i+1:])
	} else {
		l.other[line.ID] = append(l.other[line.ID], &truth{origin: tr.origin, bytes: tr.bytes, boundaries: tr.boundaries})
		l.truth[line.ID] = &truth{origin: tr.origin, bytes: slices.Clone(tr.bytes[:to.offset-tr.origin]), boundaries: slices.Clone(tr.boundaries[:i+1]), dbs: maps.Clone(tr.dbs)}
		l.id = another
	}
	l.sync()
}

// again takes what comes again.
func (l *fakeLog) again() {
	tr := l.truth[l.line().ID]
	for _, to := range l.resend {
		p := tr.slice(l.written, to)
		l.written = to
		if onlyPings(p) {
			l.append(l.mark().AppendCommand(nil))
		} else {
			l.append(p)
		}
		l.db = tr.dbs[to]
		l.place()
	}
	l.resend = nil
}

// Write is some traffic.
func (l *fakeLog) Write(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.milli = max(l.milli, time.Now().UnixMilli())
	l.again()
	for range n {
		switch l.rng.IntN(12) {
		case 0:
			l.stream(resp.AppendCommandStrings(nil, "PING"), false)
			l.append(l.mark().AppendCommand(nil))
		case 1:
			l.db = l.rng.IntN(3)
			l.stream(resp.AppendCommandStrings(nil, "SELECT", fmt.Sprint(l.db)), true)
		case 2:
			l.stream(resp.AppendCommandStrings(nil, "MULTI"), true)
			l.stream(resp.AppendCommandStrings(nil, "SET", "a", fmt.Sprint(l.rng.Int64())), true)
			l.stream(resp.AppendCommandStrings(nil, "EXEC"), true)
		default:
			l.stream(resp.AppendCommandStrings(nil, "SET", fmt.Sprint("key", l.rng.IntN(50)), string(bytes.Repeat([]byte{'v'}, l.rng.IntN(300)))), true)
		}
		l.boundary()
	}
}

// Do is one command.
func (l *fakeLog) Do(args ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stream(resp.AppendCommandStrings(nil, args...), true)
	l.boundary()
}

// Fork is a copy of the log, as a copy of its directory is one.
func (l *fakeLog) Fork(seed uint64) *fakeLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := newFakeLog(seed)
	l.again()
	l.sync()
	f.serial, f.id, f.db, f.written, f.milli = l.serial, l.id, l.db, l.written, l.milli
	for _, line := range l.lines {
		line.Bases, line.Increments = slices.Clone(line.Bases), slices.Clone(line.Increments)
		f.lines = append(f.lines, line)
	}
	for name, p := range l.files {
		c := slices.Clone(*p)
		f.files[name] = &c
	}
	f.places = slices.Clone(l.places)
	for id, tr := range l.truth {
		f.truth[id] = &truth{origin: tr.origin, bytes: slices.Clone(tr.bytes), boundaries: slices.Clone(tr.boundaries), dbs: maps.Clone(tr.dbs)}
	}
	return f
}

// ofTruth reports whether the plain bytes of a segment are what the upstream sent.
func (tr *truth) of(key SegmentKey, plain []byte) error {
	var f follower
	at := key.From
	for len(plain) > 0 {
		n, done, err := f.next(plain)
		if err != nil {
			return err
		}
		if !done {
			return errors.New("torn")
		}
		end := f.at.pos.Offset
		switch {
		case f.last == stepHead:
			end = at
		case f.last == stepCommand:
			if got := tr.slice(end-stream.Offset(n), end); !bytes.Equal(got, plain[:n]) {
				return fmt.Errorf("at %d: %.60q, not %.60q", end, plain[:n], got)
			}
		case f.last == stepMark && end > at:
			if skipped := tr.slice(at, end); !onlyPings(skipped) {
				return fmt.Errorf("%d to %d are missing: %.60q", at, end, skipped)
			}
		case f.last == stepMark && end < at:
			return fmt.Errorf("it goes back to %d", end)
		}
		at = end
		plain = plain[n:]
	}
	switch {
	case !f.whole():
		return errors.New("it does not end at a boundary")
	case at != key.To:
		return fmt.Errorf("it ends at %d", at)
	case !slices.Contains(tr.boundaries, at) && !onlyPings(tr.slice(tr.boundary(at), at)):
		return fmt.Errorf("it ends at %d, which is no boundary", at)
	}
	return nil
}

func (tr *truth) boundary(at stream.Offset) stream.Offset {
	i, _ := slices.BinarySearch(tr.boundaries, at+1)
	return tr.boundaries[i-1]
}

func (tr *truth) slice(from, to stream.Offset) []byte {
	if from < tr.origin || int(to-tr.origin) > len(tr.bytes) || from > to {
		return []byte("outside of the truth")
	}
	return tr.bytes[from-tr.origin : to-tr.origin]
}

func onlyPings(p []byte) bool {
	return len(bytes.ReplaceAll(p, resp.AppendCommandStrings(nil, "PING"), nil)) == 0
}

// openObject returns the plain bytes of an object, checked.
func openObject(tb testing.TB, store Store, key, sum string) []byte {
	tb.Helper()
	body, _, err := store.Get(context.Background(), key, 0, -1)
	require.NoError(tb, err)
	plain, err := NewOpener(nil).Open(key, body)
	require.NoError(tb, err)
	p, err := io.ReadAll(Checked(key, sum, plain))
	require.NoError(tb, err)
	require.NoError(tb, errors.Join(plain.Close(), body.Close()))
	return p
}

// requireValid proves that all that counts in an archive is of one of the logs that were shipped there, and each timeline of one alone.
func requireValid(tb testing.TB, store Store, logs ...*fakeLog) *Catalog {
	tb.Helper()
	c, err := ReadCatalog(context.Background(), store)
	require.NoError(tb, err)
	require.Zero(tb, c.Unknown)
	for _, line := range c.Timelines {
		var errs []error
		for _, l := range logs {
			l.mu.Lock()
			err := l.owns(tb, store, &line)
			l.mu.Unlock()
			if err == nil {
				errs = nil
				break
			}
			errs = append(errs, err)
		}
		require.NoError(tb, errors.Join(errs...))
	}
	return c
}

// owns reports whether all of a timeline is this log's.
func (l *fakeLog) owns(tb testing.TB, store Store, line *ArchivedTimeline) error {
	tb.Helper()
	if l.truth[line.ID] == nil {
		return fmt.Errorf("%s is not of this log", line.ID)
	}
	var errs []error
	for _, tr := range append([]*truth{l.truth[line.ID]}, l.other[line.ID]...) {
		err := tr.owns(tb, store, line)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (tr *truth) owns(tb testing.TB, store Store, line *ArchivedTimeline) error {
	tb.Helper()
	for _, b := range line.Bases {
		p := openObject(tb, store, b.String(), b.Sum)
		if !bytes.Equal(p, fakeBase(line.ID, b.Offset)) {
			return fmt.Errorf("%s is %.60q", b, p)
		}
	}
	for _, s := range line.Segments {
		if err := tr.of(s.SegmentKey, openObject(tb, store, s.String(), s.Sum)); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}
