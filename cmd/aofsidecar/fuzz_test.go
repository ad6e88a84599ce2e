package main

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// FuzzInfo: what an upstream says of itself, whatever that is, is read without harm, and there are no fewer keys than none.
func FuzzInfo(f *testing.F) {
	for _, text := range []string{
		"# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\ndb9:keys=4\r\n", "db0:keys=9223372036854775807\r\ndb1:keys=9223372036854775807\r\n",
		"db0:keys=-5\r\n", "db:keys=1\r\n", "module:name=search,ver=1\r\nmodule:name=\x1b[2J\r\n", ":\r\n", "master_replid:../../etc\r\nmaster_repl_offset:-1\r\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		info := parseInfo(text)
		require.GreaterOrEqual(t, info.keys(), int64(0))
		for _, module := range parseModules(text) {
			require.NotContains(t, module, "\n")
		}
	})
}

// FuzzCommandKeys: whatever an upstream says of a command's keys, they are arguments of that command.
func FuzzCommandKeys(f *testing.F) {
	f.Add(int64(1), int64(-1), int64(1), 5)
	f.Add(int64(1), int64(-1), int64(1)<<62, 5)
	f.Add(int64(-1)<<63, int64(1)<<62, int64(-1)<<63, 1)
	f.Fuzz(func(t *testing.T, first, last, step int64, n int) {
		args := make([][]byte, 1+min(max(n, 0), 1000))
		args[0] = []byte("m.x")
		c := commandKeys{known: map[string]keyPlaces{"m.x": parseKeyPlaces([]any{[]any{"m.x", int64(-2), nil, first, last, step}})}}
		keys, ok := c.find(args)
		require.Equal(t, ok, len(keys) > 0)
		require.Less(t, len(keys), len(args))
	})
}

// FuzzShown: what is printed of an argument, or of anybody's words, is printable.
func FuzzShown(f *testing.F) {
	for _, text := range []string{"plain", "two words", "\x1b[2J", "\r\n\t\"\\", "\xff\u202e\u009b", ""} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	f.Fuzz(func(t *testing.T, arg []byte, bare bool) {
		shown := string(appendArg(nil, arg, bare))
		require.Equal(t, -1, strings.IndexFunc(shown, func(r rune) bool { return r < ' ' || r > '~' }))
		for line := range strings.SplitSeq(plainLines(string(arg)), "\n") {
			require.Equal(t, -1, strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }))
		}
	})
}
