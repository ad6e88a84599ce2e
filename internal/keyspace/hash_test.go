package keyspace

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// modelField is a field of a hash as the tests keep it.
type modelField struct {
	value  string
	expire int64
}

// contents returns the fields of a hash, and checks what must be true of them.
func (h *hashValue) contents(t require.TestingT) map[string]modelField {
	fields, timed := map[string]modelField{}, 0
	h.each(func(r record) {
		_, twice := fields[string(r.field)]
		require.False(t, twice, "field %q comes twice", r.field)
		fields[string(r.field)] = modelField{string(r.value), r.expire}
		if r.expire != rdb.NoExpire {
			timed++
		}
	})
	require.Len(t, fields, h.fields)
	require.Equal(t, h.timed, timed)
	require.Equal(t, h.fields == 0, h.empty())
	return fields
}

// TestHashAgreesWithMap runs random changes on a hash and on a map.
func TestHashAgreesWithMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, model := &hashValue{}, map[string]modelField{}
		field := rapid.Map(rapid.IntRange(0, rapid.SampledFrom([]int{8, 600, 3000}).Draw(t, "names")), func(n int) string { return strings.Repeat("f", n%70) + strconv.Itoa(n) })
		text := rapid.Map(rapid.SampledFrom([]int{0, 1, 5, 62, 63, 64, 130, 9000, 40000}), func(n int) string { return strings.Repeat("v", n) })
		expire := rapid.SampledFrom([]int64{rdb.NoExpire, rdb.NoExpire, 0, 1, 1 << 40, math.MaxInt64})
		if rapid.Bool().Draw(t, "large") {
			for n := range 700 {
				name := fmt.Sprint(n)
				h.set([]byte(name), nil, rdb.NoExpire)
				model[name] = modelField{"", rdb.NoExpire}
			}
		}
		for range rapid.IntRange(1, 200).Draw(t, "changes") {
			name := field.Draw(t, "field")
			at := h.find([]byte(name))
			_, there := model[name]
			require.Equal(t, there, at >= 0, "field %q", name)
			switch op := rapid.IntRange(0, 3).Draw(t, "op"); {
			case op <= 1 || at < 0:
				f := modelField{text.Draw(t, "value"), expire.Draw(t, "expire")}
				h.set([]byte(name), []byte(f.value), f.expire)
				model[name] = f
			case op == 2:
				e := expire.Draw(t, "expire")
				h.retime(at, e)
				model[name] = modelField{model[name].value, e}
			default:
				h.remove(at)
				delete(model, name)
			}
			if at := h.find([]byte(name)); at >= 0 {
				r := h.at(at)
				got := modelField{string(r.value), r.expire}
				require.Equal(t, model[name], got)
			}
		}
		copied, ok := h.clone().(*hashValue)
		require.True(t, ok)
		require.Equal(t, model, h.contents(t))
		for name := range model {
			h.set([]byte(name), []byte("changed"), 77)
		}
		require.Equal(t, model, copied.contents(t))
	})
}

// TestFieldTableFindsAllAfterRemovals removes the fields of a table in several orders: each that is left must be found, and no other.
func TestFieldTableFindsAllAfterRemovals(t *testing.T) {
	const n = 3000
	for name, order := range map[string]func(i int) int{
		"ascending":  func(i int) int { return i },
		"descending": func(i int) int { return n - 1 - i },
		"mixed":      func(i int) int { return i * 1471 % n }, // without a common factor
	} {
		t.Run(name, func(t *testing.T) {
			table := newFieldTable(0)
			for i := range n {
				table.add([]byte(strconv.Itoa(i)), []byte("v"), rdb.NoExpire)
			}
			gone := map[int]bool{}
			for i := range n {
				field := order(i)
				table.remove(table.find([]byte(strconv.Itoa(field))))
				gone[field] = true
				if i%100 != 0 && i < n-20 {
					continue
				}
				for k := range n {
					at := table.find([]byte(strconv.Itoa(k)))
					require.Equal(t, !gone[k], at >= 0, "field %d after %d are gone", k, i+1)
				}
			}
			require.Empty(t, table.records)
			require.Zero(t, table.data)
			require.Len(t, table.slots, minSlots)
		})
	}
}

// TestHashSize compares what a hash says that it takes with what a server of 64 bits needs about, for fields and values of 10 bytes: 24 bytes
// each in a listpack; 24 for an entry, 8 for a bucket and 16 for each of two strings in a table.
func TestHashSize(t *testing.T) {
	for _, tt := range []struct{ fields, server int }{{3, 3 * 24}, {100, 100 * 24}, {500, 500 * 24}, {10_000, 10_000 * 64}, {100_000, 100_000 * 64}} {
		h := &hashValue{}
		for i := range tt.fields {
			h.set(fmt.Appendf(nil, "%010d", i), fmt.Appendf(nil, "%010d", i), rdb.NoExpire)
		}
		require.LessOrEqual(t, h.size(), int64(tt.server)*3/2+hashBytes, "%d fields", tt.fields)
		require.GreaterOrEqual(t, h.size(), int64(tt.fields*20), "%d fields", tt.fields)
	}
}

// TestHashCommandsDoNotAllocate proves that a change of a field that is there, with a value that has room, takes no memory.
func TestHashCommandsDoNotAllocate(t *testing.T) {
	for _, fields := range []int{10, 1000} {
		s := New(NewTable(), Options{})
		command := toArgs([]string{"HSET", "h"})
		for i := range fields {
			command = append(command, fmt.Appendf(nil, "field:%d", i), []byte("100"))
		}
		require.NoError(t, s.Run(0, command))
		var plan Plan
		for _, args := range [][]string{
			{"HSET", "h", "field:7", "200"}, {"HMSET", "h", "field:7", "200", "field:8", "300"}, {"HINCRBY", "h", "field:6", "1"}, {"HSETNX", "h", "field:5", "1"}, {"HDEL", "h", "none"},
		} {
			args := toArgs(args)
			require.Zero(t, testing.AllocsPerRun(200, func() {
				s.table.Plan(args, &plan)
				if err := s.Run(0, args); err != nil {
					t.Error(err)
				}
			}), "%s with %d fields", args, fields)
		}
	}
}

func TestHashPlans(t *testing.T) {
	table := NewTable()
	var plan Plan
	for command, want := range map[string]Effect{
		"HSET h a 1": Run, "HSET h": Nothing, "hincrby h a 1": Run, "HINCRBYFLOAT h a 1": Carry, "HGETDEL h FIELDS 1 a": Run,
		"HPEXPIREAT h 1 FIELDS 1 a": Run, "HEXPIREAT h 1 FIELDS 1 a": Run, "HEXPIRE h 1 FIELDS 1 a": Carry, "HPEXPIRE h 1 FIELDS 1 a": Carry,
		"HSETEX h FIELDS 1 a 1": Run, "HSETEX h PXAT 1 FIELDS 1 a 1": Run, "HSETEX h PX 1 FIELDS 1 a 1": Carry, "HSETEX h fnx ex 1 FIELDS 1 a 1": Carry,
		"HSETEX h FIELDS 1 PX 1": Run, "HGETEX h FIELDS 1 a": Nothing, "HGETEX h EX 1 FIELDS 1 a": Carry, "HGETEX h PERSIST FIELDS 1 px": Run,
	} {
		args := toArgs(split(t, []string{command})[0])
		table.Plan(args, &plan)
		require.Equal(t, want, plan.Effect, command)
		if want == Nothing {
			require.Empty(t, plan.Keys, command)
			continue
		}
		require.Equal(t, []KeyUse{{Key: []byte("h"), DB: SelectedDB, Use: Writes}}, plan.Keys, command)
	}
}

// TestCarriedHashCommandsDoNotRun runs what Plan calls Carry.
func TestCarriedHashCommandsDoNotRun(t *testing.T) {
	for _, command := range []string{"HINCRBYFLOAT h a 1", "HEXPIRE h 1 FIELDS 1 a", "HPEXPIRE h 1 FIELDS 1 a", "HSETEX h PX 1 FIELDS 1 a 1", "HGETEX h EX 1 FIELDS 1 a"} {
		s := New(NewTable(), Options{})
		require.NoError(t, s.Run(0, toArgs([]string{"HSET", "h", "a", "1"})))
		var unknown *UnknownCommandError
		require.ErrorAs(t, s.Run(0, toArgs(split(t, []string{command})[0])), &unknown, command)
	}
}

// TestHashEncoding writes a hash in each format.
func TestHashEncoding(t *testing.T) {
	h := &hashValue{}
	h.set([]byte("a"), []byte("1"), rdb.NoExpire)
	h.set([]byte("b"), []byte("x"), 1000)
	h.set([]byte("c"), []byte("yz"), 999)
	for _, tt := range []struct {
		name   string
		format rdb.Format
		typ    rdb.Type
		body   string
	}{
		{"redis", rdb.Format{Version: 12}, rdb.TypeHashMetadata, "\xe7\x03\x00\x00\x00\x00\x00\x00\x03" + "\x00\x01a\xc0\x01" + "\x02\x01b\x01x" + "\x01\x01c\x02yz"},
		{"valkey", rdb.Format{Dialect: rdb.Valkey, Version: 80}, rdb.TypeHash2, "\x03" + "\x01a\xc0\x01\xff\xff\xff\xff\xff\xff\xff\xff" + "\x01b\x01x\xe8\x03\x00\x00\x00\x00\x00\x00" + "\x01c\x02yz\xe7\x03\x00\x00\x00\x00\x00\x00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			typ, body := h.appendRDB([]byte("before"), tt.format)
			require.Equal(t, tt.typ, typ)
			require.Equal(t, "before"+tt.body, string(body))
		})
	}
	require.Equal(t, strings.ReplaceAll("*8 $5 HMSET $1 h $1 a $1 1 $1 b $1 x $1 c $2 yz "+
		"*6 $10 HPEXPIREAT $1 h $4 1000 $6 FIELDS $1 1 $1 b *6 $10 HPEXPIREAT $1 h $3 999 $6 FIELDS $1 1 $1 c ", " ", "\r\n"), string(h.appendCommands(nil, []byte("h"))))

	h.retime(h.find([]byte("b")), rdb.NoExpire)
	h.remove(h.find([]byte("c")))
	for _, format := range []rdb.Format{{Version: 10}, {Version: 12}, {Dialect: rdb.Valkey, Version: 80}} {
		typ, body := h.appendRDB(nil, format)
		require.Equal(t, rdb.TypeHash, typ)
		require.Equal(t, "\x02\x01a\xc0\x01\x01b\x01x", string(body))
	}
}

// TestHashCommandsAreBatched counts the commands of a RESP base.
func TestHashCommandsAreBatched(t *testing.T) {
	for _, fields := range []int{1, 63, 64, 65, 128, 1000} {
		h := &hashValue{}
		for i := range fields {
			h.set([]byte(strconv.Itoa(i)), []byte("v"), rdb.NoExpire)
		}
		commands, err := parse(h.appendCommands(nil, []byte("h")))
		require.NoError(t, err)
		require.Len(t, commands, (fields+63)/64)
		left := fields
		for _, command := range commands {
			require.Len(t, command, 2+2*min(left, 64))
			left -= 64
		}
	}
}

func BenchmarkHashSet(b *testing.B) {
	for _, fields := range []int{10, 100, 10_000} {
		b.Run(strconv.Itoa(fields), func(b *testing.B) {
			s := New(NewTable(), Options{})
			commands := make([][][]byte, fields)
			for i := range fields {
				commands[i] = toArgs([]string{"HSET", "h", fmt.Sprintf("field:%d", i), "value"})
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := s.Run(0, commands[i%fields]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
