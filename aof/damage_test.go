package aof

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// updateEnv, if it is set, writes the golden table anew.
const updateEnv = "AOFSIDECAR_UPDATE_GOLDEN"

const (
	damageBase   = "appendonly.aof.1.base.rdb"
	damageFirst  = "appendonly.aof.1.incr.aof"
	damageSecond = "appendonly.aof.2.incr.aof"
	damageLast   = "appendonly.aof.3.incr.aof"
	damageMan    = "appendonly.aof.manifest"
)

// soundChain returns the files of a log that was killed: a base, two closed increments, and an open one that ends with commands behind
// its last mark.
func soundChain(t *testing.T) (files map[string]string, h *history) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 1000, 0), func(o *Options) { o.IncrementBytes = 600 })
		r.start()
		for i := range 16 {
			if i == 14 { // what a power loss may take begins here, with a mark that no sync precedes
				r.h.add("PING")
			}
			r.h.add("SET", fmt.Sprint("key:", 10+i), strings.Repeat("v", 90))
			if i == 12 {
				r.h.add("MULTI")
				r.h.add("INCR", "n")
				r.h.add("EXEC")
			}
			r.feed()
			pass(time.Second)
			if i%2 == 1 && i < 14 {
				require.NoError(t, r.l.onTick())
			}
			if len(r.seen().rotated) == 2 {
				r.l.opt.IncrementBytes = 1 << 20
			}
		}
		require.Equal(t, damageLast, r.l.inc.name)
		files, h = tree(t, r.fs, rigDir), r.h
		require.NoError(t, r.l.Close())
	})
	return files, h
}

// damaged is what one kind of damage does to the files.
type damaged struct {
	name   string
	change func(files map[string]string)
}

// edit changes one file of the AOF directory.
func edit(name string, f func(string) string) func(map[string]string) {
	return func(files map[string]string) {
		path := rigDir + "/appendonlydir/" + name
		files[path] = f(files[path])
	}
}

func missingFile(name string) func(map[string]string) {
	return func(files map[string]string) { delete(files, rigDir+"/appendonlydir/"+name) }
}

// at returns a place in a file: its head, its middle, its tail.
func places(size int) map[string]int {
	return map[string]int{"head": 3, "middle": size / 2, "tail": size - 4}
}

// generalDamage is what can happen to any file.
func generalDamage(files map[string]string) []damaged {
	var list []damaged
	for _, name := range []string{damageBase, damageFirst, damageSecond, damageLast, damageMan} {
		size := len(files[rigDir+"/appendonlydir/"+name])
		for place, at := range places(size) {
			list = append(list,
				damaged{fmt.Sprintf("%s: bit flipped at %s", name, place), edit(name, func(s string) string {
					return s[:at] + string(s[at]^1) + s[at+1:]
				})},
				damaged{fmt.Sprintf("%s: cut at %s", name, place), edit(name, func(s string) string { return s[:at] })},
				damaged{fmt.Sprintf("%s: zeros from %s", name, place), edit(name, func(s string) string {
					n := min(16, len(s)-at)
					return s[:at] + strings.Repeat("\x00", n) + s[at+n:]
				})},
			)
		}
		list = append(list,
			damaged{name + ": empty", edit(name, func(string) string { return "" })},
			damaged{name + ": missing", missingFile(name)},
			damaged{name + ": zeros appended", edit(name, func(s string) string { return s + strings.Repeat("\x00", 40) })},
			damaged{name + ": text appended", edit(name, func(s string) string { return s + "garbage" })},
		)
	}
	return list
}

// before puts text before the n-th occurrence of sub, counted from the end if n < 0.
func before(sub string, n int, text string) func(string) string {
	return func(s string) string {
		at := 0
		if n > 0 {
			for ; n > 0; n-- {
				at += strings.Index(s[at:], sub) + len(sub)
			}
			at -= len(sub)
		} else {
			for at = len(s); n < 0; n++ {
				at = strings.LastIndex(s[:at], sub)
			}
		}
		return s[:at] + text + s[at:]
	}
}

const setCommand = "*3\r\n$3\r\nSET\r\n"

// ownDamage is what only increments of ours can suffer.
func ownDamage(h *history) []damaged {
	other := strings.Repeat("e5", 20)
	swap := func(files map[string]string) {
		dir := rigDir + "/appendonlydir/"
		files[dir+damageFirst], files[dir+damageSecond] = files[dir+damageSecond], files[dir+damageFirst]
	}
	markAt := func(off stream.Offset, ms int64, durable stream.Offset) string {
		return string(stream.Mark{Position: stream.Position{ReplID: h.id, Offset: off}, UnixMilli: ms, Durable: durable}.AppendCommand(nil))
	}
	const now = 946684815000
	list := []damaged{
		{"nothing", func(map[string]string) {}},
		{"increments swapped", swap},
		{"increment of another history", edit(damageSecond, func(s string) string { return strings.ReplaceAll(s, h.id.String(), other) })},
		{"open increment, among what is durable: another command for EXEC", edit(damageLast, func(s string) string {
			return strings.Replace(s, "EXEC", "EXES", 1)
		})},
		{"hole in the chain", edit(damageMan, func(s string) string {
			return strings.Join(slices.DeleteFunc(strings.SplitAfter(s, "\n"), func(l string) bool { return strings.Contains(l, damageSecond) }), "")
		})},
		{"no timeline in manifest and lock file", func(files map[string]string) {
			delete(files, rigDir+"/aofsidecar.lock")
			edit(damageMan, func(s string) string { return strings.Replace(s, " timeline 946684800-a1a1a1a1", "", 1) })(files)
		}},
		{"no timeline in the manifest", edit(damageMan, func(s string) string { return strings.Replace(s, " timeline 946684800-a1a1a1a1", "", 1) })},
		{"lock file missing", func(files map[string]string) { delete(files, rigDir+"/aofsidecar.lock") }},
		{"lock file is garbage", func(files map[string]string) { files[rigDir+"/aofsidecar.lock"] = "{\"boot" }},
		{"temporary file of ours", func(files map[string]string) { files[rigDir+"/appendonlydir/temp-aofsidecar-x"] = "x" }},
		{"temporary file of a server", func(files map[string]string) { files[rigDir+"/appendonlydir/temp-appendonly.aof.manifest"] = "x" }},
		{"manifest and all but the first files missing", func(files map[string]string) {
			for _, name := range []string{damageMan, damageSecond, damageLast} {
				missingFile(name)(files)
			}
		}},
	}
	for _, where := range []struct {
		name string
		file string
		n    int
	}{
		{"closed increment", damageSecond, 2},
		{"open increment, among what is durable", damageLast, 2},
		{"open increment, behind the last mark", damageLast, -1},
	} {
		for what, text := range map[string]string{
			"mark with a lower offset":     markAt(h.start, now, h.start),
			"mark from the past":           markAt(h.end(), 946684800000-1, h.start),
			"mark that proves the future":  markAt(h.end(), now, h.end()+1),
			"nested MULTI":                 "*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nMULTI\r\n",
			"EXEC without MULTI":           "*1\r\n$4\r\nEXEC\r\n",
			"MULTI without EXEC":           "*1\r\n$5\r\nMULTI\r\n",
			"bare newline":                 "\r\n",
			"inline command":               "SET a b\r\n",
			"command longer than the file": "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$400000\r\n",
		} {
			list = append(list, damaged{where.name + ": " + what, edit(where.file, before(setCommand, where.n, text))})
		}
	}
	return list
}

// put makes a file system that holds files, all of it durable.
func put(t require.TestingT, files map[string]string) *fsxtest.FS {
	fsys := fsxtest.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		require.NoError(t, fsx.MkdirAllDurable(fsys, path.Dir(name), dirMode))
		require.NoError(t, fsx.ReplaceFile(fsys, name, []byte(files[name]), fileMode))
	}
	return fsys
}

// TestDamage compares what Open (with proofs only, and with trust), Verify and Fix say of each kind of damage with the table in
// testdata, and requires of each: errors are typed and name a file below the directory; who is refused finds every byte
// where it was; who is not refused can go on.
func TestDamage(t *testing.T) {
	sound, h := soundChain(t)
	var table bytes.Buffer
	list := append(ownDamage(h), generalDamage(sound)...)
	slices.SortFunc(list, func(a, b damaged) int { return strings.Compare(a.name, b.name) })
	for _, d := range list {
		files := maps.Clone(sound)
		d.change(files)
		fmt.Fprintln(&table, d.name)
		writeResults(&table, []result{
			{"open", openDamaged(t, h, put(t, files), FsyncEverySec, d.name)},
			{"open after a reboot", openDamaged(t, h, put(t, files).CrashClone(fsxtest.Reboot{}), FsyncNo, d.name)},
			{"open in the same boot under no", openDamaged(t, h, put(t, files), FsyncNo, d.name)},
			{"verify", verifyDamaged(t, put(t, files))},
			{"fix", fixDamaged(t, put(t, files), d.name)},
		})
	}
	golden := filepath.Join("testdata", "damage.txt")
	if os.Getenv(updateEnv) != "" {
		require.NoError(t, os.WriteFile(golden, table.Bytes(), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), table.String(), "if this is meant: %s=1 go test -run TestDamage ./aof", updateEnv)
}

// result is what one operation said.
type result struct{ who, says string }

// writeResults writes one line for those that said the same.
func writeResults(w *bytes.Buffer, list []result) {
	for i, r := range list {
		if slices.ContainsFunc(list[:i], func(o result) bool { return o.says == r.says }) {
			continue
		}
		var who []string
		for _, o := range list[i:] {
			if o.says == r.says {
				who = append(who, o.who)
			}
		}
		fmt.Fprintf(w, "    %s: %s\n", strings.Join(who, ", "), r.says)
	}
}

func openDamaged(t *testing.T, h *history, fsys *fsxtest.FS, policy Policy, name string) string {
	t.Helper()
	before := tree(t, fsys, rigDir)
	var rec Recovery
	opt := Options{Dir: rigDir, FS: fsys, Fsync: policy, Observer: Observer{Recovered: func(r Recovery) { rec = r }}}
	l, err := Open(t.Context(), opt)
	if err != nil {
		delete(before, rigDir+"/aofsidecar.lock")
		after := tree(t, fsys, rigDir)
		delete(after, rigDir+"/aofsidecar.lock")
		requireTree(t, before, after)
		return describe(t, err)
	}
	pos, _, err := l.Resume()
	require.NoError(t, err, name)
	if pos.IsZero() {
		require.NoError(t, l.Close(), name)
		return "empty"
	}
	require.True(t, h.knows(pos), "%s: %s", name, pos)
	require.NoError(t, l.Continue(t.Context(), pos.ReplID), name)
	require.NoError(t, feeder{h: h}.feed(t.Context(), l, pos.Offset, h.end()), name)
	require.NoError(t, l.Close(), name)
	return fmt.Sprintf("at %d, tail %d, torn %d", pos.Offset, rec.Tail, rec.Torn)
}

func verifyDamaged(t *testing.T, fsys *fsxtest.FS) string {
	t.Helper()
	before := tree(t, fsys, rigDir)
	rep, err := Verify(t.Context(), Options{Dir: rigDir, FS: fsys})
	requireTree(t, before, tree(t, fsys, rigDir))
	if err != nil {
		return describe(t, err)
	}
	return fmt.Sprintf("ends at %d, torn %d", rep.Position.Offset, rep.Torn)
}

func fixDamaged(t *testing.T, fsys *fsxtest.FS, name string) string {
	t.Helper()
	before := tree(t, fsys, rigDir)
	opt := Options{Dir: rigDir, FS: fsys}
	cut, err := Fix(t.Context(), opt)
	if err != nil {
		after := tree(t, fsys, rigDir)
		delete(before, rigDir+"/aofsidecar.lock")
		delete(after, rigDir+"/aofsidecar.lock")
		requireTree(t, before, after)
		return describe(t, err)
	}
	rep, err := Verify(t.Context(), opt)
	require.NoError(t, err, name)
	require.Zero(t, rep.Torn, name)
	return fmt.Sprintf("cut %d", cut)
}

// describe names the kind of an error and what it says.
func describe(t *testing.T, err error) string {
	t.Helper()
	var (
		corrupt *CorruptError
		notOurs *NotOursError
	)
	switch {
	case errors.As(err, &corrupt):
		require.True(t, strings.HasPrefix(corrupt.Path, rigDir+"/"), corrupt.Path)
		require.GreaterOrEqual(t, corrupt.Offset, int64(0))
		return fmt.Sprintf("corrupt %s @%d: %s", strings.TrimPrefix(corrupt.Path, rigDir+"/appendonlydir/"), corrupt.Offset, corrupt.What)
	case errors.As(err, &notOurs):
		return "not ours: " + notOurs.What
	case errors.Is(err, os.ErrNotExist):
		return "no manifest"
	default:
		require.Fail(t, "an untyped error", "%v", err)
		return ""
	}
}
