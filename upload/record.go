package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// maxRecord bounds the small JSON objects, in bytes.
const maxRecord = 64 << 10

// Takeover is the content of epochs/<epoch>.json: who began to write, and where. What older epochs have behind Offset on Timeline does not count.
type Takeover struct {
	Epoch    int64         `json:"epoch"`
	Holder   string        `json:"holder"`
	Host     string        `json:"host"`
	At       time.Time     `json:"at"`
	Timeline string        `json:"timeline"` // "": it found none
	Offset   stream.Offset `json:"offset"`   // where what is there of the timeline ends without a hole
}

// TimelineRecord is the content of timelines/<id>/timeline.json. The timeline that was created under the highest epoch, and of several such the one with the
// highest number, is the newest.
type TimelineRecord struct {
	Timeline string    `json:"timeline"`
	Epoch    int64     `json:"epoch"`
	At       time.Time `json:"at"`
}

// Pin is the content of timelines/<id>/pin.json: nothing of the timeline is deleted.
type Pin struct {
	At  time.Time `json:"at"`
	Why string    `json:"why"`
	// Guard says that the timeline after this one began with next to nothing, and that nobody said yet that this is right.
	Guard bool `json:"guard"`
	// Through is up to where the timeline is kept; 0: all of it.
	Through stream.Offset `json:"through,omitempty"`
}

// readRecord reads a small JSON object. errors.Is(err, ErrNotFound): there is none. *DamagedError: it is none of ours.
func readRecord[T any](ctx context.Context, store Store, key string) (v T, err error) {
	r, _, err := store.Get(ctx, key, 0, -1)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	data, err := io.ReadAll(io.LimitReader(r, maxRecord+1))
	if err != nil {
		return v, fmt.Errorf("read %s: %w", key, err)
	}
	if len(data) > maxRecord {
		return v, &DamagedError{Key: key, What: fmt.Sprintf("longer than %d bytes", maxRecord)}
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, &DamagedError{Key: key, What: err.Error()}
	}
	return v, nil
}
