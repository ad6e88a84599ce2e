package fold_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// A key whose value is far over the limit is carried, alone, and said: whether its value is in the base, comes with a command or grows bit by bit.
func TestOneKeyOverTheMemoryLimit(t *testing.T) {
	const limit = 100_000
	large := strings.Repeat("v", 3*limit)
	grown := make([]string, 300)
	for i := range grown {
		grown[i] = "RPUSH big " + strings.Repeat("e", limit/100)
	}
	for name, tc := range map[string]struct{ base, increment []string }{
		"in the base":   {[]string{"SET a 1", "SET b 1", "SET big " + large}, []string{"APPEND big x", "INCR a"}},
		"in a command":  {[]string{"SET a 1", "SET b 1"}, []string{"INCR a", "SET big " + large, "APPEND big x"}},
		"grown":         {[]string{"SET a 1", "SET b 1"}, append(grown, "INCR a")},
		"by an offset":  {[]string{"SET a 1", "SET b 1", "SET big x"}, []string{fmt.Sprintf("SETRANGE big %d x", 3*limit), "INCR a"}},
		"by its second": {[]string{"SET a 1", "SET b 1", "SET big " + large[:limit/2]}, []string{"INCR a", "APPEND big " + large}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, noPreamble := range []bool{false, true} {
				opt := fold.Options{MaxMemory: limit, NoPreamble: noPreamble}
				res, _ := requireFold(t, baseOf(t, tc.base...), opt, commandsOf(tc.increment...))
				require.EqualValues(t, 1, res.Copied)
				require.EqualValues(t, 1, res.Touched)
				require.EqualValues(t, 1, res.Carried)
				require.Equal(t, map[string]int64{"(max-memory)": 1}, res.Unknown)
			}
		})
	}
}

// An upstream may send any number of names: the result, which is logged and counted, has a hundred.
func TestUnknownNamesAreBounded(t *testing.T) {
	commands := make([]string, 0, 1000)
	for i := range cap(commands) {
		commands = append(commands, fmt.Sprintf("M.%s%d k v", strings.Repeat("x", 100*(i%2)), i))
	}
	for _, base := range [][]byte{baseOf(t, "SET k 1"), baseOf(t, "SET k 1", "SET l "+strings.Repeat("v", 1<<20))} { // in one go, and with a plan
		res, _ := requireFold(t, base, fold.Options{}, commandsOf(commands...))
		require.LessOrEqual(t, len(res.Unknown), 101)
		var total int64
		for _, n := range res.Unknown {
			total += n
		}
		require.EqualValues(t, 1000, total)
	}
}

// A value that is small because it is compressed is not decompressed to find out that it is too large: a bitmap is six megabytes in an RDB and half a
// gigabyte in memory.
func TestCompressedValueOverTheMemoryLimit(t *testing.T) {
	const size, limit = 32 << 20, 2 << 20
	base := baseOf(t, fmt.Sprintf("SETRANGE big %d x", size), "SET a 1")
	require.Less(t, len(base), limit/4)
	payload := rdb.AppendDump(nil, format, rdb.TypeString, rdb.AppendString(nil, bytes.Repeat([]byte("v"), size)))
	restore := resp.AppendCommand(nil, []byte("RESTORE"), []byte("restored"), []byte("0"), payload)
	in := fold.Input{Base: source("base", base), Increments: []fold.Source{
		source("increment 1", commandsOf("APPEND big x", "INCR a")), source("increment 2", restore),
	}}
	for _, noPreamble := range []bool{false, true} {
		before := allocated()
		res, err := fold.Fold(t.Context(), in, io.Discard, fold.Options{Table: keyspace.NewTable(), MaxMemory: limit, NoPreamble: noPreamble})
		require.NoError(t, err)
		require.Equal(t, []int64{1, 2}, []int64{res.Touched, res.Carried})
		if !noPreamble { // else it is written as a command
			require.Less(t, allocated()-before, uint64(size))
		}
	}
}

// allocated is how many bytes were allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// A value that does not decode is the base's fault, also where nobody looks at it before it is written as commands.
func TestDamagedValue(t *testing.T) {
	var base bytes.Buffer
	w := rdb.NewWriter(&base, format)
	require.NoError(t, w.SelectDB(0))
	listpack := []byte{12, 0, 0, 0, 2, 0, 0x85, 'a', 1, 'b', 2, 0xFF} // its first entry ends behind it
	require.NoError(t, w.Key(rdb.TypeHashListpack, rdb.Attributes{}, []byte("h"), rdb.AppendString(nil, listpack)))
	end := w.Bytes()
	require.NoError(t, w.Close())
	for _, more := range []int{0, 1000} { // with a plan, and in one go
		for _, command := range []string{"SET a 1", "PEXPIREAT h 99999999999999", "HSET h a b"} {
			in := fold.Input{Base: source("base", base.Bytes()), Increments: []fold.Source{
				source("increment", commandsOf(command, "SET pad !"+strings.Repeat("x", more))),
			}}
			_, err := fold.Fold(t.Context(), in, io.Discard, fold.Options{Table: keyspace.NewTable(), NoPreamble: true})
			input := (*fold.InputError)(nil)
			require.ErrorAs(t, err, &input, "%s", command)
			require.Equal(t, "base", input.File)
			require.Equal(t, end, input.Offset)
			require.ErrorContains(t, err, `key "h"`)

			// As an RDB it goes over as it is, with the commands on it.
			_, err = fold.Fold(t.Context(), in, io.Discard, fold.Options{Table: keyspace.NewTable()})
			require.NoError(t, err)
		}
	}
}

// What a module keeps beside its keys goes over as bytes, unless a flush came: RediSearch drops its indexes with that.
func TestModuleDataBesideKeys(t *testing.T) {
	aux := rdb.AppendLength([]byte{0xF7}, 1<<40) // the module's id, where it stands, a string, and the end
	aux = append(aux, 2, 1, 5, 5, 'i', 'n', 'd', 'e', 'x', 0)
	var base bytes.Buffer
	w := rdb.NewWriter(&base, format)
	_, err := w.Write(aux)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	commands := map[string]bool{"SET a 1": true, "SWAPDB 0 1": true, "FLUSHALL": false, "FLUSHDB": false, "CLUSTER FLUSHSLOT 1": false}
	for command, fits := range maps.Clone(commands) { // and in one go
		commands[command+"\nSET b "+strings.Repeat("x", 10*base.Len())] = fits
	}
	for command, fits := range commands {
		in := fold.Input{Base: source("base", base.Bytes()), Increments: []fold.Source{source("increment", commandsOf(strings.Split(command, "\n")...))}}
		var out bytes.Buffer
		_, err := fold.Fold(t.Context(), in, &out, fold.Options{Table: keyspace.NewTable()})
		if fits {
			require.NoError(t, err)
			require.Equal(t, 1, bytes.Count(out.Bytes(), aux))
			continue
		}
		require.ErrorAs(t, err, new(*fold.CannotError), command)
	}
}

// A carry that outgrows its limit is given up; up to that it is taken.
func TestCarryOutgrowsItsLimit(t *testing.T) {
	increment := commandsOf("M.X a 1", "M.X a "+strings.Repeat("2", 1000), "INCR b")
	carried, _ := requireFold(t, baseOf(t, "SET a 0"), fold.Options{}, increment)
	for limit, fits := range map[int64]bool{carried.CarriedBytes: true, carried.CarriedBytes - 1: false, 1: false} {
		in := fold.Input{Base: source("base", baseOf(t, "SET a 0")), Increments: []fold.Source{source("increment", increment)}}
		_, err := fold.Fold(t.Context(), in, io.Discard, fold.Options{Table: keyspace.NewTable(), Keys: firstArg, MaxCarry: limit})
		if fits {
			require.NoError(t, err)
			continue
		}
		require.ErrorAs(t, err, new(*fold.CannotError))
	}
}

// Nobody but the module knows what its values mean, but how long they are can be known: they go over as bytes, wherever a command puts them.
func TestModuleValueIsCopiedRaw(t *testing.T) {
	value := rdb.AppendLength(nil, 1<<40) // the module's id; then an unsigned integer, a string, and the end
	value = append(value, 2, 5, 5, 4, 'd', 'a', 't', 'a', 0)
	var base bytes.Buffer
	w := rdb.NewWriter(&base, format)
	require.NoError(t, w.SelectDB(0))
	for _, key := range []string{"copied", "touched"} {
		require.NoError(t, w.Key(rdb.TypeModule2, rdb.Attributes{}, []byte(key), value))
	}
	require.NoError(t, w.Close())
	in := fold.Input{Base: source("base", base.Bytes()), Increments: []fold.Source{source("increment", commandsOf("COPY touched twin", "INCR a"))}}
	var out bytes.Buffer
	res, err := fold.Fold(t.Context(), in, &out, fold.Options{Table: keyspace.NewTable()})
	require.NoError(t, err)
	require.Equal(t, []int64{1, 3, 0}, []int64{res.Copied, res.Touched, res.Carried})
	require.Equal(t, 3, bytes.Count(out.Bytes(), value))
}
