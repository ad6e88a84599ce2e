package aof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

var testTable = sync.OnceValue(keyspace.NewTable)

// stateOf returns what a loader has of a base and commands behind it, as text by key.
func stateOf(t require.TestingT, base, commands []byte) map[string]string {
	sp := keyspace.New(testTable(), keyspace.Options{Format: rdb.Format{Dialect: rdb.Redis, Version: 11}})
	tail := base
	if bytes.HasPrefix(base, []byte("REDIS")) {
		rd, err := rdb.NewReader(bytes.NewReader(base))
		require.NoError(t, err)
		for {
			it, err := rd.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if it.Kind != rdb.KeyItem {
				continue
			}
			var raw bytes.Buffer
			require.NoError(t, rd.CopyRaw(&raw))
			require.False(t, it.HasExpire)
			sp.PutRaw(it.DB, it.Key, it.Type, raw.Bytes()[it.HeadBytes:], rdb.Attributes{})
		}
		tail = base[rd.Offset():]
	}
	for _, part := range [][]byte{tail, commands} {
		runCommands(t, sp, part)
	}
	state := map[string]string{}
	require.NoError(t, sp.Each(func(k *keyspace.Key) error {
		text, err := k.AppendCommands(nil)
		state[fmt.Sprintf("%d:%s", k.DB, k.Name)] = string(text)
		return err
	}))
	return state
}

func runCommands(t require.TestingT, sp *keyspace.Space, commands []byte) {
	rd := resp.NewReader(bytes.NewReader(commands))
	rd.MaxArgBytes = -1
	db := 0
	for {
		cmd, err := rd.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		switch cmd.Kind {
		case resp.Select:
			_, err := fmt.Sscan(string(cmd.Args[1]), &db)
			require.NoError(t, err)
		case resp.Other:
			require.NoError(t, sp.Run(db, cmd.Args), "%q", cmd.Args)
		case resp.Multi, resp.Exec, resp.Ping, resp.Replconf, resp.Publish, resp.ClusterOther, resp.Newline, resp.Annotation:
		}
	}
}

// requireChain wants the chain on disk to be the history up to off: a base that holds it up to where the first increment begins, and from there on
// its bytes.
func requireChain(t require.TestingT, fsys fsx.FS, y layout, h *history, off stream.Offset, format string, args ...any) {
	if th, ok := t.(interface{ Helper() }); ok {
		th.Helper()
	}
	where := fmt.Sprintf(format, args...)
	begin := requireBase(t, fsys, y, h, where)
	requireBytes(t, h.kept(off)[len(h.kept(begin)):], streamBytes(t, fsys, y), "%s: from %d to %d", where, begin, off)
}

// requireBase wants the base to hold the history up to where the first increment begins, which it returns.
func requireBase(t require.TestingT, fsys fsx.FS, y layout, h *history, where string) stream.Offset {
	man, _, err := readManifest(fsys, y)
	require.NoError(t, err, where)
	first, err := openLive(fsys, y.path(man.incrs[0].name))
	require.NoError(t, err, where)
	head, _, err := first.begins()
	require.NoError(t, errors.Join(err, first.Close()), where)
	base := readAll(t, fsys, y.path(man.base.name))
	if begin := head.Position.Offset; begin != h.start || !bytes.Equal(base, testRDB(h.keys)) {
		require.Equal(t, h.state(t, begin), stateOf(t, base, nil), "%s: the base at %d", where, begin)
	}
	return head.Position.Offset
}
