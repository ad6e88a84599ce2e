package upload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
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

// sumField is the last field of a record: the CRC32C of the bytes in front of it, in 8 hexadecimal digits. It cannot be within a string, where quotes are escaped.
const sumField = `,"crc32c":"`

// sumRecord puts the checksum behind the fields of an object, which has some.
func sumRecord(text []byte) []byte {
	fields := bytes.TrimSuffix(text, []byte("}"))
	return fmt.Appendf(fields, `%s%08x"}`, sumField, crc32.Checksum(fields, castagnoli()))
}

// soundRecord reports whether a record is what its checksum says. One without a checksum is taken as it is: versions before wrote none, and nor does who writes one by hand.
func soundRecord(text []byte) bool {
	at := bytes.LastIndex(text, []byte(sumField))
	if at < 0 {
		return true
	}
	want := fmt.Appendf(nil, `%s%08x"}`, sumField, crc32.Checksum(text[:at], castagnoli()))
	return bytes.Equal(bytes.TrimSpace(text[at:]), want)
}
