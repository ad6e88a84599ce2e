package observe

import (
	"strings"
	"sync"
)

// maxWord bounds a label's value that others choose, in bytes.
const maxWord = 64

// word makes a label's value of what somebody else says: the collector panics on what is no UTF-8, and keeps what it has seen.
func word(said string) string {
	return strings.ToValidUTF8(said[:min(len(said), maxWord)], "?")
}

// words are the values that a label has had, of those that others choose. Safe for concurrent use.
type words struct {
	limit int

	mu    sync.Mutex
	known map[string]struct{}
}

func newWords(limit int) *words { return &words{limit: limit, known: map[string]struct{}{}} }

// label returns said as a label's value, or "other" where there are too many already.
func (w *words) label(said string) string {
	said = word(said)
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.known[said]; !known {
		if len(w.known) >= w.limit {
			return "other"
		}
		w.known[said] = struct{}{}
	}
	return said
}
