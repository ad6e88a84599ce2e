package upload

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// What is shipped needs a base at or before its end, and nothing missing in between.
func TestShippedOfAChain(t *testing.T) {
	for _, c := range []struct {
		name       string
		since, end stream.Offset
		bases      []stream.Offset
		want       stream.Offset
		ok         bool
	}{
		{"no base", 0, 100, nil, 0, false},
		{"a base and what follows it", 0, 100, []stream.Offset{0}, 100, true},
		{"a base ahead alone", 0, 100, []stream.Offset{200}, 0, false},
		{"a base ahead, behind a gap", 50, 100, []stream.Offset{10, 200}, 10, true},
		{"a base before a gap", 50, 100, []stream.Offset{10}, 10, true},
		{"a base behind a gap", 50, 100, []stream.Offset{10, 60}, 100, true},
		{"at the end", 50, 100, []stream.Offset{100}, 100, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			chain := chain{bases: map[stream.Offset]bool{}, since: c.since, end: c.end}
			for _, b := range c.bases {
				chain.bases[b] = true
			}
			got, ok := chain.shipped()
			require.Equal(t, c.ok, ok)
			require.Equal(t, c.want, got)
		})
	}
}
