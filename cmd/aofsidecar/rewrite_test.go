package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/admin"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// TestRewriteOfARunningSidecarAndOfItsDirectory asks through the control socket, waits, and then folds again without it.
func TestRewriteOfARunningSidecarAndOfItsDirectory(t *testing.T) {
	server := testenv.StartServer(t, testenv.Pick(t, "redis-7.0"))
	mirror := startMirror(t, mirrorConfig(t, server))
	mirror.await(t, "mirror to be ready", isReady)
	for range 1000 {
		require.NoError(t, server.Client().Incr(t.Context(), "counter").Err())
	}
	inStep := func() {
		t.Helper()
		end := upstreamOffset(t, server)
		mirror.await(t, "stream", func(s Status) bool { return s.Log.Received >= end })
	}
	inStep()
	flags := []string{"--set", "aof.dir=" + mirror.config.AOF.Dir, "--set", "control.socket=" + mirror.config.Control.Socket}
	run := func(args ...string) (stdout string, err error) {
		t.Helper()
		var out bytes.Buffer
		root := newRootCommand()
		root.SetArgs(append(args, flags...))
		root.SetOut(&out)
		root.SetErr(io.Discard)
		err = root.ExecuteContext(t.Context())
		return out.String(), err
	}
	_, err := run("rewrite", mirror.config.AOF.Dir)
	require.ErrorAs(t, err, new(*aof.HeldError))

	out, err := run("rewrite", "--wait")
	require.NoError(t, err)
	require.Regexp(t, `^.* became appendonly\.aof\.2\.base\.rdb, .*; keys: 0 copied, 1 touched, 0 carried; took `, out)
	status := mirror.await(t, "status to say so", func(s Status) bool { return s.Log.Rewrite.Last != nil })
	require.EqualValues(t, 1, status.Log.BaseKeys)

	out, err = run("rewrite", "--wait", "--json")
	require.NoError(t, err)
	require.Contains(t, out, `"nothing": true`)
	out, err = run("rewrite")
	require.NoError(t, err)
	require.Regexp(t, "^rewrite 3 ", out)
	mirror.await(t, "third", func(s Status) bool { return s.Log.Rewrite.Begun == 3 && !s.Log.Rewrite.Running })

	require.NoError(t, server.Client().Incr(t.Context(), "counter").Err())
	inStep()
	require.NoError(t, mirror.stop())
	out, err = run("rewrite")
	require.NoError(t, err)
	require.Contains(t, out, "appendonly.aof.3.base.rdb")
	_, err = run("rewrite", t.TempDir())
	require.ErrorAs(t, err, new(*NothingThereError))

	booted := testenv.BootFromAOF(t, server.Family, mirror.config.AOF.Dir)
	n, err := booted.Client().Get(t.Context(), "counter").Int()
	require.NoError(t, err)
	require.Equal(t, 1001, n)
}

// A failed rewrite ends --wait with the sidecar's words, and with its exit code where something is damaged.
func TestRewriteFailures(t *testing.T) {
	require.Equal(t, exitFailed, judge(&RewriteFailedError{Message: "x"}).code)
	require.Equal(t, exitCorrupt, judge(&RewriteFailedError{Message: "x", Corrupt: true}).code)
	require.Equal(t, exitFailed, judge(&admin.RemoteError{}).code)
}

func TestParseKeyPlaces(t *testing.T) {
	info := func(first, last, step int64, flags ...any) []any {
		return []any{[]any{"m.x", int64(-2), flags, first, last, step}}
	}
	for name, tc := range map[string]struct {
		answer []any
		args   string
		want   []string
	}{
		"one key":          {info(1, 1, 1, "write"), "m.x a b c", []string{"a"}},
		"all":              {info(1, -1, 1), "m.x a b c", []string{"a", "b", "c"}},
		"pairs":            {info(1, -1, 2), "m.x a 1 b 2", []string{"a", "b"}},
		"all but the last": {info(1, -2, 1), "m.x a b 0", []string{"a", "b"}},
		"none":             {info(0, 0, 0), "m.x a", nil},
		"movable":          {info(1, 1, 1, "movablekeys"), "m.x a", nil},
		"too few":          {info(2, 2, 1), "m.x a", nil},
		"no such command":  {[]any{nil}, "m.x a", nil},
		"nothing":          {nil, "m.x a", nil},
		"nonsense":         {info(1, 1, 0), "m.x a", nil},
		"a step too far":   {info(1, -1, math.MaxInt64), "m.x a b", nil},
		"a key too far":    {info(math.MaxInt64, -1, 1), "m.x a b", nil},
		"an end too far":   {info(1, math.MaxInt64, 1), "m.x a b", []string{"a", "b"}},
		"before the first": {info(1, math.MinInt64, 1), "m.x a b", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := commandKeys{known: map[string]keyPlaces{"m.x": parseKeyPlaces(tc.answer)}}
			keys, ok := c.find(bytes.Fields([]byte(tc.args)))
			require.Equal(t, tc.want != nil, ok)
			var got []string
			for _, key := range keys {
				got = append(got, string(key))
			}
			require.Equal(t, tc.want, got)
		})
	}
}

// What the upstream says of its own commands is what they do.
func TestCommandKeysOfAServer(t *testing.T) {
	server := testenv.StartServer(t, testenv.Pick(t, "redis-7.0"))
	config := mirrorConfig(t, server)
	client := upstreamAccess{config.Upstream}.client()
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	keys := newCommandKeys(client, zap.NewNop())
	for command, want := range map[string]string{
		"MSET a 1 b 2": "[a b]", "set k v": "[k]", "DEL a b c": "[a b c]", "ZUNIONSTORE d 1 a": "[]", "NOSUCH a": "[]", "PING": "[]",
	} {
		got, ok := keys.find(bytes.Fields([]byte(command)))
		require.Equal(t, want, fmt.Sprintf("%s", got), command)
		require.Equal(t, want != "[]", ok)
	}
	require.NoError(t, server.Client().Do(t.Context(), "ACL", "SETUSER", "default", "-command").Err())
	_, ok := keys.find([][]byte{[]byte("GETEX"), []byte("k")})
	require.False(t, ok)
	got, ok := keys.find([][]byte{[]byte("SET"), []byte("k")})
	require.True(t, ok, "it is remembered")
	require.Len(t, got, 1)
}
