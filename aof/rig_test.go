package aof

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

const rigDir = "/data"

// rig is a log on a file system in memory, and the history that is fed to it. It is for use inside a synctest bubble: time is the
// bubble's.
type rig struct {
	t       *testing.T
	fs      *fsxtest.FS
	opt     Options
	l       *Log
	h       *history
	witness witness

	before []*history // of timelines that ended

	next *history // of a full resync that may or may not have taken place

	besides chan error // what beside's functions return
}

// beside runs f in a goroutine of its own, and returns when that waits for something, or has ended.
func (r *rig) beside(f func() error) {
	if r.besides == nil {
		r.besides = make(chan error, 1)
	}
	go func() { r.besides <- f() }()
	synctest.Wait()
}

// facts are what the observer was told.
type facts struct {
	recovery Recovery
	full     []error
	synced   int
	failed   []error
	rotated  []string
	cut      []int64
	resynced []Resync
	tripped  []Guard
	removed  []string
	notes    []string
	begun    []string // reasons of rewrites
	begunAt  []time.Time
}

// witness collects facts.
type witness struct {
	mu  sync.Mutex
	saw facts
}

// seen returns what the observer was told so far.
func (r *rig) seen() facts {
	r.witness.mu.Lock()
	defer r.witness.mu.Unlock()
	return r.witness.saw
}

// newRig makes a rig; h is the history of the first full resync; change may be nil.
func newRig(t *testing.T, h *history, change func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, fs: fsxtest.New(), h: h}
	r.opt = Options{Dir: rigDir, FS: r.fs}
	if change != nil {
		change(&r.opt)
	}
	r.opt.Observer = r.witness.observer()
	return r
}

func (w *witness) observer() Observer {
	return Observer{
		Recovered:    func(v Recovery) { w.note(func(s *facts) { s.recovery = v }) },
		Synced:       func(time.Duration) { w.note(func(s *facts) { s.synced++ }) },
		SyncFailed:   func(err error) { w.note(func(s *facts) { s.failed = append(s.failed, err) }) },
		DiskFull:     func(err error) { w.note(func(s *facts) { s.full = append(s.full, err) }) },
		Rotated:      func(name string, _ stream.Position) { w.note(func(s *facts) { s.rotated = append(s.rotated, name) }) },
		Cut:          func(_ string, n int64) { w.note(func(s *facts) { s.cut = append(s.cut, n) }) },
		Resynced:     func(v Resync) { w.note(func(s *facts) { s.resynced = append(s.resynced, v) }) },
		GuardTripped: func(v Guard) { w.note(func(s *facts) { s.tripped = append(s.tripped, v) }) },
		RewriteBegun: func(reason string) {
			w.note(func(s *facts) { s.begun, s.begunAt = append(s.begun, reason), append(s.begunAt, time.Now()) })
		},
		Removed: func(path string) { w.note(func(s *facts) { s.removed = append(s.removed, path) }) },
		Note:    func(msg, _ string) { w.note(func(s *facts) { s.notes = append(s.notes, msg) }) },
	}
}

func (w *witness) note(f func(*facts)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.saw)
}

// open opens the log; it is closed with the test if the test has not.
func (r *rig) open() {
	r.t.Helper()
	l, err := Open(r.t.Context(), r.opt)
	require.NoError(r.t, err)
	r.l = l
	r.t.Cleanup(func() { _ = l.Close() })
}

// start opens the log and gives it a base at the start of the history.
func (r *rig) start() {
	r.t.Helper()
	r.open()
	resync(r.t, r.l, r.h, 10)
}

// reopen opens what is left after a crash, or what Close left if crash is nil.
func (r *rig) reopen(crash fsxtest.Crash) {
	r.t.Helper()
	if crash != nil {
		r.fs = r.fs.CrashClone(crash)
		r.opt.FS = r.fs
	}
	r.open()
}

// goOn is what the replica does first: it resumes where the log stands, under the history's present id.
func (r *rig) goOn() stream.Position {
	r.t.Helper()
	pos, _, err := r.l.Resume()
	require.NoError(r.t, err)
	require.NoError(r.t, r.l.Continue(r.t.Context(), r.h.idNow()))
	return pos
}

// feed hands what the history has and the log has not to the log.
func (r *rig) feed() {
	r.t.Helper()
	require.NoError(r.t, r.tryFeed(r.t.Context()))
}

func (r *rig) tryFeed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	return r.feeder().feed(ctx, r.l, r.l.Position().Offset, r.h.end())
}

func (r *rig) feeder() feeder {
	return feeder{h: r.h, now: func() int64 { return time.Now().UnixMilli() }}
}

// run starts Run; the result is on the channel once.
func (r *rig) run() (done <-chan error, stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	ch := make(chan error, 1)
	l := r.l
	go func() { ch <- l.Run(ctx) }()
	r.t.Cleanup(cancel)
	return ch, cancel
}

// ended returns what Run returned; it must do so now.
func (r *rig) ended(done <-chan error) error {
	r.t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Second):
		require.Fail(r.t, "Run goes on")
		return nil
	}
}

// durable returns what Durable says; -1 for nothing.
func (r *rig) durable() stream.Offset {
	off, ok := r.l.Durable()
	if !ok {
		return -1
	}
	return off
}

// requireHolds checks that the directory verifies and holds exactly the stream up to off.
func (r *rig) requireHolds(fsys fsx.FS, off stream.Offset) {
	r.t.Helper()
	requireBytes(r.t, r.h.kept(off), streamBytes(r.t, fsys, r.opt.withLayout()), "the stream up to %d", off)
	opt := r.opt
	opt.FS = fsys
	_, err := Verify(r.t.Context(), opt)
	require.NoError(r.t, err)
}

// withLayout is the layout of options without defaults.
func (o Options) withLayout() layout {
	full, err := o.withDefaults()
	if err != nil {
		panic(err)
	}
	return full.layout()
}

// incr returns the content of the open increment.
func (r *rig) incr() string {
	r.t.Helper()
	return string(r.read(r.l.inc.path))
}

func (r *rig) read(path string) []byte { return readAll(r.t, r.fs, path) }

func readAll(t require.TestingT, fsys fsx.FS, path string) []byte {
	data, err := readFile(fsys, path, 1<<30)
	require.NoError(t, err)
	return data
}

// requireBytes wants got to be want, and says where they part.
func requireBytes(t require.TestingT, want, got []byte, format string, args ...any) {
	if h, ok := t.(interface{ Helper() }); ok {
		h.Helper()
	}
	if bytes.Equal(want, got) {
		return
	}
	at := 0
	for at < min(len(want), len(got)) && want[at] == got[at] {
		at++
	}
	near := func(p []byte) []byte { return p[max(0, at-60):min(len(p), at+60)] }
	require.Fail(t, fmt.Sprintf(format, args...), "want %d bytes, got %d, the first difference is at %d:\nwant %q\ngot  %q",
		len(want), len(got), at, near(want), near(got))
}

// requireTree wants two directories to be the same, and names the files that are not.
func requireTree(t require.TestingT, want, got map[string]string) {
	if h, ok := t.(interface{ Helper() }); ok {
		h.Helper()
	}
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	for path, data := range want {
		requireBytes(t, []byte(data), []byte(got[path]), "content of %s", path)
	}
}

// pass lets d go by and everything settle.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// fault makes operations of a file system fail.
type fault struct {
	mu    sync.Mutex
	match func(fsxtest.Op) bool
	err   error
	left  int // how many more fail; less than 0: all
	hits  int
	onHit func(fsxtest.Op)
}

// failOps makes the first n operations that match fail with err; n < 0: until heal.
func failOps(fsys *fsxtest.FS, n int, err error, match func(fsxtest.Op) bool) *fault {
	f := &fault{match: match, err: err, left: n}
	fsys.FailOp(f.ask)
	return f
}

func (f *fault) ask(op fsxtest.Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 || !f.match(op) {
		return nil
	}
	f.left--
	f.hits++
	if f.onHit != nil {
		f.onHit(op)
	}
	return f.err
}

func (f *fault) heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = 0
}

func (f *fault) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// on matches operations of a kind on paths that end with suffix.
func on(kind fsxtest.Kind, suffix string) func(fsxtest.Op) bool {
	return func(op fsxtest.Op) bool { return op.Kind == kind && strings.HasSuffix(op.Path, suffix) }
}

// snapshotOf describes a snapshot at the start of h.
func snapshotOf(h *history, size int64) stream.Snapshot {
	return stream.Snapshot{Position: stream.Position{ReplID: h.id, Offset: h.start}, Bytes: size}
}

// tryResync asks for a full resync into h.
func (r *rig) tryResync(h *history, payload io.Reader) error {
	_, err := r.l.FullResync(r.t.Context(), snapshotOf(h, -1), payload)
	return err
}

// newHistory returns a history that begins at start, with n commands that drop nothing.
func newHistory(t require.TestingT, fill string, start stream.Offset, n int) *history {
	h := &history{id: replID(t, fill), start: start}
	h.plain(n)
	return h
}

// plain adds n short commands outside MULTI.
func (h *history) plain(n int) {
	for i := range n {
		h.add("SET", "k", strings.Repeat("v", 1+i%7))
	}
}

// tree returns the content of every file below dir, by path.
func tree(t require.TestingT, fsys fsx.FS, dir string) map[string]string {
	files := map[string]string{}
	entries, err := fsys.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		path := dir + "/" + e.Name()
		if !e.IsDir() {
			files[path] = string(readAll(t, fsys, path))
			continue
		}
		maps.Copy(files, tree(t, fsys, path))
	}
	return files
}
