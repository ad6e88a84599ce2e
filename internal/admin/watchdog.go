package admin

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Watchdog knows when each part of the process last showed that it makes progress. It is safe for concurrent use.
type Watchdog struct {
	limit time.Duration

	mu    sync.Mutex
	beats map[string]time.Time
}

// NewWatchdog returns a watchdog that calls a part stuck once it has not beaten for limit. A part is watched from its first beat.
func NewWatchdog(limit time.Duration) *Watchdog {
	return &Watchdog{limit: limit, beats: map[string]time.Time{}}
}

// Beat says that a part makes progress.
func (w *Watchdog) Beat(part string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beats[part] = time.Now()
}

// Check returns nil if every part beats, else an error that names those that do not.
func (w *Watchdog) Check() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var stuck []string
	for part, last := range w.beats {
		if silent := time.Since(last); silent > w.limit {
			stuck = append(stuck, fmt.Sprintf("%s has made no progress for %s", part, silent.Truncate(time.Second)))
		}
	}
	if len(stuck) == 0 {
		return nil
	}
	slices.Sort(stuck)
	return fmt.Errorf("stuck: %s", strings.Join(stuck, "; "))
}
