package fsxtest_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

// history is what one file held since its last sync: states[0] is durable, each operation adds one.
type history struct {
	states [][]byte
	sizes  []int // after each operation on its own, beside the durable one
}

func (h *history) now() []byte { return h.states[len(h.states)-1] }

func (h *history) add(state []byte, size int) {
	h.states, h.sizes = append(h.states, state), append(h.sizes, size)
}

func (h *history) synced() { h.states, h.sizes = [][]byte{h.now()}, nil }

func (h *history) write(off int, data []byte) {
	// A write is made in two halves.
	for _, part := range [][]byte{data[:len(data)/2], data[len(data)/2:]} {
		state := slices.Clone(h.now())
		if grow := off + len(part) - len(state); grow > 0 {
			state = append(state, make([]byte, grow)...)
		}
		copy(state[off:], part)
		off += len(part)
		h.add(state, off)
	}
}

func (h *history) truncate(size int) {
	state := make([]byte, size)
	copy(state, h.now())
	h.add(state, size)
}

// requireOrdered wants a state that was, or one between two: the first part of a write.
func (h *history) requireOrdered(t *rapid.T, got []byte) {
	for i, state := range h.states {
		if bytes.Equal(got, state) {
			return
		}
		if i+1 < len(h.states) && between(got, state, h.states[i+1]) {
			return
		}
	}
	require.Fail(t, "no prefix", "%q of %q", got, h.states)
}

// between reports whether got is old up to some byte with the rest of the write still missing.
func between(got, before, after []byte) bool {
	if len(got) < len(before) || len(got) > len(after) {
		return false
	}
	same := 0
	for same < len(got) && got[same] == after[same] {
		same++
	}
	rest := got[same:]
	return bytes.Equal(rest, before[min(same, len(before)):])
}

// requireScattered wants each byte from some state, or zero, and a size that some operation set.
func (h *history) requireScattered(t *rapid.T, got []byte) {
	require.Contains(t, append(slices.Clone(h.sizes), len(h.states[0])), len(got))
	for i, b := range got {
		ok := slices.ContainsFunc(h.states, func(state []byte) bool {
			if i >= len(state) {
				return b == 0
			}
			return b == state[i]
		})
		require.True(t, ok, "byte %d is %q", i, b)
	}
}

// What was synced is there after every crash, and the rest is what the crash promises.
func TestDataAfterCrash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fsys := newDir(t)
		f := open(t, fsys, "/d/a")
		require.NoError(t, fsys.SyncDir("/d"))
		h := &history{states: [][]byte{{}}}
		n := rapid.IntRange(1, 12).Draw(t, "operations")
		for i := range n {
			step(t, f, h, byte('a'+i))
		}
		for seed := range uint64(10) {
			h.requireScattered(t, readClone(t, fsys, scattered(seed)))
			h.requireOrdered(t, readClone(t, fsys, ordered(seed)))
		}
		require.Equal(t, string(h.states[0]), string(readClone(t, fsys, fsxtest.PowerLossAll{})))
		require.Equal(t, string(h.now()), string(readClone(t, fsys, fsxtest.KillProcess{})))
		require.Equal(t, string(h.now()), string(readClone(t, fsys, fsxtest.Reboot{})))
		requireSpaceAddsUp(t, fsys)
	})
}

func readClone(t *rapid.T, fsys *fsxtest.FS, crash fsxtest.Crash) []byte {
	clone := fsys.CrashClone(crash)
	requireSpaceAddsUp(t, clone)
	return []byte(read(t, clone, "/d/a"))
}

// requireSpaceAddsUp compares the running count of used space with a fresh one.
func requireSpaceAddsUp(t *rapid.T, fsys *fsxtest.FS) {
	got, err := fsys.Space("/")
	require.NoError(t, err)
	want, err := fsys.CrashClone(fsxtest.KillProcess{}).Space("/")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func step(t *rapid.T, f fsx.File, h *history, fill byte) {
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0:
		size := rapid.IntRange(0, 9000).Draw(t, "size")
		require.NoError(t, f.Truncate(int64(size)))
		h.truncate(size)
	case 1:
		require.NoError(t, f.SyncData())
		h.synced()
	default:
		off := rapid.OneOf(rapid.Just(len(h.now())), rapid.IntRange(0, 9000)).Draw(t, "off")
		data := bytes.Repeat([]byte{fill}, rapid.IntRange(2, 5000).Draw(t, "len"))
		_, err := f.WriteAt(data, int64(off))
		require.NoError(t, err)
		h.write(off, data)
	}
}

// ledger follows names: each holds the number of a file.
type ledger struct {
	fs     *fsxtest.FS
	now    map[string]string
	synced map[string]string   // as of the last SyncDir of both directories
	held   map[string][]string // what each name held since then, "missing" included
	next   int
}

var ledgerNames = []string{"/d/a", "/d/b", "/d/c", "/e/a", "/e/b"}

func newLedger(t *rapid.T) *ledger {
	fsys := newDir(t)
	require.NoError(t, fsx.MkdirAllDurable(fsys, "/e", 0o750))
	l := &ledger{fs: fsys, now: map[string]string{}, synced: map[string]string{}, held: map[string][]string{}}
	for _, name := range ledgerNames {
		l.now[name] = "missing"
	}
	l.sync(t)
	return l
}

func (l *ledger) set(name, content string) {
	l.now[name] = content
	l.held[name] = append(l.held[name], content)
}

func (l *ledger) sync(t *rapid.T) {
	require.NoError(t, errors.Join(l.fs.SyncDir("/d"), l.fs.SyncDir("/e")))
	for name, content := range l.now {
		l.synced[name], l.held[name] = content, []string{content}
	}
}

func (l *ledger) step(t *rapid.T) {
	a, b := rapid.SampledFrom(ledgerNames).Draw(t, "a"), rapid.SampledFrom(ledgerNames).Draw(t, "b")
	there := l.now[a] != "missing"
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		l.sync(t)
	case 1, 2:
		if there {
			require.NoError(t, l.fs.Remove(a))
			l.set(a, "missing")
		}
	case 3, 4, 5, 6:
		if there && l.now[a] != l.now[b] {
			require.NoError(t, l.fs.Rename(a, b))
			l.set(b, l.now[a])
			l.set(a, "missing")
		}
	case 7:
		if there && l.now[b] == "missing" {
			require.NoError(t, l.fs.Link(a, b))
			l.set(b, l.now[a])
		}
	default:
		if !there {
			l.next++
			store(t, l.fs, a, fmt.Sprint(l.next))
			l.set(a, fmt.Sprint(l.next))
		}
	}
}

// After a crash a name holds something that it held since it was synced; a name that nothing touched since
// holds exactly that.
func TestNamesAfterCrash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger(t)
		for range rapid.IntRange(1, 20).Draw(t, "operations") {
			l.step(t)
		}
		for seed := range uint64(5) {
			for _, crash := range fsxtest.Crashes(seed) {
				clone := l.fs.CrashClone(crash)
				for _, name := range ledgerNames {
					require.Contains(t, l.held[name], read(t, clone, name), "%s\n%s", name, clone.Dump())
				}
			}
		}
		l.requireAll(t, fsxtest.PowerLossAll{}, l.synced)
		l.requireAll(t, fsxtest.KillProcess{}, l.now)
		l.requireAll(t, fsxtest.Reboot{}, l.now)
		l.sync(t)
		l.requireAll(t, fsxtest.PowerLossAll{}, l.now)
	})
}

func (l *ledger) requireAll(t *rapid.T, crash fsxtest.Crash, want map[string]string) {
	clone := l.fs.CrashClone(crash)
	for name, content := range want {
		require.Equal(t, content, read(t, clone, name), "%s\n%s", name, clone.Dump())
	}
}

// Renames alone, within and between directories, neither lose nor double a file, whatever is synced.
func TestRenamesLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger(t)
		for _, name := range ledgerNames[:2] {
			store(t, l.fs, name, name)
			l.set(name, name)
		}
		l.sync(t)
		for range rapid.IntRange(1, 20).Draw(t, "operations") {
			a, b := rapid.SampledFrom(ledgerNames).Draw(t, "a"), rapid.SampledFrom(ledgerNames).Draw(t, "b")
			if l.now[a] != "missing" && l.now[b] == "missing" {
				require.NoError(t, l.fs.Rename(a, b))
				l.set(b, l.now[a])
				l.set(a, "missing")
			}
			if dir := rapid.SampledFrom([]string{"", "", "/d", "/e"}).Draw(t, "sync"); dir != "" {
				require.NoError(t, l.fs.SyncDir(dir))
			}
		}
		for seed := range uint64(5) {
			for _, crash := range fsxtest.Crashes(seed) {
				clone := l.fs.CrashClone(crash)
				var found []string
				for _, name := range ledgerNames {
					if content := read(t, clone, name); content != "missing" {
						found = append(found, content)
					}
				}
				require.ElementsMatch(t, ledgerNames[:2], found, clone.Dump())
			}
		}
	})
}
