package fold_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// An upstream that is upgraded in place goes on with the log, whose base is of the version before.

// upgraded are commands that the server before does not have, on keys of the base and on new ones.
func upgraded() []string {
	return []string{
		"HSET plain f v", "HSET new f v g w", "HPEXPIREAT new 33177117420000 FIELDS 1 f",
		"SELECT 3", "HSET h f v", "HPEXPIREAT h 33177117420001 FIELDS 1 f", "RENAME h moved", "APPEND s x",
		"SELECT 0", "HSET gone f v", "HPEXPIREAT gone 33177117420002 FIELDS 1 f", "HPERSIST gone FIELDS 1 f",
	}
}

func TestFieldExpiryThatTheBaseCannotState(t *testing.T) {
	base := baseOf(t, "SET untouched 1", "HSET h a b", "SELECT 3", "SET s 1")
	increment := commandsOf(upgraded()...)
	res, once := requireFold(t, base, fold.Options{}, increment)
	require.Equal(t, format, res.Format)
	require.EqualValues(t, 2, res.Carried)
	require.Equal(t, map[string]int64{"(field expiry)": 2}, res.Unknown)
	require.Positive(t, res.CarriedBytes)

	// Again and again: what is carried does not grow.
	more := commandsOf("HSET new h x", "HDEL new h")
	next, twice := requireFold(t, once, fold.Options{}, more)
	require.EqualValues(t, 2, next.Carried)
	require.Equal(t, res.CarriedBytes, next.CarriedBytes)
	// Beside commands that are carried for other reasons.
	requireFold(t, twice, fold.Options{}, commandsOf("M.X untouched 1", "SWAPDB 0 3", "HSET moved z 1"))

	// As commands there is nothing that cannot be stated.
	res, _ = requireFold(t, twice, fold.Options{NoPreamble: true}, increment)
	require.Zero(t, res.Carried)
	// And in the upstream's format neither.
	for _, upstream := range []rdb.Format{{Version: 12}, {Dialect: rdb.Valkey, Version: 80}} {
		res, _ = requireFold(t, twice, fold.Options{Upstream: upstream}, increment)
		require.Equal(t, upstream, res.Format)
		require.Zero(t, res.Carried)
	}
	res, _ = requireFold(t, twice, fold.Options{Upstream: rdb.Format{Version: 10}}, increment)
	require.Equal(t, format, res.Format, "the format never gets older")
}

func TestCarryOfFieldExpiryIsBounded(t *testing.T) {
	in := fold.Input{Base: source("base", baseOf(t)), Increments: []fold.Source{source("increment", commandsOf(upgraded()...))}}
	_, err := fold.Fold(t.Context(), in, &bytes.Buffer{}, fold.Options{Table: keyspace.NewTable(), MaxCarry: 20})
	cannot := (*fold.CannotError)(nil)
	require.ErrorAs(t, err, &cannot)
}

// Libraries come in a payload whose version only a later server reads. Where the upstream is not known, nobody can say that it refused them.
func TestFunctionsOfALaterServer(t *testing.T) {
	payload := rdb.AppendDump(nil, rdb.Format{Version: 12}, 0xF5, rdb.AppendString(nil, []byte("#!lua name=l\nreturn 1")))
	restored := func(payload []byte, more ...string) fold.Input {
		increment := resp.AppendCommand(commandsOf(more...), []byte("FUNCTION"), []byte("RESTORE"), payload)
		return fold.Input{Base: source("base", baseOf(t, "SET a 1")), Increments: []fold.Source{source("increment", increment)}}
	}
	wrong := bytes.Clone(payload)
	wrong[len(wrong)-1]++ // the checksum: every server refuses it
	later := fold.Options{Table: keyspace.NewTable(), Upstream: rdb.Format{Version: 12}}
	for _, more := range [][]string{nil, {"SET b " + strings.Repeat("x", 10_000)}} { // with a plan, and in one go
		_, err := fold.Fold(t.Context(), restored(payload, more...), io.Discard, fold.Options{Table: keyspace.NewTable()})
		require.ErrorAs(t, err, new(*fold.CannotError))

		var out bytes.Buffer
		_, err = fold.Fold(t.Context(), restored(payload, more...), &out, later)
		require.NoError(t, err)
		require.Contains(t, out.String(), "name=l")

		res, err := fold.Fold(t.Context(), restored(wrong, more...), io.Discard, later)
		require.NoError(t, err)
		require.EqualValues(t, 1, res.Refused)
	}
}

// A type of Redis 7.4 under a version that does not have it would be another in Valkey's dialect.
func TestForeignType(t *testing.T) {
	var base bytes.Buffer
	w := rdb.NewWriter(&base, format)
	require.NoError(t, w.Key(rdb.TypeHash2, rdb.Attributes{}, []byte("h"), rdb.AppendLength(nil, 0)))
	require.NoError(t, w.Close())
	_, err := fold.Fold(t.Context(), fold.Input{Base: source("base", base.Bytes())}, &bytes.Buffer{},
		fold.Options{Table: keyspace.NewTable(), Upstream: rdb.Format{Dialect: rdb.Valkey, Version: 80}})
	input := (*fold.InputError)(nil)
	require.ErrorAs(t, err, &input)
}

// The base of a real server with every type, in a log that a later one went on with: what it makes of the log as it was, and of the folded one,
// in its own format and in that of the base.
func TestUpstreamUpgradedInPlace(t *testing.T) {
	for _, c := range []struct{ before, after string }{
		{"redis-7.0", "redis-8.0"}, {"redis-7.0", "valkey-9.1"}, {"valkey-8.0", "redis-8.0"}, {"valkey-8.0", "valkey-9.1"}, {"valkey-8.1", "valkey-9.1"},
	} {
		t.Run(c.before+" to "+c.after, func(t *testing.T) {
			t.Parallel()
			base, err := os.ReadFile(filepath.Join("..", "..", "internal", "rdb", "testdata", c.before+"-save.rdb"))
			require.NoError(t, err)
			family := testenv.Pick(t, c.after)
			increment := commandsOf(append(upgraded(), touchAll(t, base)...)...)
			want := testenv.BootFromAOF(t, family, layOut(t, base, increment))

			upstream, known := rdb.FormatOf(string(family.Dialect), family.Version.String())
			require.True(t, known)
			for _, opt := range []fold.Options{{}, {Upstream: upstream}, {Upstream: upstream, NoPreamble: true}} {
				opt.Table, opt.Server = keyspace.NewTable(), family.Version.String()
				in := fold.Input{Base: source("base", base), Increments: []fold.Source{source("increment", increment)}}
				var folded bytes.Buffer
				res, err := fold.Fold(t.Context(), in, &folded, opt)
				require.NoError(t, err)
				require.Equal(t, opt.Upstream == rdb.Format{}, res.Carried > 0)
				testenv.RequireEqual(t, want, testenv.BootFromAOF(t, family, layOut(t, folded.Bytes())))
			}
		})
	}
}

// touchAll returns commands that change every second key of an RDB in a way that decodes and encodes it.
func touchAll(t *testing.T, base []byte) (lines []string) {
	t.Helper()
	r, err := rdb.NewReader(bytes.NewReader(base))
	require.NoError(t, err)
	for n := 0; ; n++ {
		it, err := r.Next()
		if err != nil {
			return lines
		}
		if it.Kind != rdb.KeyItem || n%2 == 0 || bytes.ContainsAny(it.Key, " \r\n\t\v\f\x85\xa0") || len(it.Key) == 0 {
			continue // commandsOf splits at spaces
		}
		key := string(it.Key)
		lines = append(lines, fmt.Sprint("SELECT ", it.DB))
		switch it.Type.Kind() {
		case "string":
			lines = append(lines, "APPEND "+key+" x")
		case "list":
			lines = append(lines, "RPUSH "+key+" x")
		case "set":
			lines = append(lines, "SADD "+key+" x")
		case "zset":
			lines = append(lines, "ZADD "+key+" 5 x")
		case "hash":
			lines = append(lines, "HSET "+key+" x 5", "HPEXPIREAT "+key+" 33177117420003 FIELDS 1 x")
		case "stream":
			lines = append(lines, "XGROUP CREATE "+key+" another 0")
		}
	}
}

// layOut writes a directory as servers have it, and returns it.
func layOut(t *testing.T, base []byte, increments ...[]byte) string {
	t.Helper()
	dir := t.TempDir()
	files := filepath.Join(dir, "appendonlydir")
	require.NoError(t, os.Mkdir(files, 0o755))
	manifest := "file appendonly.aof.1.base.aof seq 1 type b\n"
	require.NoError(t, os.WriteFile(filepath.Join(files, "appendonly.aof.1.base.aof"), base, 0o600))
	for i, data := range increments {
		name := fmt.Sprintf("appendonly.aof.%d.incr.aof", i+1)
		require.NoError(t, os.WriteFile(filepath.Join(files, name), data, 0o600))
		manifest += fmt.Sprintf("file %s seq %d type i\n", name, i+1)
	}
	require.NoError(t, os.WriteFile(filepath.Join(files, "appendonly.aof.manifest"), []byte(manifest), 0o600))
	return dir
}
