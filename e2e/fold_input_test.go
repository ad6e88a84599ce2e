package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// recorded is what the sidecar has written since its first snapshot.
type recorded struct {
	base  []byte // the snapshot
	taken int    // bytes of all increments that earlier rounds had
	db    int    // selected behind them
}

// more returns what came behind taken, and counts it as taken.
func (r *recorded) more(t *testing.T, dir string) []byte {
	t.Helper()
	base, log := filesOf(t, dir)
	if r.base == nil {
		r.base = base
	}
	more := log[r.taken:]
	r.taken = len(log)
	return more
}

// rewritten is to be called after the sidecar has rewritten its log while nothing was written: what it has now was taken already. It reports
// whether the new base is an RDB and nothing more.
func (r *recorded) rewritten(t *testing.T, dir string) bool {
	t.Helper()
	base, log := filesOf(t, dir)
	r.taken, r.db = len(log), 0
	r.split(t, log, 1, nil)
	return isRDB(base) && !bytes.HasSuffix(base, []byte("\r\n"))
}

// filesOf returns the base and all increments of a directory.
func filesOf(t *testing.T, dir string) (base, log []byte) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copied")
	require.NoError(t, testenv.CopyLive(t.Context(), filepath.Join(dir, "appendonlydir"), copied))
	manifest, err := os.ReadFile(filepath.Join(copied, "appendonly.aof.manifest"))
	require.NoError(t, err)
	for line := range strings.Lines(string(manifest)) {
		words := strings.Fields(line)
		if len(words) < 6 || words[0] != "file" || words[5] == "h" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(copied, words[1]))
		require.NoError(t, err)
		if words[5] == "b" {
			base = data
		} else {
			log = append(log, data...)
		}
	}
	return base, log
}

// split cuts commands at random places that are in no transaction into at most n files, each of which begins with a SELECT.
func (r *recorded) split(t *testing.T, data []byte, n int, rng *rand.Rand) [][]byte {
	t.Helper()
	type cut struct{ at, db int }
	cuts := []cut{{0, r.db}}
	rd := resp.NewReader(bytes.NewReader(data))
	multi := false
	for {
		cmd, err := rd.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch cmd.Kind {
		case resp.Select:
			r.db, err = strconv.Atoi(string(cmd.Args[1]))
			require.NoError(t, err)
		case resp.Multi:
			multi = true
		case resp.Exec:
			multi = false
		case resp.Other, resp.Ping, resp.Replconf, resp.Publish, resp.ClusterOther, resp.Newline, resp.Annotation:
		}
		if !multi {
			cuts = append(cuts, cut{int(cmd.End), r.db})
		}
	}
	require.False(t, multi, "the recorded log ends in a transaction")
	chosen := []cut{cuts[0]}
	for range n - 1 {
		chosen = append(chosen, cuts[rng.IntN(len(cuts))])
	}
	slices.SortStableFunc(chosen, func(a, b cut) int { return a.at - b.at })
	chosen = append(chosen, cut{at: len(data)})
	var files [][]byte
	for i := range n {
		file := resp.AppendCommandStrings(nil, "SELECT", strconv.Itoa(chosen[i].db))
		files = append(files, append(file, data[chosen[i].at:chosen[i+1].at]...))
	}
	return files
}

// stranger begins the names that the servers of a test give to some commands, so that nobody but they knows them.
const stranger = "ZZ."

// strangerKeys says which keys these commands have, as the upstream's COMMAND INFO would.
func strangerKeys(args [][]byte) ([][]byte, bool) {
	name := strings.ToUpper(string(args[0]))
	switch {
	case !strings.HasPrefix(name, stranger):
		return nil, false
	case strings.HasSuffix(name, "SMOVE"):
		return args[1:3], true
	default:
		return args[1:2], true
	}
}

// markTime returns the time that a mark of the log states.
func markTime(args [][]byte) (int64, bool) {
	if len(args) != 2 || !bytes.HasPrefix(args[1], []byte("#pos ")) {
		return 0, false
	}
	words := bytes.Fields(args[1])
	if len(words) != 5 {
		return 0, false
	}
	ms, err := strconv.ParseInt(string(words[3]), 10, 64)
	return ms, err == nil
}

// foldFiles folds in memory.
func foldFiles(ctx context.Context, family testenv.Family, opt fold.Options, base []byte, files ...[]byte) ([]byte, fold.Result, error) {
	in := fold.Input{Base: fold.Source{Name: "base", R: bytes.NewReader(base), Size: int64(len(base))}}
	for i, file := range files {
		in.Increments = append(in.Increments, fold.Source{Name: fmt.Sprintf("increment %d", i), R: bytes.NewReader(file), Size: int64(len(file))})
	}
	opt.Table, opt.Keys, opt.Time, opt.Server = keyspace.NewTable(), strangerKeys, markTime, family.Version.String()
	opt.Aux = [][2]string{{"aof-base", "1"}}
	var out bytes.Buffer
	res, err := fold.Fold(ctx, in, &out, opt)
	return out.Bytes(), res, err
}

// layOut writes a directory with a base and increments, as servers name them, and returns it.
func layOut(t *testing.T, base []byte, increments ...[]byte) string {
	t.Helper()
	dir := t.TempDir()
	files := filepath.Join(dir, "appendonlydir")
	require.NoError(t, os.Mkdir(files, 0o755))
	put := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(files, name), data, 0o644))
	}
	name := "appendonly.aof.1.base.aof"
	if isRDB(base) {
		name = "appendonly.aof.1.base.rdb"
	}
	put(name, base)
	manifest := fmt.Sprintf("file %s seq 1 type b\n", name)
	for i, data := range increments {
		name := fmt.Sprintf("appendonly.aof.%d.incr.aof", i+1)
		put(name, data)
		manifest += fmt.Sprintf("file %s seq %d type i\n", name, i+1)
	}
	put("appendonly.aof.manifest", []byte(manifest))
	return dir
}

// isRDB reports whether a base begins as an RDB.
func isRDB(base []byte) bool {
	return bytes.HasPrefix(base, []byte("REDIS")) || bytes.HasPrefix(base, []byte("VALKEY"))
}
