package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// reach says what of the upstream's stream a directory has.
type reach struct {
	base string // its file's name; empty: there is no log
	// at is the offset before which everything is there.
	at int64
	// lost is the end of the first command that is not there, of those that belong into the file.
	lost int64
}

// has reports whether everything up to an offset is there.
func (r reach) has(offset int64) bool { return offset == 0 || offset < r.lost }

// reachOf reads the manifest and compares the increments, byte for byte, with what the upstream sent, up to the first difference. What the
// base has is not looked at. atLeast: an offset that the upstream has sent.
func reachOf(t *testing.T, image *fsxtest.FS, dir string, sent *testenv.Recording, atLeast int64) reach {
	t.Helper()
	manifest, err := contentOf(image, path.Join(dir, "appendonly.aof.manifest"))
	if errors.Is(err, fs.ErrNotExist) {
		return reach{}
	}
	require.NoError(t, err)
	var r reach
	var increments []string
	for line := range strings.Lines(string(manifest)) {
		fields := strings.Fields(line) // file <name> seq <n> type <t> ...
		require.GreaterOrEqual(t, len(fields), 6, "%q", line)
		switch fields[5] {
		case "b":
			r.base = fields[1]
		case "i":
			if len(increments) == 0 {
				require.Equal(t, "startoffset", fields[6], "%q", line)
				r.at, err = strconv.ParseInt(fields[7], 10, 64)
				require.NoError(t, err)
			}
			increments = append(increments, fields[1])
		}
	}
	require.NotEmpty(t, increments, "%s", manifest)
	stream := &expected{rest: sent.Stream(t, r.at, max(atLeast, r.at)), at: r.at}
	for _, name := range increments {
		data, err := contentOf(image, path.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) || !stream.compare(data) {
			break
		}
		require.NoError(t, err)
	}
	r.at, r.lost = stream.next()
	return r
}

func contentOf(image *fsxtest.FS, name string) ([]byte, error) {
	f, err := image.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("read what is left: %w", err)
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

// expected is the stream that is not found yet.
type expected struct {
	rest []byte
	at   int64
}

// next goes on to the next command that belongs into a file, and returns where it begins and ends.
func (e *expected) next() (begin, end int64) {
	for {
		n, name := testenv.Command(e.rest)
		if n == 0 {
			return e.at, math.MaxInt64 // it had not been sent whole
		}
		if !leftOut(name, e.rest[:n]) {
			return e.at, e.at + int64(n)
		}
		e.rest, e.at = e.rest[n:], e.at+int64(n)
	}
}

// compare takes from the stream what the increment has of it, and reports whether that was all of the increment.
func (e *expected) compare(increment []byte) bool {
	for first := true; len(increment) > 0; first = false {
		n, name := testenv.Command(increment)
		switch {
		case n == 0:
			return false
		case name == "PING", first && name == "SELECT": // of the sidecar's own
			increment = increment[n:]
			continue
		}
		if _, end := e.next(); int64(n) != end-e.at || !bytes.Equal(increment[:n], e.rest[:n]) {
			return false
		}
		e.rest, e.at, increment = e.rest[n:], e.at+int64(n), increment[n:]
	}
	return true
}
