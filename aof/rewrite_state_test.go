package aof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
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
			sp.PutRaw(it.DB, it.Key, it.Type, raw.Bytes()[it.HeadBytes:], rdb.NoExpire)
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
