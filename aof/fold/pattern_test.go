package fold

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestPatterns wants the index to find what a look at each pattern finds, and patterns that meet to be linked.
func TestPatterns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab]{0,3}\*[ab*]{0,3}`), 0, 12, rapid.ID).Draw(t, "patterns")
		key := []byte(rapid.StringMatching(`[ab*]{0,7}`).Draw(t, "key"))
		table := newKeyTable()
		table.anyTaint = true
		ids := make([]keyID, len(texts))
		for i, text := range texts {
			ids[i] = table.addPattern(1, []byte(text))
		}
		for i, text := range texts {
			require.Equal(t, ids[i], table.addPattern(1, []byte(text)))
			require.NotEqual(t, ids[i], table.addPattern(2, []byte(text)))
		}
		id, _ := table.add(1, key)
		table.linkPatterns()
		matches := false
		for i, text := range texts {
			if simpleMatch(text, string(key)) {
				matches = true
				require.Equal(t, table.root(id), table.root(ids[i]), "%q", text)
			}
		}
		require.Equal(t, matches, table.matches(1, key))
		require.False(t, table.matches(3, key))
		if !matches {
			require.Equal(t, id, table.root(id))
		}
	})
}

// simpleMatch tries all that may stand for the first *.
func simpleMatch(text, key string) bool {
	for i := range len(text) {
		if text[i] != '*' {
			continue
		}
		for from := range len(key) + 1 {
			for to := from; to <= len(key); to++ {
				if text[:i]+key[from:to]+text[i+1:] == key {
					return true
				}
			}
		}
		return false
	}
	return false
}
