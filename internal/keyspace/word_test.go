package keyspace

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIsWord(t *testing.T) {
	for arg, want := range map[string]bool{
		"NX": true, "nX": true, "nx\x00": true, "nx\x00tail": true,
		"": false, "n": false, "nxx": false, "n\x00x": false, "xx": false,
	} {
		require.Equal(t, want, isWord([]byte(arg), "NX"), "%q", arg)
	}
}
