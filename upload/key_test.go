package upload_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/upload"
)

const (
	someTimeline = "1763800000-0123abcd"
	someSum      = "00112233aabbccdd"
)

func someBase() upload.BaseKey {
	return upload.BaseKey{Timeline: someTimeline, Offset: 1234, UnixMilli: 1763800000123, Epoch: 7, Sum: someSum, Zstd: true}
}

func someSegment() upload.SegmentKey {
	return upload.SegmentKey{
		Timeline: someTimeline, From: 1234, To: 5678, FromMilli: 1763800000123, ToMilli: 1763800001123, Epoch: 7, Sum: someSum, Zstd: true,
	}
}

func TestKeysAreWrittenAsDocumented(t *testing.T) {
	base := someBase()
	require.Equal(t, "timelines/1763800000-0123abcd/base/00000000000000001234-1763800000123-00000007-00112233aabbccdd.rdb.zst", base.String())
	base.RESP, base.Zstd, base.Age = true, false, true
	require.Equal(t, "timelines/1763800000-0123abcd/base/00000000000000001234-1763800000123-00000007-00112233aabbccdd.aof.age", base.String())

	require.Equal(t, "timelines/1763800000-0123abcd/incr/00000000000000001234-00000000000000005678-1763800000123-1763800001123-00000007-"+
		"00112233aabbccdd.aof.zst", someSegment().String())

	require.Equal(t, "lease.json", upload.LeaseKey())
	require.Equal(t, "epochs/00000007.json", upload.EpochKey(7))
	require.Equal(t, "timelines/1763800000-0123abcd/timeline.json", upload.TimelineKey(someTimeline))
	require.Equal(t, "timelines/1763800000-0123abcd/pin.json", upload.PinKey(someTimeline))
}

func TestKeysRoundTrip(t *testing.T) {
	for _, sealed := range []struct{ zstd, age bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		for _, resp := range []bool{false, true} {
			want := someBase()
			want.RESP, want.Zstd, want.Age = resp, sealed.zstd, sealed.age
			got, ok := upload.ParseBaseKey(want.String())
			require.True(t, ok)
			require.Equal(t, want, got)
		}
		want := someSegment()
		want.Zstd, want.Age = sealed.zstd, sealed.age
		got, ok := upload.ParseSegmentKey(want.String())
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	n, ok := upload.ParseEpochKey(upload.EpochKey(99999999))
	require.True(t, ok)
	require.Equal(t, int64(99999999), n)
}

func TestParseBaseKeyRefuses(t *testing.T) {
	good := someBase().String()
	for name, bad := range map[string]string{
		"empty":             "",
		"a segment":         someSegment().String(),
		"other folder":      strings.Replace(good, "/base/", "/bases/", 1),
		"leaves the folder": strings.Replace(good, someTimeline, "..", 1),
		"deeper":            strings.Replace(good, "/base/", "/base/../base/", 1),
		"absolute":          "/" + good,
		"short offset":      strings.Replace(good, "00000000000000001234", "0000000000000001234", 1),
		"large offset":      strings.Replace(good, "00000000000000001234", "09223372036854775807", 1),
		"huge offset":       strings.Replace(good, "00000000000000001234", "99999999999999999999", 1),
		"signed":            strings.Replace(good, "00000000000000001234", "-0000000000000001234", 1),
		"no epoch":          strings.Replace(good, "-00000007-", "-00000000-", 1),
		"sum in upper case": strings.Replace(good, "aabbccdd", "AABBCCDD", 1),
		"no kind":           strings.TrimSuffix(good, ".rdb.zst"),
		"order of suffixes": strings.Replace(good+".age", ".zst.age", ".age.zst", 1),
		"temporary":         good + ".tmp",
		"newline":           good + "\n",
		"NUL":               good + "\x00",
		"timeline number":   strings.Replace(good, someTimeline, "0-0123abcd", 1),
		"timeline zeros":    strings.Replace(good, someTimeline, "01763800000-0123abcd", 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, ok := upload.ParseBaseKey(bad)
			require.False(t, ok, bad)
		})
	}
}

func TestParseSegmentKeyRefuses(t *testing.T) {
	good := someSegment().String()
	backwards := someSegment()
	backwards.From, backwards.To = backwards.To, backwards.From
	younger := someSegment()
	younger.FromMilli, younger.ToMilli = younger.ToMilli, younger.FromMilli
	for name, bad := range map[string]string{
		"a base":            someBase().String(),
		"backwards":         backwards.String(),
		"backwards in time": younger.String(),
		"rdb":               strings.Replace(good, ".aof", ".rdb", 1),
		"dots":              strings.Replace(good, "/incr/", "/incr/../incr/", 1),
		"no timeline":       strings.Replace(good, someTimeline+"/", "", 1),
		"letters":           strings.Replace(good, "00000000000000001234", "0000000000000000123x", 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, ok := upload.ParseSegmentKey(bad)
			require.False(t, ok, bad)
		})
	}
}

func TestParseEpochKeyRefuses(t *testing.T) {
	for _, bad := range []string{"", "epochs/", "epochs/00000000.json", "epochs/0000001.json", "epochs/000000001.json", "epochs/00000001", "00000001.json"} {
		_, ok := upload.ParseEpochKey(bad)
		require.False(t, ok, bad)
	}
}

func TestCheckTimeline(t *testing.T) {
	for _, good := range []string{"00000001-0123abcd", "99999999-00000000", "1763800000-ffffffff"} {
		require.NoError(t, upload.CheckTimeline(good))
	}
	for _, bad := range []string{
		"", "-", ".", "..", "../00000001-0123abcd", "00000001-0123abcd/", "1-0123abcd", "00000000-0123abcd", "00000001-0123ABCD",
		"00000001-0123abc", "00000001-0123abcdef", "+0000001-0123abcd", "00000001-????????", "99999999999999999999-0123abcd",
	} {
		require.Error(t, upload.CheckTimeline(bad), bad)
	}
}

// FuzzParseKeys: what is accepted is what String writes.
func FuzzParseKeys(f *testing.F) {
	f.Add(someBase().String())
	f.Add(someSegment().String())
	f.Add(upload.EpochKey(1))
	f.Add(upload.TimelineKey(someTimeline))
	f.Add("timelines/../base/" + strings.Repeat("9", 20))
	f.Add(strings.Repeat("timelines/", 1000))
	f.Fuzz(func(t *testing.T, key string) {
		base, isBase := upload.ParseBaseKey(key)
		if isBase {
			require.Equal(t, key, base.String())
			require.NoError(t, upload.CheckTimeline(base.Timeline))
			require.GreaterOrEqual(t, base.Offset, base.Offset*0)
		}
		segment, isSegment := upload.ParseSegmentKey(key)
		if isSegment {
			require.Equal(t, key, segment.String())
			require.NoError(t, upload.CheckTimeline(segment.Timeline))
			require.GreaterOrEqual(t, segment.To, segment.From)
		}
		n, isEpoch := upload.ParseEpochKey(key)
		if isEpoch {
			require.Equal(t, key, upload.EpochKey(n))
		}
		require.False(t, isBase && isSegment || isBase && isEpoch || isSegment && isEpoch)
	})
}
