package upload

import (
	"context"
	"encoding/json"
	"time"
)

// TimelineRecord is timelines/<id>/timeline.json. The timeline that was created under the highest epoch, and of several such the one with the
// highest number, is the newest.
type TimelineRecord struct {
	Timeline string    `json:"timeline"`
	Epoch    int64     `json:"epoch"`
	At       time.Time `json:"at"`
}

// readRecord reads a small JSON object. errors.Is(err, ErrNotFound): there is none. *DamagedError: it is none of ours.
func readRecord[T any](ctx context.Context, store Store, key string) (v T, err error) {
	text, _, err := getRecord(ctx, store, key)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return v, &DamagedError{Key: key, What: err.Error()}
	}
	return v, nil
}
