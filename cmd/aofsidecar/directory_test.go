package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// emptyRDB is the smallest snapshot: version 11, no keys, no checksum.
const emptyRDB = "REDIS0011\xff\x00\x00\x00\x00\x00\x00\x00\x00"

// directoryOf makes a log whose stream begins at offset 100 and holds the commands given.
func directoryOf(t *testing.T, commands ...[]string) (dir string, end stream.Offset) {
	t.Helper()
	dir = t.TempDir()
	log, err := aof.Open(t.Context(), aof.Options{Dir: dir})
	require.NoError(t, err)
	id, err := stream.ParseReplID(strings.Repeat("ab", 20))
	require.NoError(t, err)
	_, err = log.FullResync(t.Context(), stream.Snapshot{Position: stream.Position{ReplID: id, Offset: 100}, Bytes: int64(len(emptyRDB))},
		strings.NewReader(emptyRDB))
	require.NoError(t, err)
	var data []byte
	for _, args := range commands {
		data = resp.AppendCommandStrings(data, args...)
	}
	run := stream.Run{Data: data, Boundary: int64(len(data)), Whole: true, UnixMilli: 1_795_000_000_000}
	require.NoError(t, log.Append(t.Context(), &run))
	require.NoError(t, log.Close())
	return dir, 100 + stream.Offset(len(data))
}

// runCommand runs one command line.
func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(args, &out, &errs)
	return code, out.String(), errs.String()
}

func incrementOf(dir string) string {
	return filepath.Join(dir, "appendonlydir", "appendonly.aof.1.incr.aof")
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestVerifyCommand(t *testing.T) {
	dir, end := directoryOf(t, []string{"SET", "a", "1"}, []string{"INCR", "a"})
	code, out, errs := runCommand(t, "verify", dir)
	require.Zero(t, code, errs)
	require.Contains(t, out, fmt.Sprintf("position   %s:%d", strings.Repeat("ab", 20), end))
	require.Contains(t, out, "sound")

	code, out, _ = runCommand(t, "verify", "--json", dir)
	require.Zero(t, code)
	var result verification
	require.NoError(t, json.Unmarshal([]byte(out), &result))
	require.Equal(t, fmt.Sprintf("%s:%d", strings.Repeat("ab", 20), end), result.Position)
	require.Len(t, result.Increments, 1)

	code, _, errs = runCommand(t, "verify", t.TempDir())
	require.Equal(t, exitNothing, code)
	require.Contains(t, errs, "Try:")
}

func TestVerifyFixCutsATornTailAndNothingElse(t *testing.T) {
	dir, _ := directoryOf(t, []string{"SET", "a", "1"})
	sound, err := os.ReadFile(incrementOf(dir))
	require.NoError(t, err)
	const torn = "*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\n"
	appendTo(t, incrementOf(dir), torn)

	code, out, _ := runCommand(t, "verify", dir)
	require.Zero(t, code, "a torn tail is what a crash leaves")
	require.Contains(t, out, fmt.Sprintf("%d torn bytes", len(torn)))

	code, out, errs := runCommand(t, "verify", "--fix", dir)
	require.Zero(t, code, errs)
	require.Contains(t, out, "were cut")
	got, err := os.ReadFile(incrementOf(dir))
	require.NoError(t, err)
	require.Equal(t, sound, got)

	code, _, errs = runCommand(t, "verify", "--fix", dir)
	require.Zero(t, code, errs)
}

func TestVerifyNamesDamage(t *testing.T) {
	dir, _ := directoryOf(t, []string{"SET", "a", "1"}, []string{"SET", "b", "2"})
	data, err := os.ReadFile(incrementOf(dir))
	require.NoError(t, err)
	at := bytes.Index(data, []byte("$1\r\nb"))
	data[at] = '!'
	require.NoError(t, os.WriteFile(incrementOf(dir), data, 0o600))
	code, _, errs := runCommand(t, "verify", dir)
	require.Equal(t, exitCorrupt, code)
	require.Contains(t, errs, incrementOf(dir))
	require.Contains(t, errs, fmt.Sprintf("byte %d", at))
}

func TestVerifyFixNeedsTheDirectoryToItself(t *testing.T) {
	dir, _ := directoryOf(t, []string{"SET", "a", "1"})
	log, err := aof.Open(t.Context(), aof.Options{Dir: dir})
	require.NoError(t, err)
	code, _, errs := runCommand(t, "verify", "--fix", dir)
	require.Equal(t, exitHeld, code, errs)
	code, _, errs = runCommand(t, "verify", dir)
	require.Zero(t, code, errs)
	require.NoError(t, log.Close())
}

func TestInspectCommand(t *testing.T) {
	dir, end := directoryOf(t,
		[]string{"SET", "a", "1"}, []string{"SELECT", "3"}, []string{"FLUSHALL"}, []string{"SET", "bin\x00\xff", strings.Repeat("v", 500)})
	_, out, errs := runCommand(t, "inspect", dir)
	require.Empty(t, errs)
	require.Contains(t, out, "manifest  file appendonly.aof.1.base.rdb")
	require.Regexp(t, `(?m)^\d+  -  db0  select  SELECT "0"$`, out, "no mark is above the first entry")
	require.Contains(t, out, `SET "a" "1"`)
	require.Contains(t, out, `"bin\x00\xff"`)
	require.Contains(t, out, "more bytes)")

	_, out, _ = runCommand(t, "inspect", "--command", "flushall", dir)
	require.Contains(t, out, "db3  FLUSHALL")
	require.NotContains(t, out, `SET "a"`)

	_, out, _ = runCommand(t, "inspect", dir, "--key", "a")
	require.Contains(t, out, `SET "a" "1"`)
	require.NotContains(t, out, "FLUSHALL")

	_, out, _ = runCommand(t, "inspect", "--from", fmt.Sprint(end), dir)
	require.NotContains(t, out, "FLUSHALL")
	require.Contains(t, out, `"bin\x00\xff"`)

	_, out, _ = runCommand(t, "inspect", "--to", "2000-01-01T00:00:00Z", dir)
	require.NotContains(t, out, "FLUSHALL")

	code, _, errs := runCommand(t, "inspect", "--from", "yesterday", dir)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "--from")
}

func TestInspectJSON(t *testing.T) {
	dir, end := directoryOf(t, []string{"SET", "a", "1"}, []string{"SET", "bin\xff", "x"})
	code, out, errs := runCommand(t, "inspect", "--json", dir)
	require.Zero(t, code, errs)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var manifest manifestLine
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &manifest))
	require.Equal(t, "manifest", manifest.Kind)
	var entries []entryLine
	for _, line := range lines[1:] {
		var e entryLine
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		entries = append(entries, e)
	}
	require.Equal(t, aof.EntrySelect, entries[0].Kind)
	require.Equal(t, aof.EntryMark, entries[1].Kind)
	require.Equal(t, []string{"SET", "a", "1"}, entries[2].Args)
	require.Equal(t, []byte("bin\xff"), entries[3].ArgsBase64[1])
	require.Equal(t, end, entries[3].Offset)
	last := entries[len(entries)-1]
	require.Equal(t, aof.EntryMark, last.Kind)
	require.Equal(t, int64(end), *last.Durable)
}
