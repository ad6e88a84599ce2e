package main

import (
	"encoding"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The types of settings read and write themselves as text.
var (
	_ encoding.TextUnmarshaler = (*Duration)(nil)
	_ encoding.TextMarshaler   = Duration(0)
	_ encoding.TextUnmarshaler = (*Size)(nil)
	_ encoding.TextMarshaler   = Size(0)
	_ encoding.TextUnmarshaler = (*Secret)(nil)
	_ encoding.TextMarshaler   = Secret{}
)

// Duration is a time span in Go's syntax. A number without a unit is refused: redis.conf means seconds
// or milliseconds by it, depending on the key.
type Duration time.Duration

// UnmarshalText reads 500ms, 30s, 1h30m.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return fmt.Errorf("%q has no unit: write %ss, %sms or %sh", s, s, s, s)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not a duration like 500ms, 30s or 1h30m", s)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes what UnmarshalText reads, without units that are zero: 1h, not 1h0m0s.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Size is a number of bytes in redis.conf's syntax.
type Size int64

// sizeUnits are redis.conf's (util.c:memtoull), where kb is 1024 and k is 1000, and the IEC names.
func sizeUnits() map[string]int64 {
	return map[string]int64{
		"": 1, "b": 1,
		"k": 1e3, "kb": 1 << 10, "kib": 1 << 10,
		"m": 1e6, "mb": 1 << 20, "mib": 1 << 20,
		"g": 1e9, "gb": 1 << 30, "gib": 1 << 30,
		"t": 1e12, "tb": 1 << 40, "tib": 1 << 40,
	}
}

// UnmarshalText reads 64mb (2^20 each), 64m (10^6 each), 64MiB, or bytes. Case does not matter.
func (s *Size) UnmarshalText(text []byte) error {
	word := strings.ToLower(string(text))
	digits := len(word) - len(strings.TrimLeft(word, "0123456789"))
	unit, known := sizeUnits()[word[digits:]]
	if digits == 0 || !known {
		return fmt.Errorf("%q is not a size like 64mb, 1gb or 64MiB", text)
	}
	n, err := strconv.ParseInt(word[:digits], 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return fmt.Errorf("%q is more bytes than there are", text)
	}
	*s = Size(n * unit)
	return nil
}

// MarshalText writes what UnmarshalText reads, in the largest unit that is exact.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string {
	n, unit := int64(s), ""
	for _, next := range []string{"kb", "mb", "gb", "tb"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, next
	}
	return strconv.FormatInt(n, 10) + unit
}

// Bool is true or false; yes and no, redis.conf's words, mean the same.
type Bool bool

// UnmarshalText reads true, false, yes and no.
func (b *Bool) UnmarshalText(text []byte) error {
	switch string(text) {
	case "true", "yes":
		*b = true
	case "false", "no":
		*b = false
	default:
		return fmt.Errorf("%q is neither true (yes) nor false (no)", text)
	}
	return nil
}

// Secret is a word that must not be printed: every way to format or to encode it gives *** (or
// nothing, if it is empty). Reveal is the only way to the word.
type Secret struct{ word string }

const masked = "***"

// Reveal returns the word.
func (s Secret) Reveal() string { return s.word }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.word == "" }

// UnmarshalText takes any text.
func (s *Secret) UnmarshalText(text []byte) error {
	s.word = string(text)
	return nil
}

// MarshalText masks the word; JSON, YAML and zap's reflection come this way.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String masks the word.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return masked
}

// Format masks the word under every verb, %#v and %d included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// AckMode is which offset an ACK carries.
type AckMode string

// The values of upstream.ack.
const (
	AckExact  AckMode = "exact"
	AckBehind AckMode = "behind"
)

// UnmarshalText reads exact or behind.
func (m *AckMode) UnmarshalText(text []byte) error { return setWord(m, text, AckExact, AckBehind) }

// FackMode is which offset a FACK carries.
type FackMode string

// The values of upstream.fack.
const (
	FackDurable FackMode = "durable"
	FackShipped FackMode = "shipped"
)

// UnmarshalText reads durable or shipped.
func (m *FackMode) UnmarshalText(text []byte) error {
	return setWord(m, text, FackDurable, FackShipped)
}

// Compression is how objects of the archive are made smaller.
type Compression string

// The values of archive.compression.
const (
	CompressZstd Compression = "zstd"
	CompressNone Compression = "none"
)

// UnmarshalText reads zstd or none.
func (c *Compression) UnmarshalText(text []byte) error {
	return setWord(c, text, CompressZstd, CompressNone)
}

// VerifyLevel is how closely the archive is looked at.
type VerifyLevel string

// The values of archive.verify.level, each with all that the one before does.
const (
	VerifyNames VerifyLevel = "names" // that objects follow one another
	VerifyDeep  VerifyLevel = "deep"  // what is in them
	VerifyBoot  VerifyLevel = "boot"  // that a server boots from them
)

// UnmarshalText reads names, deep or boot.
func (l *VerifyLevel) UnmarshalText(text []byte) error {
	return setWord(l, text, VerifyNames, VerifyDeep, VerifyBoot)
}

// Count is a whole number.
type Count int64

// UnmarshalText reads digits.
func (c *Count) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil {
		return fmt.Errorf("%q is not a whole number", text)
	}
	*c = Count(n)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (c Count) MarshalText() ([]byte, error) { return []byte(c.String()), nil } //nolint:unparam // encoding.TextMarshaler

func (c Count) String() string { return strconv.FormatInt(int64(c), 10) }

// Words are words without spaces. A file gives them as a list, variables and flags with commas or spaces between.
type Words []string

// UnmarshalText splits at commas and white space.
func (w *Words) UnmarshalText(text []byte) error { //nolint:unparam // encoding.TextUnmarshaler
	*w = nil
	for _, word := range strings.FieldsFunc(string(text), func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		*w = append(*w, word)
	}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (w Words) MarshalText() ([]byte, error) { return []byte(w.String()), nil } //nolint:unparam // encoding.TextMarshaler

func (w Words) String() string { return strings.Join(w, ",") }

// DiskLimit is a number of bytes, or a share of the file system. The zero value is no limit.
type DiskLimit struct {
	Bytes   Size
	Percent int // of the file system; 0: Bytes counts
}

// UnmarshalText reads 80%, or a size; 0 is no limit.
func (d *DiskLimit) UnmarshalText(text []byte) error {
	if share, ok := strings.CutSuffix(string(text), "%"); ok {
		n, err := strconv.Atoi(share)
		if err != nil || n < 1 || n > 100 {
			return fmt.Errorf("%q is not a share from 1%% to 100%%", text)
		}
		*d = DiskLimit{Percent: n}
		return nil
	}
	var size Size
	if err := size.UnmarshalText(text); err != nil {
		return fmt.Errorf("%q is neither a size like 20gb nor a share like 80%%", text)
	}
	*d = DiskLimit{Bytes: size}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d DiskLimit) MarshalText() ([]byte, error) { return []byte(d.String()), nil } //nolint:unparam // encoding.TextMarshaler

func (d DiskLimit) String() string {
	if d.Percent > 0 {
		return strconv.Itoa(d.Percent) + "%"
	}
	return d.Bytes.String()
}

// FsyncPolicy is when the log is fsynced.
type FsyncPolicy string

// The values of aof.appendfsync, as in redis.conf.
const (
	FsyncAlways   FsyncPolicy = "always"
	FsyncEverySec FsyncPolicy = "everysec"
	FsyncNo       FsyncPolicy = "no"
)

// UnmarshalText reads always, everysec or no.
func (p *FsyncPolicy) UnmarshalText(text []byte) error {
	return setWord(p, text, FsyncAlways, FsyncEverySec, FsyncNo)
}

// RewriteFallback is what is done where the log cannot be folded.
type RewriteFallback string

// The values of rewrite.fallback.
const (
	FallbackKeep   RewriteFallback = "keep"
	FallbackResync RewriteFallback = "resync"
)

// UnmarshalText reads keep or resync.
func (f *RewriteFallback) UnmarshalText(text []byte) error {
	return setWord(f, text, FallbackKeep, FallbackResync)
}

// Percent is a whole number of percent, as redis.conf writes it: without a sign for it.
type Percent int64

// UnmarshalText reads 100, or 100%.
func (p *Percent) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(strings.TrimSuffix(string(text), "%"), 10, 31)
	if err != nil {
		return fmt.Errorf("%q is not a number of percent", text)
	}
	*p = Percent(n)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil } //nolint:unparam // encoding.TextMarshaler

func (p Percent) String() string { return strconv.FormatInt(int64(p), 10) }

// LogLevel is the least severity that is logged, in zap's words.
type LogLevel string

// UnmarshalText reads debug, info, warn or error.
func (l *LogLevel) UnmarshalText(text []byte) error {
	return setWord(l, text, "debug", "info", "warn", "error")
}

// LogFormat is how a log line looks.
type LogFormat string

// The values of logging.format.
const (
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

// UnmarshalText reads json or text.
func (l *LogFormat) UnmarshalText(text []byte) error { return setWord(l, text, LogJSON, LogText) }

// setWord stores text in dst if it is one of words, and otherwise names them.
func setWord[T ~string](dst *T, text []byte, words ...T) error {
	if !slices.Contains(words, T(text)) {
		names := make([]string, len(words))
		for i, word := range words {
			names[i] = string(word)
		}
		return fmt.Errorf("%q is not one of: %s", text, strings.Join(names, ", "))
	}
	*dst = T(text)
	return nil
}
