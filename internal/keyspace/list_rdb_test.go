package keyspace

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// What servers write of lists and sets in each of their encodings is read, and then changed as they do.
func TestListsAndSetsOfServers(t *testing.T) {
	t.Parallel()
	text := func(i int) string { return "member-" + strconv.Itoa(i) }
	long := func(i int) string { return strconv.Itoa(i) + strings.Repeat(" long", 300) }
	mixed := func(i int) string {
		return []string{strconv.Itoa(i), strconv.Itoa(-i << 20), text(i), strings.Repeat("a", i)}[i%4]
	}
	for name, fill := range map[string][]string{
		"list of few":      split(t, []string{`RPUSH k "" a -1 127 128 -129 32768 8388608 2147483648 9223372036854775807 "\x00"`})[0],
		"list of many":     append([]string{"RPUSH", "k"}, list(3000, mixed)...),
		"list of long":     append([]string{"RPUSH", "k"}, list(20, long)...),
		"set of integers":  append([]string{"SADD", "k"}, list(100, strconv.Itoa)...),
		"set of large":     split(t, []string{"SADD k 1 70000 -5000000000"})[0],
		"set of few":       append([]string{"SADD", "k"}, list(50, mixed)...),
		"set of many":      append([]string{"SADD", "k"}, list(3000, mixed)...),
		"set of many ints": append([]string{"SADD", "k"}, list(3000, strconv.Itoa)...),
	} {
		t.Run(name, func(t *testing.T) {
			changes := split(t, []string{"LPUSH k x 5", "RPOP k 2", "LREM k 3 a", "LSET k 3 7", "LTRIM k 1 -2"})
			if fill[0] == "SADD" {
				changes = split(t, []string{"SADD k x 5", "SREM k 2 a 7 member-6", "SUNIONSTORE k k k"})
			}
			for _, o := range oracles(t) {
				o.checkLoaded(t, fill, changes)
			}
		})
	}
}

func list(n int, word func(i int) string) []string {
	return strings.Split(strings.TrimPrefix(words(n, func(i int) string { return "\n" + word(i) }), " \n"), " \n")
}

// checkLoaded fills key k on the server, lets a space have it as the server dumps it, changes it on both and compares.
func (o *oracle) checkLoaded(t *testing.T, fill []string, changes [][]string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	ctx := context.Background()
	do := func(args []string) any {
		words := make([]any, len(args))
		for i, arg := range args {
			words[i] = arg
		}
		reply, err := o.conn.Do(ctx, words...).Result()
		require.NoError(t, err, "%s: %.100q", o.family, args)
		return reply
	}
	do([]string{"FLUSHALL"})
	do(fill)
	payload, _ := do([]string{"DUMP", "k"}).(string)
	const footer = 10
	space := o.newSpace()
	space.PutRaw(0, []byte("k"), rdb.Type(payload[0]), []byte(payload[1:len(payload)-footer]), rdb.Attributes{})
	for _, command := range changes {
		do(command)
		require.NoError(t, space.Run(0, toArgs(command)), "%s", command)
	}
	var got []string
	visit := func(elem []byte) bool {
		got = append(got, string(elem))
		return true
	}
	var want *[]string
	switch v := space.db(0).find([]byte("k")).value.(type) {
	case *listValue:
		v.each(visit)
		all := o.conn.LRange(ctx, "k", 0, -1).Val()
		want = &all
	case *setValue:
		v.each(visit)
		all := o.conn.SMembers(ctx, "k").Val()
		slices.Sort(got)
		slices.Sort(all)
		want = &all
	}
	require.Equal(t, *want, got, "%s", o.family)
	require.Zero(t, space.Refused())
}

// A list in an RDB of old may be empty: servers drop such keys when they load them, and commands find nothing in it.
func TestEmptyListOfRDB(t *testing.T) {
	for _, command := range [][]string{
		{"LPOP", "k"},
		{"RPOP", "k", "2"},
		{"RPOPLPUSH", "k", "d"},
		{"LSET", "k", "0", "x"},
		{"LREM", "k", "0", "x"},
		{"LTRIM", "k", "0", "1"},
		{"LINSERT", "k", "BEFORE", "a", "b"},
		{"SORT", "k", "STORE", "d"},
		{"LMPOP", "1", "k", "LEFT"},
		{"RPUSH", "k", "a"},
	} {
		space := New(NewTable(), Options{Format: rdb.Format{Version: 12}})
		space.PutRaw(0, []byte("k"), rdb.TypeList, []byte{0}, rdb.Attributes{})
		require.NoError(t, space.Run(0, toArgs(command)), "%s", command)
	}
}
