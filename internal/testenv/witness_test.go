package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func command(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return b.String()
}

const firstReplID = "1111111111111111111111111111111111111111"

func posMark(offset int) string {
	return command("PING", fmt.Sprintf("#pos %s %d 1700000000000", firstReplID, offset))
}

// What a Witness does not see would not be seen by the tests that believe it: a log that lost, changed or made up something fails, and so does a process that says what it should not.
func TestWitnessSees(t *testing.T) {
	one, ping, two := command("SET", "a", "1"), command("PING"), command("SET", "b", "2")
	stream := one + ping + two
	begin, end := 100, 100+len(stream)
	head := command("SELECT", "0")
	all := head + posMark(begin) + one + posMark(begin+len(one+ping)) + two

	for name, tc := range map[string]struct {
		log  []string // increments
		said string   // by the sidecar, behind a FACK of all
		want string   // part of the error
		end  int
	}{
		"all there":                {log: []string{all}, end: end},
		"two increments":           {log: []string{head + posMark(begin) + one, head + posMark(begin+len(one)) + two}, end: end},
		"torn mark":                {log: []string{all + posMark(end)[:20]}, end: end},
		"no log":                   {want: "no log is left"},
		"no mark":                  {log: []string{head}, want: "no mark"},
		"end is lost":              {log: []string{strings.TrimSuffix(all, two)}, want: "the log ends at"},
		"end is torn":              {log: []string{all[:len(all)-1]}, want: "the log ends at"},
		"torn in the middle":       {log: []string{all[:len(all)-1], head + posMark(end)}, want: "a closed increment ends"},
		"zeros at the end":         {log: []string{all + "\x00\x00"}, want: "where the upstream sent"},
		"a command is lost":        {log: []string{head + posMark(begin) + two}, want: "where the upstream sent"},
		"a byte is wrong":          {log: []string{strings.Replace(all, "$1\r\n1", "$1\r\n3", 1)}, want: "where the upstream sent"},
		"twice":                    {log: []string{all + two}, want: "where the upstream sent"},
		"mark is wrong":            {log: []string{all + posMark(end+1)}, want: "where the stream is at"},
		"mark of something else":   {log: []string{strings.ReplaceAll(all, "111", "222")}, want: "of another history"},
		"FACK goes back":           {log: []string{all}, said: command("REPLCONF", "ACK", "100", "FACK", "100"), want: "FACK 100 after"},
		"FACK of the future":       {log: []string{all}, said: command("REPLCONF", "ACK", "900", "FACK", "900"), want: "never sent"},
		"asks for what is to come": {log: []string{all}, said: command("PSYNC", firstReplID, fmt.Sprint(end+2)), want: "never sent"},
		"asks for all anew":        {log: []string{all}, said: command("PSYNC", "?", "-1"), want: "PSYNC"},
		"asks for what follows":    {log: []string{all}, said: command("PSYNC", firstReplID, fmt.Sprint(end+1)), end: end},
	} {
		t.Run(name, func(t *testing.T) {
			w := new(Witness)
			d := &dialogue{w: w, fack: -1}
			for _, c := range command("PSYNC", "?", "-1") { // byte by byte
				d.request([]byte(string(c)))
			}
			mark := strings.Repeat("m", 40)
			for _, c := range fmt.Sprintf("\n+FULLRESYNC %s %d\r\n\n$EOF:%s\r\nREDIS%s%s", firstReplID, begin, mark, mark, stream) {
				d.answer([]byte(string(c)))
			}
			d.request([]byte(command("REPLCONF", "ACK", fmt.Sprint(begin), "FACK", fmt.Sprint(begin))))
			d.request([]byte(command("REPLCONF", "ACK", fmt.Sprint(end), "FACK", fmt.Sprint(end))))
			require.Equal(t, Heard{Full: 1, Facks: 2, Facked: int64(len(stream))}, w.Heard())
			d.request([]byte(tc.said))

			dir := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(dir, appendDir), 0o750))
			var manifest strings.Builder
			for i, text := range tc.log {
				file := fmt.Sprintf("appendonly.aof.%d.incr.aof", i+1)
				fmt.Fprintf(&manifest, "file %s seq %d type i\n", file, i+1)
				require.NoError(t, os.WriteFile(filepath.Join(dir, appendDir, file), []byte(text), 0o600))
			}
			if len(tc.log) > 0 {
				require.NoError(t, os.WriteFile(filepath.Join(dir, appendDir, "appendonly.aof.manifest"), []byte(manifest.String()), 0o600))
			}
			got, err := w.Check(dir)
			if tc.want != "" {
				require.ErrorContains(t, err, tc.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, LogEnd{From: int64(begin), Offset: int64(tc.end), Fack: int64(end)}, got)
		})
	}
}

// A connection that goes on is heard from where it was asked for; what the upstream repeats must be what it sent before.
func TestWitnessFollows(t *testing.T) {
	one, two := command("SET", "a", "1"), command("SET", "b", "2")
	w := new(Witness)
	d := &dialogue{w: w, fack: -1}
	d.request([]byte(command("PSYNC", "?", "-1")))
	d.answer([]byte("+FULLRESYNC " + firstReplID + " 100\r\n$5\r\nREDIS" + one))
	again := func(stream string) {
		d := &dialogue{w: w, fack: -1}
		d.request([]byte(command("PSYNC", firstReplID, "101")))
		d.answer([]byte("+CONTINUE\r\n" + stream))
	}
	again(one + two)
	require.NoError(t, w.Err())
	require.Equal(t, one+two, string(w.named(firstReplID).spanAt(100).behind(100)))
	require.Equal(t, Heard{Full: 1, Partial: 1}, w.Heard())
	again(two)
	require.ErrorContains(t, w.Err(), "other bytes")
}

// Of a directory that was put there nothing was heard, so nothing can be missing from it until something is acknowledged again.
func TestWitnessStartsOver(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, appendDir), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dir, appendDir, "a.1.incr.aof"), []byte(command("SELECT", "0")+posMark(100)), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, appendDir, "a.manifest"), []byte("file a.1.incr.aof seq 1 type i\n"), 0o600))
	w := new(Witness)
	_, err := w.Check(dir)
	require.ErrorContains(t, err, "of another history")
	w.StartOver()
	end, err := w.Check(dir)
	require.NoError(t, err)
	require.Equal(t, LogEnd{Fack: -1}, end)

	other := strings.Repeat("2", len(firstReplID))
	d := &dialogue{w: w, fack: -1}
	d.request([]byte(command("PSYNC", firstReplID, "101")))
	d.answer([]byte("+FULLRESYNC " + other + " 200\r\n$5\r\nREDIS"))
	_, err = w.Check(dir)
	require.NoError(t, err, "the snapshot may be none")
	d.request([]byte(command("REPLCONF", "ACK", "200", "FACK", "200")))
	_, err = w.Check(dir)
	require.ErrorContains(t, err, "of another history")
}

// A PING at the end of what was acknowledged may come again.
func TestWitnessAllowsForWhatIsNoWrite(t *testing.T) {
	one, ping := command("SET", "a", "1"), command("REPLCONF", "GETACK", "*")
	w := new(Witness)
	d := &dialogue{w: w, fack: -1}
	d.request([]byte(command("PSYNC", "?", "-1")))
	d.answer([]byte("+FULLRESYNC " + firstReplID + " 100\r\n$5\r\nREDIS" + one + ping))
	behind := 100 + len(one)
	d.request([]byte(command("REPLCONF", "ACK", "0", "FACK", fmt.Sprint(behind+len(ping)))))
	again := &dialogue{w: w, fack: -1}
	again.request([]byte(command("PSYNC", firstReplID, fmt.Sprint(behind+1))))
	again.answer([]byte("+CONTINUE\r\n" + ping))
	again.request([]byte(command("REPLCONF", "ACK", "0", "FACK", fmt.Sprint(behind))))
	require.NoError(t, w.Err())
	require.Zero(t, w.Heard().Again)

	again.request([]byte(command("PSYNC", firstReplID, "101")))
	again.answer([]byte("+CONTINUE\r\n" + one))
	require.NoError(t, w.Err())
	require.Equal(t, 1, w.Heard().Again)
	require.EqualValues(t, len(one)+len(ping), w.Heard().AgainBytes)
}
