package rdb_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// What a test does with an item.
const (
	skipped = iota
	copied
	copiedInRuns
)

// copyItems does with each item what do says, and returns what was written, and the last error. Items that are copied in runs go to the writer of
// those that are copied one by one, so that their order shows.
func copyItems(r *rdb.Reader, do func(i int, it *rdb.Item) int) (string, error) {
	var out bytes.Buffer
	for i := 0; ; i++ {
		it, err := r.Next()
		if err != nil {
			return out.String(), err
		}
		switch do(i, &it) {
		case copied:
			err = r.CopyRaw(&out)
		case copiedInRuns:
			err = r.CopyRun(&out)
		}
		if err != nil {
			return out.String(), err
		}
	}
}

// goldens returns the files of real servers, and one that does not fit into a block.
func goldens(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.rdb")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	all := map[string]string{"small strings": smallStrings()}
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		all[name] = string(data)
	}
	var b strings.Builder
	b.WriteString("REDIS0011")
	for i := range 40 {
		b.WriteString("\x00" + str(fmt.Sprintf("key:%d", i)) + str(strings.Repeat("v", i*i*300)))
	}
	all["large strings"] = sealed(b.String())
	return all
}

// TestCopyRun wants the same bytes from runs as from single items, whatever is between them, however the input comes, and whoever reads it.
func TestCopyRun(t *testing.T) {
	wraps := map[string]func(io.Reader) io.Reader{
		"as it is": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "bytes": iotest.OneByteReader, "data with the end": iotest.DataErrReader,
	}
	for name, in := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			for wrap, wrapped := range wraps {
				if wrap != "as it is" && len(in) > 1<<20 {
					continue
				}
				for seed := range uint64(2) {
					pick := func(runs bool) func(int, *rdb.Item) int {
						rng := rand.New(rand.NewPCG(seed, 1))
						return func(int, *rdb.Item) int {
							switch n := rng.IntN(20); {
							case n == 0:
								return skipped
							case n == 1 || !runs:
								return copied
							default:
								return copiedInRuns
							}
						}
					}
					r, err := rdb.NewReader(strings.NewReader(in))
					require.NoError(t, err)
					want, end := copyItems(r, pick(false))
					require.Equal(t, io.EOF, end)
					for _, open := range []func(io.Reader) (*rdb.Reader, error){rdb.NewReader, rdb.NewReaderAhead} {
						r, err := open(wrapped(strings.NewReader(in)))
						require.NoError(t, err)
						got, end := copyItems(r, pick(true))
						require.Equal(t, io.EOF, end)
						require.Zero(t, strings.Compare(want, got), wrap)
						require.Equal(t, int64(len(in)), r.Offset())
						require.True(t, r.Checksummed())
						r.Close()
						r.Close()
					}
				}
			}
		})
	}
}

// TestReaderAheadRefuses wants the error that a Reader has which reads itself, wherever a byte is wrong or the end is missing.
func TestReaderAheadRefuses(t *testing.T) {
	in := readGolden(t, "redis-7.0.rdb")
	requireSame := func(in, again io.Reader) {
		skip := func(int, *rdb.Item) int { return skipped }
		var want, got error
		r, want := rdb.NewReader(in)
		if want == nil {
			_, want = copyItems(r, skip)
		}
		r, got = rdb.NewReaderAhead(again)
		if got == nil {
			_, got = copyItems(r, skip)
			r.Close()
		}
		require.Equal(t, want, got)
	}
	for i := 0; i < len(in); i += 41 {
		damaged := []byte(in)
		damaged[i] ^= 0x10
		requireSame(bytes.NewReader(damaged), bytes.NewReader(damaged))
		requireSame(strings.NewReader(in[:i]), strings.NewReader(in[:i]))
		if i%50 == 0 {
			requireSame(bytes.NewReader(damaged), iotest.OneByteReader(bytes.NewReader(damaged)))
			broken := errors.New("broken")
			requireSame(io.MultiReader(strings.NewReader(in[:i]), iotest.ErrReader(broken)), io.MultiReader(strings.NewReader(in[:i]), iotest.ErrReader(broken)))
		}
	}
	requireSame(emptyReader{}, emptyReader{})
}

// TestReaderAheadIsGivenUp ends it before, while and after the input is read; that no goroutine is left tells TestMain.
func TestReaderAheadIsGivenUp(t *testing.T) {
	in := smallStrings()
	for _, items := range []int{0, 1, 100_000} {
		r, err := rdb.NewReaderAhead(strings.NewReader(in))
		require.NoError(t, err)
		for range items {
			_, err := r.Next()
			require.NoError(t, err)
		}
		r.Close()
	}
}

// TestCopyRunReportsWriteError at the item where it shows, or at the end.
func TestCopyRunReportsWriteError(t *testing.T) {
	in, broken := smallStrings(), errors.New("broken")
	for _, room := range []int{0, 100_000, len(in) - 100} {
		r, err := rdb.NewReaderAhead(strings.NewReader(in))
		require.NoError(t, err)
		out := &fullWriter{room: room, err: broken}
		for err == nil {
			if _, err = r.Next(); err == nil {
				err = r.CopyRun(out)
			}
		}
		require.ErrorIs(t, err, broken)
		require.ErrorIs(t, r.FlushRun(), broken)
		r.Close()
	}
}

// TestWriterBehind wants the bytes that a Writer writes which does it itself.
func TestWriterBehind(t *testing.T) {
	fill := func(w *rdb.Writer) error {
		rng := rand.New(rand.NewPCG(3, 4))
		for i := range 60 {
			if err := errors.Join(w.SelectDB(i/20), w.Aux("name", "value")); err != nil {
				return err
			}
			body := rdb.AppendLength(nil, 40_000)
			for range 40_000 {
				body = append(body, byte(rng.Uint32()))
			}
			if err := w.Key(rdb.TypeString, rdb.Attributes{}, []byte(fmt.Sprint(i)), body); err != nil {
				return err
			}
		}
		return errors.Join(w.Function(bytes.Repeat([]byte("f"), 1<<20)), w.Close())
	}
	var want, got bytes.Buffer
	w := rdb.NewWriter(&want, redis12)
	require.NoError(t, fill(w))
	require.Equal(t, int64(want.Len()), w.Bytes())
	w = rdb.NewWriterBehind(&got, redis12)
	require.NoError(t, fill(w))
	require.Equal(t, int64(want.Len()), w.Bytes())
	require.True(t, bytes.Equal(want.Bytes(), got.Bytes()))
	_, err := rdb.Check(&got)
	require.NoError(t, err)
	require.Error(t, w.SelectDB(7), "it is closed")

	broken := errors.New("broken")
	for _, room := range []int{0, 1 << 20, want.Len() - 9, want.Len() - 1} {
		w := rdb.NewWriterBehind(&fullWriter{room: room, err: broken}, redis12)
		require.ErrorIs(t, fill(w), broken, room)
		w.Stop()
	}

	w = rdb.NewWriterBehind(io.Discard, redis12)
	_, err = w.Write(make([]byte, 2<<20))
	require.NoError(t, err)
	w.Stop()
	w.Stop()
	require.Error(t, w.Close())
}
