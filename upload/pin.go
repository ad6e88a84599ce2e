package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Why a timeline is pinned.
const (
	PinGuard    = "guard"    // the full resync that ended it lost most keys
	PinOperator = "operator" // somebody asked for it
	PinDamaged  = "damaged"  // its record cannot be read: it may be either
)

// PinRecord is timelines/<id>/pin.json: while it is there, retention leaves the whole timeline alone.
type PinRecord struct {
	Reason string    `json:"reason"`
	Note   string    `json:"note,omitempty"`
	At     time.Time `json:"at"`
}

// Moment is a place before a FLUSHALL. It is written as timelines/<id>/keep/<offset>.json, and while that is there, retention leaves the base and
// the segments alone that lead up to Offset.
type Moment struct {
	Timeline string        `json:"timeline"`
	Offset   stream.Offset `json:"offset"`
}

const keepFolder = "keep/"

// maxMoments bounds how many moments of a timeline are kept: each may keep a base. Who flushes every night has the first of them, and
// the last ones by age.
const maxMoments = 8

// KeepPrefix is what the keys of a timeline's moments begin with.
func KeepPrefix(id string) string { return TimelinePrefix(id) + keepFolder }

// String is the object's key, relative to the archive's URL.
func (m Moment) String() string {
	return string(appendNumber([]byte(KeepPrefix(m.Timeline)), int64(m.Offset), offsetDigits)) + jsonSuffix
}

// ParseMoment reads what Moment.String writes; ok is false for every other name.
func ParseMoment(key string) (m Moment, ok bool) {
	id, name, ok := cutTimeline(key, keepFolder)
	if !ok {
		return Moment{}, false
	}
	name, ok = strings.CutSuffix(name, jsonSuffix)
	p := nameReader{rest: name}
	m = Moment{Timeline: id, Offset: stream.Offset(p.number(offsetDigits, maxKeyOffset))}
	if !ok || p.bad || p.rest != "" {
		return Moment{}, false
	}
	return m, true
}

// PinTimeline keeps a timeline from retention; that it is pinned already is no error, and the record stays as it is.
func PinTimeline(ctx context.Context, store Store, id string, rec PinRecord) error {
	if err := CheckTimeline(id); err != nil {
		return err
	}
	_, err := putRecord(ctx, store, PinKey(id), rec, Condition{Absent: true})
	if errors.Is(err, ErrUnconditional) {
		_, err = putRecord(ctx, store, PinKey(id), rec, Condition{})
	}
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// UnpinTimeline gives a timeline back to retention, with the moments in it that FLUSHALL made it keep. That there is no pin is no error. ErrRetained: the
// store does not let go of it.
func UnpinTimeline(ctx context.Context, store Store, id string) error {
	if err := CheckTimeline(id); err != nil {
		return err
	}
	for obj, err := range store.List(ctx, KeepPrefix(id), "") {
		if err != nil {
			return fmt.Errorf("list moments of %s: %w", id, err)
		}
		if err := store.Delete(ctx, obj.Key); err != nil {
			return fmt.Errorf("unpin %s: %w", id, err)
		}
	}
	if err := store.Delete(ctx, PinKey(id)); err != nil {
		return fmt.Errorf("unpin %s: %w", id, err)
	}
	return nil
}

// ReadPin returns why a timeline is pinned; ErrNotFound: it is not.
func ReadPin(ctx context.Context, store Store, id string) (PinRecord, error) {
	text, _, err := getRecord(ctx, store, PinKey(id))
	if err != nil {
		return PinRecord{}, err
	}
	var rec PinRecord
	if err := json.Unmarshal(text, &rec); err != nil {
		return PinRecord{}, &DamagedError{Key: PinKey(id), What: err.Error()}
	}
	return rec, nil
}
