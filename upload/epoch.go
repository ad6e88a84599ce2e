package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// EpochRecord is epochs/<epoch>.json: who took over, and what was there then. It is the first thing that a holder writes, and it fences: an
// object of that timeline which an older epoch wrote, and which ends behind Offset, does not count, whenever it may arrive.
type EpochRecord struct {
	Epoch    int64         `json:"epoch"`
	Holder   string        `json:"holder"`
	Host     string        `json:"host"`
	At       time.Time     `json:"at"`
	Timeline string        `json:"timeline"`
	Offset   stream.Offset `json:"offset"` // up to where the holder found the timeline stored without a hole, and goes on
}

// errEpochTaken says that somebody else has written our epoch: a lease was removed by hand.
var errEpochTaken = errors.New("somebody else has this epoch")

// lastEpoch returns the highest epoch that is written down, at least after.
func lastEpoch(ctx context.Context, store Store, after int64) (int64, error) {
	from := ""
	if after > 0 {
		from = EpochKey(after)
	}
	for obj, err := range store.List(ctx, EpochsPrefix(), from) {
		if err != nil {
			return 0, fmt.Errorf("list epochs: %w", err)
		}
		if n, ok := ParseEpochKey(obj.Key); ok {
			after = max(after, n)
		}
	}
	return after, nil
}

// writeEpoch writes a record that must not be there yet, but by a try of ours whose answer got lost.
func writeEpoch(ctx context.Context, store Store, rec EpochRecord) error {
	_, err := putRecord(ctx, store, EpochKey(rec.Epoch), rec, Condition{Absent: true})
	if !errors.Is(err, ErrExists) {
		return err
	}
	text, _, err := getRecord(ctx, store, EpochKey(rec.Epoch))
	if err != nil {
		return err
	}
	var there EpochRecord
	if json.Unmarshal(text, &there) != nil || there.Holder != rec.Holder || there.Timeline != rec.Timeline || there.Offset != rec.Offset {
		return fmt.Errorf("write epoch %d: %w", rec.Epoch, errEpochTaken)
	}
	return nil
}
