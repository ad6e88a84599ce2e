package upload

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRecordsKnowTheirOwnDamage: any bit of a record may change, and nobody is told something else than what was written: it is damaged, or means the same.
func TestRecordsKnowTheirOwnDamage(t *testing.T) {
	id, at := "00000001-0123abcd", time.Unix(1_700_000_000, 5).UTC()
	records := map[string]any{
		TimelineKey(id): TimelineRecord{Timeline: id, Epoch: 3, At: at},
		EpochKey(3):     EpochRecord{Epoch: 3, Holder: "h", Host: `a "host", {so called}`, At: at, Timeline: id, Offset: 1234, Older: []OlderCut{{Timeline: "t", Offset: 9}}},
		PinKey(id):      PinRecord{Reason: PinGuard, Note: `,"crc32c":"00000000"}`, At: at},
		LeaseKey():      LeaseRecord{Epoch: 3, Holder: "h", Host: "host", TTLMilli: 30_000, Beat: 7, Timeline: id, Offset: 5},
	}
	for key, rec := range records {
		t.Run(key, func(t *testing.T) {
			store := newMemStore()
			_, err := putRecord(t.Context(), store, key, rec, Condition{})
			require.NoError(t, err)
			written := store.objects[key]
			whole, _, err := getRecord(t.Context(), store, key)
			require.NoError(t, err)
			fields := func(text []byte) map[string]any {
				var all map[string]any
				require.NoError(t, json.Unmarshal(text, &all))
				delete(all, "crc32c")
				return all
			}
			want := fields(whole)
			damaged := 0
			for i := range written.body {
				for bit := range 8 {
					obj := written
					obj.body = append([]byte(nil), written.body...)
					obj.body[i] ^= 1 << bit
					store.objects[key] = obj
					text, _, err := getRecord(t.Context(), store, key)
					if err != nil {
						require.ErrorContains(t, err, key)
						require.ErrorAs(t, err, new(*DamagedError))
						damaged++
						continue
					}
					if !json.Valid(text) {
						continue // who decodes it says so
					}
					got := fields(text)
					for name := range got {
						if _, known := want[name]; !known {
							delete(got, name) // the checksum under another name, which nobody reads
						}
					}
					require.Equal(t, want, got, "bit %d of byte %d", bit, i)
				}
			}
			require.Greater(t, damaged, 8*len(written.body)*3/4)
		})
	}
}

// TestRecordsOfOthers: what an earlier version wrote, or somebody by hand, has no checksum and counts; and what we write has one field more for them.
func TestRecordsOfOthers(t *testing.T) {
	store := newMemStore()
	id := "00000001-0123abcd"
	_, err := store.put(PinKey(id), []byte("{ \"reason\": \"operator\" }"), Condition{})
	require.NoError(t, err)
	pin, err := ReadPin(t.Context(), store, id)
	require.NoError(t, err)
	require.Equal(t, PinOperator, pin.Reason)
	_, err = putRecord(t.Context(), store, TimelineKey(id), TimelineRecord{Timeline: id, Epoch: 3}, Condition{})
	require.NoError(t, err)
	var rec TimelineRecord
	require.NoError(t, json.Unmarshal(store.objects[TimelineKey(id)].body, &rec))
	require.Equal(t, TimelineRecord{Timeline: id, Epoch: 3}, rec)
}

// TestRecordInTheDocs: the record that docs/formats.md shows whole is one.
func TestRecordInTheDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/formats.md")
	require.NoError(t, err)
	shown := 0
	for line := range bytes.Lines(text) {
		if at := bytes.IndexByte(line, '{'); at >= 0 && bytes.Contains(line, []byte(sumField)) {
			require.True(t, soundRecord(line[at:]), "%s", line)
			require.True(t, json.Valid(line[at:]), "%s", line)
			shown++
		}
	}
	require.Equal(t, 1, shown)
}
