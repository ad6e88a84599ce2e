package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// EpochRecord is epochs/<epoch>.json: who took over, and what was there then. It is the first thing that a holder writes, and it fences: an
// object of a timeline which it names, that an older epoch wrote and that ends behind the offset, does not count, whenever it may arrive.
type EpochRecord struct {
	Epoch    int64         `json:"epoch"`
	Holder   string        `json:"holder"`
	Host     string        `json:"host"`
	At       time.Time     `json:"at"`
	Timeline string        `json:"timeline"` // the holder's present one
	Offset   stream.Offset `json:"offset"`   // up to where the holder found it stored without a hole, and goes on
	Older    []OlderCut    `json:"older,omitempty"`
	// Shipped is up to where timelines were confirmed, as the lease said that was there before, which nobody else remembers, or as the holder found it.
	Shipped []ShippedTo `json:"shipped,omitempty"`
}

// confirms notes up to where a timeline was confirmed.
func (r *EpochRecord) confirms(timeline string, to stream.Offset) {
	for i := range r.Shipped {
		if s := &r.Shipped[i]; s.Timeline == timeline {
			s.Offset = max(s.Offset, to)
			return
		}
	}
	r.Shipped = append(r.Shipped, ShippedTo{Timeline: timeline, Offset: to})
}

// ShippedTo is up to where a timeline was confirmed: there was a base, and all behind it up to there.
type ShippedTo struct {
	Timeline string        `json:"timeline"`
	Offset   stream.Offset `json:"offset"`
}

// OlderCut is what an epoch says of a timeline that has ended, and that the holder ships the rest of.
type OlderCut struct {
	Timeline string        `json:"timeline"`
	Offset   stream.Offset `json:"offset"`
}

// cut returns where the epoch goes on with a timeline; ok is false if it says nothing of it.
func (r *EpochRecord) cut(timeline string) (off stream.Offset, ok bool) {
	if r.Timeline == timeline {
		return r.Offset, true
	}
	for _, c := range r.Older {
		if c.Timeline == timeline {
			return c.Offset, true
		}
	}
	return 0, false
}

// readEpoch reads the record of an epoch. *DamagedError: it is none of ours.
func readEpoch(ctx context.Context, store Store, n int64) (EpochRecord, error) {
	rec, err := readRecord[EpochRecord](ctx, store, EpochKey(n))
	switch {
	case err != nil:
		return EpochRecord{}, err
	case rec.Epoch != n:
		return EpochRecord{}, &DamagedError{Key: EpochKey(n), What: fmt.Sprintf("it is about epoch %d", rec.Epoch)}
	case rec.Timeline == "":
		return EpochRecord{}, &DamagedError{Key: EpochKey(n), What: "it names no timeline"}
	}
	return rec, nil
}

// errEpochTaken says that somebody else has written our epoch: a lease was removed by hand.
var errEpochTaken = errors.New("somebody else has this epoch")

// nextEpoch returns the one behind the highest that is written down, and behind after. That names have no room for it is an error: nobody would see what it ships.
func nextEpoch(ctx context.Context, store Store, after int64) (int64, error) {
	last, err := lastEpoch(ctx, store, after)
	if err == nil && last >= maxEpoch {
		err = fmt.Errorf("no epoch is left behind %d, which nobody can have reached: see %s and %s", last, LeaseKey(), EpochsPrefix())
	}
	return last + 1, err
}

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
	if _, damaged := errors.AsType[*DamagedError](err); err != nil && !damaged {
		return err
	}
	var there EpochRecord
	if json.Unmarshal(text, &there) != nil || there.Holder != rec.Holder || there.Timeline != rec.Timeline || there.Offset != rec.Offset ||
		!slices.Equal(there.Older, rec.Older) {
		return fmt.Errorf("write epoch %d: %w", rec.Epoch, errEpochTaken)
	}
	return nil
}
