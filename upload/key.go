package upload

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// BaseKey is what the name of a base says of it:
//
//	timelines/<id>/base/<offset>-<unixms>-<epoch>-<sum>.rdb[.zst][.age]
type BaseKey struct {
	Timeline  string
	Offset    stream.Offset // of the state that it holds
	UnixMilli int64         // when that state had been received
	Epoch     int64         // of the lease under which it was written
	Sum       string        // 16 hexadecimal digits of the SHA-256 of its plain bytes
	RESP      bool          // it is commands (.aof), not an RDB
	Zstd, Age bool          // it is compressed, and then encrypted
}

// SegmentKey is what the name of a segment says of it:
//
//	timelines/<id>/incr/<from>-<to>-<unixms from>-<unixms to>-<epoch>-<sum>.aof[.zst][.age]
type SegmentKey struct {
	Timeline           string
	From, To           stream.Offset // it holds the stream bytes behind From, up to and including To; none if they are equal
	FromMilli, ToMilli int64         // when the bytes up to From, and up to To, had been received
	Epoch              int64         // of the lease under which it was written
	Sum                string        // 16 hexadecimal digits of the SHA-256 of its plain bytes
	Zstd, Age          bool          // it is compressed, and then encrypted
}

// The widths of numbers in names, in digits, and the largest numbers that fit or that we count with.
const (
	offsetDigits = 20
	milliDigits  = 13
	epochDigits  = 8
	sumDigits    = 16

	maxMilli = 1e13 - 1
	maxEpoch = 1e8 - 1
	// maxKeyOffset leaves room to count behind any offset of a name, as the log does.
	maxKeyOffset = 1 << 62
)

// What names consist of.
const (
	leaseKey        = "lease.json"
	epochsPrefix    = "epochs/"
	timelinesPrefix = "timelines/"
	baseFolder      = "base/"
	incrFolder      = "incr/"
	timelineName    = "timeline.json"
	pinName         = "pin.json"
	jsonSuffix      = ".json"
	rdbSuffix       = ".rdb"
	aofSuffix       = ".aof"
	zstdSuffix      = ".zst"
	ageSuffix       = ".age"
)

// String is the object's key, relative to the archive's URL.
func (k BaseKey) String() string {
	b := appendNumber([]byte(BasePrefix(k.Timeline)), int64(k.Offset), offsetDigits)
	b = appendNumber(append(b, '-'), k.UnixMilli, milliDigits)
	b = appendNumber(append(b, '-'), k.Epoch, epochDigits)
	b = append(append(b, '-'), k.Sum...)
	if k.RESP {
		return string(appendSuffix(b, aofSuffix, k.Zstd, k.Age))
	}
	return string(appendSuffix(b, rdbSuffix, k.Zstd, k.Age))
}

// String is the object's key, relative to the archive's URL.
func (k SegmentKey) String() string {
	b := appendNumber([]byte(SegmentPrefix(k.Timeline)), int64(k.From), offsetDigits)
	b = appendNumber(append(b, '-'), int64(k.To), offsetDigits)
	b = appendNumber(append(b, '-'), k.FromMilli, milliDigits)
	b = appendNumber(append(b, '-'), k.ToMilli, milliDigits)
	b = appendNumber(append(b, '-'), k.Epoch, epochDigits)
	b = append(append(b, '-'), k.Sum...)
	return string(appendSuffix(b, aofSuffix, k.Zstd, k.Age))
}

// ParseBaseKey reads what BaseKey.String writes; ok is false for every other name.
func ParseBaseKey(key string) (k BaseKey, ok bool) {
	id, name, ok := cutTimeline(key, baseFolder)
	if !ok {
		return BaseKey{}, false
	}
	p := nameReader{rest: name}
	k.Timeline = id
	k.Offset = stream.Offset(p.number(offsetDigits, maxKeyOffset))
	k.UnixMilli = p.number(milliDigits, maxMilli)
	k.Epoch = p.number(epochDigits, maxEpoch)
	k.Sum = p.sum()
	k.RESP = !p.suffix(rdbSuffix)
	if k.RESP && !p.suffix(aofSuffix) {
		return BaseKey{}, false
	}
	k.Zstd, k.Age = p.suffix(zstdSuffix), p.suffix(ageSuffix)
	if p.bad || p.rest != "" || k.Epoch == 0 {
		return BaseKey{}, false
	}
	return k, true
}

// ParseSegmentKey reads what SegmentKey.String writes; ok is false for every other name, and for one that ends before it begins.
func ParseSegmentKey(key string) (k SegmentKey, ok bool) {
	id, name, ok := cutTimeline(key, incrFolder)
	if !ok {
		return SegmentKey{}, false
	}
	p := nameReader{rest: name}
	k.Timeline = id
	k.From = stream.Offset(p.number(offsetDigits, maxKeyOffset))
	k.To = stream.Offset(p.number(offsetDigits, maxKeyOffset))
	k.FromMilli = p.number(milliDigits, maxMilli)
	k.ToMilli = p.number(milliDigits, maxMilli)
	k.Epoch = p.number(epochDigits, maxEpoch)
	k.Sum = p.sum()
	plain := p.suffix(aofSuffix)
	k.Zstd, k.Age = p.suffix(zstdSuffix), p.suffix(ageSuffix)
	if p.bad || !plain || p.rest != "" || k.Epoch == 0 || k.To < k.From || k.ToMilli < k.FromMilli {
		return SegmentKey{}, false
	}
	return k, true
}

// OnlyMark reports whether the segment holds no stream bytes: it says that a quiet upstream was followed until then.
func (k SegmentKey) OnlyMark() bool { return k.From == k.To }

// LeaseKey is the key of the lease.
func LeaseKey() string { return leaseKey }

// EpochsPrefix is what the keys of all epochs begin with.
func EpochsPrefix() string { return epochsPrefix }

// EpochKey is the key of the file that says who took over at an epoch.
func EpochKey(n int64) string {
	return string(appendNumber([]byte(epochsPrefix), n, epochDigits)) + jsonSuffix
}

// ParseEpochKey reads what EpochKey writes; ok is false for every other name.
func ParseEpochKey(key string) (n int64, ok bool) {
	name, ok := strings.CutPrefix(key, epochsPrefix)
	if !ok {
		return 0, false
	}
	name, ok = strings.CutSuffix(name, jsonSuffix)
	p := nameReader{rest: name}
	n = p.number(epochDigits, maxEpoch)
	return n, ok && !p.bad && p.rest == "" && n > 0
}

// TimelinesPrefix is what the keys of all timelines begin with.
func TimelinesPrefix() string { return timelinesPrefix }

// TimelinePrefix is what the keys of a timeline begin with.
func TimelinePrefix(id string) string { return timelinesPrefix + id + "/" }

// BasePrefix is what the keys of a timeline's bases begin with.
func BasePrefix(id string) string { return TimelinePrefix(id) + baseFolder }

// SegmentPrefix is what the keys of a timeline's segments begin with.
func SegmentPrefix(id string) string { return TimelinePrefix(id) + incrFolder }

// TimelineKey is the key of the file that is written when a timeline begins.
func TimelineKey(id string) string { return TimelinePrefix(id) + timelineName }

// PinKey is the key of the file whose presence keeps a timeline from retention.
func PinKey(id string) string { return TimelinePrefix(id) + pinName }

// cutTimeline returns the timeline of a key, and what follows folder in it.
func cutTimeline(key, folder string) (id, name string, ok bool) {
	rest, ok := strings.CutPrefix(key, timelinesPrefix)
	if !ok {
		return "", "", false
	}
	id, rest, ok = strings.Cut(rest, "/")
	if !ok || CheckTimeline(id) != nil {
		return "", "", false
	}
	name, ok = strings.CutPrefix(rest, folder)
	return id, name, ok
}

// The least digits of a timeline's number, and the digits of the replid behind it.
const (
	timelineDigits = 8
	timelineReplID = 8
)

// CheckTimeline reports what is wrong with a timeline's id, which is "<number>-<8 hexadecimal digits>", the number in 8 decimal digits or as
// many as it needs. Nothing else becomes a part of a path or of a key.
func CheckTimeline(id string) error {
	number, replid, ok := strings.Cut(id, "-")
	if ok && len(replid) == timelineReplID && isHex(replid) {
		n, err := strconv.ParseInt(number, 10, 64)
		if err == nil && n > 0 && fmt.Sprintf("%0*d", timelineDigits, n) == number {
			return nil
		}
	}
	return fmt.Errorf("timeline %.40q: want <number>-<%d hex digits>, as list shows it", id, timelineReplID)
}

// timelineNumber returns the number in the id of a timeline, 0 for what is none.
func timelineNumber(id string) int64 {
	number, _, _ := strings.Cut(id, "-")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// appendNumber writes n with leading zeros.
func appendNumber(b []byte, n int64, digits int) []byte {
	return fmt.Appendf(b, "%0*d", digits, n)
}

func appendSuffix(b []byte, kind string, zstd, age bool) []byte {
	b = append(b, kind...)
	if zstd {
		b = append(b, zstdSuffix...)
	}
	if age {
		b = append(b, ageSuffix...)
	}
	return b
}

// nameReader takes a name apart, field by field. After the first field that is not as we write it, bad is set and all that follows means nothing.
type nameReader struct {
	rest  string
	begun bool
	bad   bool
}

// field returns the next n bytes; a dash precedes all but the first.
func (p *nameReader) field(n int) string {
	if p.begun {
		rest, ok := strings.CutPrefix(p.rest, "-")
		p.rest, p.bad = rest, p.bad || !ok
	}
	p.begun = true
	if len(p.rest) < n {
		p.bad, p.rest = true, ""
		return ""
	}
	f := p.rest[:n]
	p.rest = p.rest[n:]
	return f
}

func (p *nameReader) number(digits int, limit int64) int64 {
	var n int64
	for _, c := range []byte(p.field(digits)) {
		if c < '0' || c > '9' || n > (limit-int64(c-'0'))/10 {
			p.bad = true
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

func (p *nameReader) sum() string {
	s := p.field(sumDigits)
	if !isHex(s) {
		p.bad = true
	}
	return s
}

func (p *nameReader) suffix(s string) bool {
	rest, ok := strings.CutPrefix(p.rest, s)
	p.rest = rest
	return ok
}
