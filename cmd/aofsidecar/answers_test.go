package main

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hostileAnswers are answers to a question beside the stream that would take all memory, or more than there is, from a parser that believes what they announce.
func hostileAnswers() map[string]string {
	return map[string]string{
		"a length past all integers": "$9223372036854775807\r\n",
		"a length of a terabyte":     "$1099511627776\r\n",
		"a length of two gigabytes":  "$2147483647\r\n",
		"an error of a terabyte":     "!1099511627776\r\n",
		"a list of 2^63":             "*9223372036854775807\r\n",
		"a list of a billion":        "*1000000000\r\n",
		"a push of a billion":        ">1000000000\r\n",
		"a map of a billion":         "%1000000000\r\n",
		"an attribute of a billion":  "|1000000000\r\n",
		"lists in lists":             strings.Repeat("*60000\r\n", 100_000),
		"nested without an end":      strings.Repeat("*1\r\n", 10<<20),
		"a line without an end":      "+" + strings.Repeat("x", 64<<20),
		"a number without an end":    "(" + strings.Repeat("7", 64<<20),
		"more and more":              "*1000\r\n" + strings.Repeat("$1048576\r\n"+strings.Repeat("x", 1<<20)+"\r\n", 100),
	}
}

// What an upstream answers to INFO and its like is bounded before it is believed: the client library makes room for what is announced.
func TestAnswersAreBounded(t *testing.T) {
	for name, answer := range hostileAnswers() {
		t.Run(name, func(t *testing.T) {
			client := upstreamAccess{UpstreamConfig{Addr: answerAlways(t, answer)}}.client()
			defer func() { require.NoError(t, client.Close()) }()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := client.Do(t.Context(), "COMMAND", "INFO", "x").Slice()
			runtime.ReadMemStats(&after)
			require.Error(t, err)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(160<<20))
		})
	}
}
