package keyspace

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// checkReplay is checkOn with the commands as a log that a server loads, which is what a rewrite takes the place of. Times may lie in the past: a
// loading server expires nothing, and these servers are replicas of nowhere and do not expire afterwards either. The state that the
// log leads to, the one that the Space's RDB leads to, and the one of the Space's commands must have the same DEBUG DIGEST, the same keys
// with the same times, and the same functions.
//
// A loading server refuses nothing aloud, so that refusals are not compared. DEBUG DIGEST does not see streams' groups.
func checkReplay(t tester, w want, commands ...string) {
	t.Helper()
	for _, o := range loaders(t) {
		if w(o.family) {
			o.checkReplay(t, split(t, commands))
		}
	}
}

// loaders returns the five servers that load logs.
func loaders(t tester) []*oracle {
	t.Helper()
	running.mu.Lock()
	defer running.mu.Unlock()
	if running.loading == nil {
		running.loading = startOracles(t, testenv.ReplicaOfNowhere(),
			testenv.WithConfig("appendonly yes", "replica-read-only no", "appendfsync no", "auto-aof-rewrite-percentage 0"))
	}
	return running.loading
}

func (o *oracle) checkReplay(t tester, commands [][]string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	steps := make([]step, len(commands))
	space := o.runSpace(t, commands, steps)

	var log []byte
	for _, command := range commands {
		log = appendCommand(log, command...)
	}
	server := o.load(t, nil, log)
	require.Equal(t, server, o.load(t, o.base(t, space), nil), "%s: the space's RDB\n%s", o.family, transcript(steps))
	require.Equal(t, server, o.load(t, nil, made(t, space)), "%s: the space's commands\n%s", o.family, transcript(steps))
}

// base writes the Space as an RDB file.
func (o *oracle) base(t tester, space *Space) []byte {
	t.Helper()
	var file bytes.Buffer
	w := rdb.NewWriter(&file, o.format)
	for _, source := range space.Functions() {
		require.NoError(t, w.Function(source))
	}
	require.NoError(t, space.Each(func(k *Key) error {
		if err := w.SelectDB(k.DB); err != nil {
			return err
		}
		typ, body := k.AppendRDB(nil)
		return w.Key(typ, rdb.Attributes{HasExpire: k.Expire != rdb.NoExpire, Expire: k.Expire}, []byte(k.Name), body)
	}))
	require.NoError(t, w.Close())
	return file.Bytes()
}

// made writes the Space as commands.
func made(t tester, space *Space) (log []byte) {
	t.Helper()
	for _, source := range space.Functions() {
		log = appendCommand(log, []byte("FUNCTION"), []byte("LOAD"), source)
	}
	require.NoError(t, space.Each(func(k *Key) (err error) {
		log = appendCommand(log, "SELECT", strconv.Itoa(k.DB))
		log, err = k.AppendCommands(log)
		return err
	}))
	return log
}

// load makes the server load a base, if there is one, and an increment, and returns its state.
func (o *oracle) load(t tester, base, increment []byte) string {
	t.Helper()
	dir := filepath.Join(o.server.Dir(), "appendonlydir")
	o.loads++
	name := func(kind string) string { return fmt.Sprintf("appendonly.aof.%d.%s", 1000+o.loads, kind) }
	manifest := ""
	if base != nil {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name("base.rdb")), base, 0o600))
		manifest += fmt.Sprintf("file %s seq %d type b\n", name("base.rdb"), 1000+o.loads)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, name("incr.aof")), increment, 0o600))
	manifest += fmt.Sprintf("file %s seq %d type i\n", name("incr.aof"), 1000+o.loads)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "appendonly.aof.manifest"), []byte(manifest), 0o600))

	var digest, functions, loaded, saved *redis.Cmd
	o.exec(t, func(ctx context.Context, pipe redis.Pipeliner) {
		pipe.Do(ctx, "FUNCTION", "FLUSH", "SYNC") // a load adds to the libraries
		loaded = pipe.Do(ctx, "DEBUG", "LOADAOF")
		digest = pipe.Do(ctx, "DEBUG", "DIGEST")
		functions = pipe.Do(ctx, "FUNCTION", "LIST", "WITHCODE")
		saved = pipe.Do(ctx, "SAVE")
	})
	for _, cmd := range []*redis.Cmd{loaded, digest, functions, saved} {
		log := o.server.Log()
		require.NoError(t, cmd.Err(), "%s, %v; its log ends with\n%s", o.family, cmd.Args(), log[max(0, len(log)-2000):])
	}
	state := []string{fmt.Sprint("digest ", digest.Val()), "functions " + sortedReply(functions.Val())}
	return strings.Join(append(state, o.saved(t)...), "\n")
}

// saved lists the keys of the server's own snapshot.
func (o *oracle) saved(t tester) (keys []string) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(o.server.Dir(), "dump.rdb"))
	require.NoError(t, err)
	r, err := rdb.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	for {
		item, err := r.Next()
		if err != nil {
			slices.Sort(keys)
			return keys
		}
		if item.Kind != rdb.KeyItem {
			continue
		}
		text := fmt.Sprintf("database %d key %q %s", item.DB, item.Key, kindName(item.Type))
		if item.HasExpire {
			text += fmt.Sprint(" expires ", item.Expire)
		}
		keys = append(keys, text)
	}
}

// kindName is the kind of value without its encoding.
func kindName(t rdb.Type) string {
	name, _, _ := strings.Cut(t.String(), "-")
	return name
}
