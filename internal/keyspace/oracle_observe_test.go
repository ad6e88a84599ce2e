package keyspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// view is what a server says of one key.
type view struct {
	typ, digest, expire, stream *redis.Cmd
}

func (v *view) String() string {
	text := fmt.Sprintf("%v %v expires %v", v.typ.Val(), v.digest.Val(), v.expire.Val())
	if v.stream != nil {
		text += " " + render(v.stream.Val())
		if err := v.stream.Err(); err != nil {
			text += err.Error()
		}
	}
	return text
}

// look asks for a view.
func look(ctx context.Context, pipe redis.Pipeliner, key, typ string) *view {
	v := &view{
		typ:    pipe.Do(ctx, "TYPE", key),
		digest: pipe.Do(ctx, "DEBUG", "DIGEST-VALUE", key),
		expire: pipe.Do(ctx, "PEXPIRETIME", key),
	}
	if typ == "stream" {
		v.stream = pipe.Do(ctx, "XINFO", "STREAM", key, "FULL", "COUNT", "0")
	}
	return v
}

// ours is one key of the Space in three ways: on the server where the commands ran, restored from the RDB body, made by the
// Space's commands.
type ours struct {
	typ      string
	expire   int64
	payload  []byte
	commands [][]any

	theirs, restored, made *view
	errs                   []*redis.Cmd // of what must not fail
}

// exec runs a pipeline; replies that are errors are left to the caller.
func (o *oracle) exec(t tester, fill func(ctx context.Context, pipe redis.Pipeliner)) {
	t.Helper()
	ctx := context.Background()
	pipe := o.conn.Pipeline()
	fill(ctx, pipe)
	_, err := pipe.Exec(ctx)
	if err != nil && !serverSaid(err) && !errors.Is(err, redis.Nil) {
		log := o.server.Log()
		require.NoError(t, err, "%s; its log ends with\n%s", o.family, log[max(0, len(log)-3000):])
	}
}

// observe runs the commands on the server and returns in words what differs from the Space.
func (o *oracle) observe(t tester, space *Space, steps []step) []string {
	t.Helper()
	keys, sizes := o.keysOf(t, space)
	counts := make([]*redis.Cmd, scratch)
	var functions *redis.Cmd
	o.exec(t, func(ctx context.Context, pipe redis.Pipeliner) {
		pipe.Do(ctx, "RESET")
		pipe.Do(ctx, "FLUSHALL", "SYNC")
		pipe.Do(ctx, "FUNCTION", "FLUSH", "SYNC")
		for i := range steps {
			args := make([]any, len(steps[i].args))
			for n, arg := range steps[i].args {
				args[n] = arg
			}
			steps[i].reply = pipe.Do(ctx, args...)
		}
		pipe.Do(ctx, "RESET")
		functions = pipe.Do(ctx, "FUNCTION", "DUMP")
		o.ask(ctx, pipe, keys, counts)
	})
	return append(o.compare(t, space, keys, sizes, counts), o.compareFunctions(t, space, functions)...)
}

// ask looks at all keys.
func (o *oracle) ask(ctx context.Context, pipe redis.Pipeliner, keys map[place]*ours, counts []*redis.Cmd) {
	for db := range counts {
		pipe.Do(ctx, "SELECT", db)
		counts[db] = pipe.Do(ctx, "DBSIZE")
		for at, k := range keys {
			if at.db == db {
				k.theirs = look(ctx, pipe, at.key, k.typ)
			}
		}
	}
	pipe.Do(ctx, "SELECT", scratch)
	for at, k := range keys {
		k.errs = append(k.errs, k.restore(ctx, pipe, at.key))
		k.restored = look(ctx, pipe, at.key, k.typ)
		pipe.Do(ctx, "DEL", at.key)
		for _, args := range k.commands {
			k.errs = append(k.errs, pipe.Do(ctx, args...))
		}
		k.made = look(ctx, pipe, at.key, k.typ)
		pipe.Do(ctx, "DEL", at.key)
	}
}

func (k *ours) restore(ctx context.Context, pipe redis.Pipeliner, key string) *redis.Cmd {
	return pipe.Do(ctx, "RESTORE", key, max(k.expire, 0), k.payload, "REPLACE", "ABSTTL")
}

// keysOf writes out the Space's keys.
func (o *oracle) keysOf(t tester, space *Space) (keys map[place]*ours, sizes []int64) {
	t.Helper()
	keys, sizes = map[place]*ours{}, make([]int64, scratch)
	require.NoError(t, space.Each(func(k *Key) error {
		require.Less(t, k.DB, scratch, "database of key %q", k.Name)
		sizes[k.DB]++
		at := &ours{expire: k.Expire}
		typ, body := k.AppendRDB(nil)
		at.payload = dumpPayload(typ, body, o.format.Version)
		made, err := k.AppendCommands(nil)
		if err != nil {
			return err
		}
		at.typ = typ.Kind()
		if at.commands, err = parse(made); err != nil {
			return fmt.Errorf("commands of key %q: %w", k.Name, err)
		}
		keys[place{k.DB, k.Name}] = at
		return nil
	}))
	return keys, sizes
}

// parse reads commands.
func parse(b []byte) (commands [][]any, err error) {
	r := resp.NewReader(bytes.NewReader(b))
	r.MaxArgBytes = -1
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return commands, nil
		}
		if err != nil {
			return nil, err
		}
		args := make([]any, len(c.Args))
		for i, arg := range c.Args {
			args[i] = string(arg)
		}
		commands = append(commands, args)
	}
}

// compare returns what differs.
func (o *oracle) compare(t tester, space *Space, keys map[place]*ours, sizes []int64, counts []*redis.Cmd) (found []string) {
	t.Helper()
	for at, k := range keys {
		for _, cmd := range k.errs {
			if err := cmd.Err(); serverSaid(err) {
				found = append(found, fmt.Sprintf("key %q in database %d: the server refuses %.100q: %v", at.key, at.db, fmt.Sprint(cmd.Args()...), err))
			}
		}
		server, restored, made := k.theirs.String(), k.restored.String(), k.made.String()
		if server != restored {
			found = append(found, o.explain(t, at, k, "as RDB body", server, restored))
		}
		if server != made {
			found = append(found, o.explain(t, at, k, "as commands", server, made))
		}
	}
	for db, cmd := range counts {
		if cmd.Val() != sizes[db] {
			found = append(found, fmt.Sprintf("database %d: the server has %v keys, the space %d: %q and %q", db, cmd.Val(), sizes[db], o.names(t, db), space.names(db)))
		}
	}
	if len(found) == 0 {
		found = o.compareFields(t, keys)
	}
	return found
}

// names lists the keys of a database on the server.
func (o *oracle) names(t tester, db int) []string {
	t.Helper()
	var reply *redis.Cmd
	o.exec(t, func(ctx context.Context, pipe redis.Pipeliner) {
		pipe.Do(ctx, "SELECT", db)
		reply = pipe.Do(ctx, "KEYS", "*")
	})
	names, err := reply.StringSlice()
	require.NoError(t, err)
	return slices.Sorted(slices.Values(names))
}

// names lists the keys of a database of the Space.
func (s *Space) names(n int) (names []string) {
	_ = s.Each(func(k *Key) error {
		if k.DB == n {
			names = append(names, k.Name)
		}
		return nil
	})
	slices.Sort(names)
	return names
}

// explain says how two values differ, with their contents.
func (o *oracle) explain(t tester, at place, k *ours, how, server, space string) string {
	t.Helper()
	var theirs, mine *redis.Cmd
	o.exec(t, func(ctx context.Context, pipe redis.Pipeliner) {
		pipe.Do(ctx, "SELECT", at.db)
		theirs = contents(ctx, pipe, at.key, fmt.Sprint(k.theirs.typ.Val()))
		pipe.Do(ctx, "SELECT", scratch)
		k.restore(ctx, pipe, at.key)
		mine = contents(ctx, pipe, at.key, k.typ)
		pipe.Do(ctx, "DEL", at.key)
	})
	return fmt.Sprintf("key %q in database %d, %s:\n  server: %.3000s\n  space:  %.3000s\n  server's contents: %.3000s\n  space's contents:  %.3000s",
		at.key, at.db, how, server, space, render(theirs.Val()), render(mine.Val()))
}

// contents reads a whole value.
func contents(ctx context.Context, pipe redis.Pipeliner, key, typ string) *redis.Cmd {
	switch typ {
	case "string":
		return pipe.Do(ctx, "GET", key)
	case "list":
		return pipe.Do(ctx, "LRANGE", key, 0, -1)
	case "set":
		return pipe.Do(ctx, "SORT", key, "ALPHA")
	case "zset":
		return pipe.Do(ctx, "ZRANGE", key, 0, -1, "WITHSCORES")
	case "hash":
		return pipe.Do(ctx, "HGETALL", key)
	case "stream":
		return pipe.Do(ctx, "XRANGE", key, "-", "+")
	default:
		return pipe.Do(ctx, "DUMP", key)
	}
}

// compareFields compares the expiry of hash fields.
func (o *oracle) compareFields(t tester, keys map[place]*ours) (found []string) {
	t.Helper()
	if !o.family.Has(testenv.FieldTTL) || !slices.ContainsFunc(slices.Collect(maps.Values(keys)), func(k *ours) bool { return k.typ == "hash" }) {
		return nil
	}
	names := map[place]*redis.Cmd{}
	o.exec(t, func(ctx context.Context, pipe redis.Pipeliner) {
		for at, k := range keys {
			if k.typ == "hash" {
				pipe.Do(ctx, "SELECT", at.db)
				names[at] = pipe.Do(ctx, "HKEYS", at.key)
			}
		}
	})
	times := map[place][3]*redis.Cmd{}
	o.exec(t, func(ctx context.Context, pipe redis.Pipeliner) {
		for at, cmd := range names {
			fields, err := cmd.Slice()
			require.NoError(t, err)
			args := append([]any{"HPEXPIRETIME", at.key, "FIELDS", len(fields)}, fields...)
			pipe.Do(ctx, "SELECT", at.db)
			theirs := pipe.Do(ctx, args...)
			pipe.Do(ctx, "SELECT", scratch)
			keys[at].restore(ctx, pipe, at.key)
			restored := pipe.Do(ctx, args...)
			pipe.Do(ctx, "DEL", at.key)
			for _, command := range keys[at].commands {
				pipe.Do(ctx, command...)
			}
			times[at] = [3]*redis.Cmd{theirs, restored, pipe.Do(ctx, args...)}
			pipe.Do(ctx, "DEL", at.key)
		}
	})
	for at, cmds := range times {
		server := render(cmds[0].Val())
		for i, how := range []string{"", "as RDB body", "as commands"} {
			if space := render(cmds[i].Val()); space != server {
				found = append(found, fmt.Sprintf("key %q in database %d, expiry of fields %v, %s:\n  server: %s\n  space:  %s",
					at.key, at.db, names[at].Val(), how, server, space))
			}
		}
	}
	return found
}

// compareFunctions compares the sources of the libraries.
func (o *oracle) compareFunctions(t tester, space *Space, dump *redis.Cmd) (found []string) {
	t.Helper()
	payload, err := dump.Text()
	require.NoError(t, err, "%s", o.family)
	theirs, err := rdb.ParseFunctionDump(o.format, []byte(payload))
	require.NoError(t, err, "%s", o.family)
	slices.SortFunc(theirs, bytes.Compare)
	mine := slices.SortedFunc(slices.Values(space.Functions()), bytes.Compare)
	if !slices.EqualFunc(theirs, mine, bytes.Equal) {
		found = append(found, fmt.Sprintf("functions:\n  server: %q\n  space:  %q", theirs, mine))
	}
	return found
}

// sortedReply renders a list without its order.
func sortedReply(reply any) string {
	list, _ := reply.([]any)
	texts := map[string]bool{}
	for _, element := range list {
		// FUNCTION LIST answers the functions of a library in the order of a hash table.
		words := strings.Fields(render(element))
		texts[strings.Join(slices.Sorted(slices.Values(words)), " ")] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(texts)), "\n")
}

// render writes a reply as text, less what is a server's own: counts of radix trees, and when consumers were last seen.
func render(reply any) string {
	switch reply := reply.(type) {
	case []any:
		parts := make([]string, 0, len(reply))
		for i := 0; i < len(reply); i++ {
			switch reply[i] {
			case "radix-tree-keys", "radix-tree-nodes", "seen-time", "active-time":
				i++ // and its value
			default:
				parts = append(parts, render(reply[i]))
			}
		}
		return "[" + strings.Join(parts, " ") + "]"
	case string:
		return fmt.Sprintf("%q", reply)
	default:
		return fmt.Sprint(reply)
	}
}
