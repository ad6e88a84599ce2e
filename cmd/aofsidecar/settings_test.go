package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearest(t *testing.T) {
	candidates := []string{"upstream", "upstream.addr", "aof.appendfsync", "http.ready-lag", "logging.level"}
	for word, want := range map[string]string{
		"upstream.adr": "upstream.addr", "upstrem.addr": "upstream.addr", "aof.append-fsync": "aof.appendfsync",
		"level": "logging.level", "http.level": "logging.level", "zzz": "", "archive": "",
	} {
		got, ok := nearest(word, candidates)
		require.Equal(t, want, got, word)
		require.Equal(t, want != "", ok)
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}} {
		require.Equal(t, c.want, editDistance(c.a, c.b))
		require.Equal(t, c.want, editDistance(c.b, c.a))
	}
}

func TestSettingsCoverTheConfig(t *testing.T) {
	known := settings()
	require.NotEmpty(t, known)
	var config Config
	defaults := DefaultConfig()
	for _, s := range known {
		require.NoError(t, s.set(&config, fmt.Sprint(s.value(&defaults))), s.key)
	}
	require.Equal(t, defaults, config, "the text of each value gives the value")
}
