package aof

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// maxManifestLine is the longest line that a server reads, in bytes with its newline (aof.c:MANIFEST_MAX_LINE).
const maxManifestLine = 1024

// ManifestError says why a server, or we, cannot use a manifest.
type ManifestError struct {
	Line int // from 1, as servers count; 0: the manifest as a whole
	What string
}

func (e *ManifestError) Error() string {
	if e.Line == 0 {
		return "manifest: " + e.What
	}
	return fmt.Sprintf("manifest line %d: %s", e.Line, e.What)
}

// parseManifest reads what aof.c:aofLoadManifestFromFile reads, down to a comment longer than a line, whose rest counts as the
// next line. Every error is a *ManifestError.
//
// It refuses in addition what a server takes and then cannot use: a name that is no file's ("", ".", "..", one with
// a NUL) and a number that has no next one; and values of offsets, timeline and keys that we could not believe. An endoffset, which
// Redis 8 leaves after a clean stop, is checked and forgotten: it ends to be true as soon as anyone appends.
func parseManifest(data []byte) (*manifest, error) {
	if len(data) == 0 {
		return nil, &ManifestError{What: "it is empty"}
	}
	m := &manifest{}
	for line := 1; len(data) > 0; line++ {
		text := firstLine(data)
		data = data[len(text):]
		if text[0] == '#' {
			continue
		}
		if err := m.addLine(text); err != nil {
			return nil, &ManifestError{Line: line, What: err.Error()}
		}
	}
	return m, nil
}

// firstLine cuts as fgets(3) does: after the newline, or when the server's buffer is full.
func firstLine(data []byte) []byte {
	data = data[:min(len(data), maxManifestLine)]
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return data[:i+1]
	}
	return data
}

func (m *manifest) addLine(text []byte) error {
	switch {
	case text[len(text)-1] != '\n':
		return fmt.Errorf("it does not end with a newline within %d bytes", maxManifestLine)
	case bytes.IndexByte(text, 0) >= 0:
		return errors.New("it has a NUL byte")
	}
	args, ok := splitArgs(string(text))
	switch {
	case !ok:
		return errors.New("its quotes are not balanced")
	case len(args) < 6 || len(args)%2 != 0:
		return fmt.Errorf("want at least three keys with their values, got %d words", len(args))
	}
	info, err := parseFileInfo(args)
	if err != nil {
		return err
	}
	return m.add(info)
}

func (m *manifest) add(info fileInfo) error {
	switch info.kind {
	case kindBase:
		if m.base != nil {
			return errors.New("it is a second base")
		}
		m.base = &info
	case kindHistory:
		m.history = append(m.history, info)
	case kindIncr:
		last := int64(0)
		if n := len(m.incrs); n > 0 {
			last = m.incrs[n-1].seq
		}
		if info.seq <= last {
			return fmt.Errorf("seq %d of an increment is not above %d", info.seq, last)
		}
		m.incrs = append(m.incrs, info)
	default:
		return fmt.Errorf("type %q is none of b, h and i", info.kind)
	}
	return nil
}

// parseFileInfo reads keys and values in any order. Of a required key that comes twice the last counts, as in servers.
func parseFileInfo(args []string) (fileInfo, error) {
	var info fileInfo
	var rest []pair
	for i := 0; i < len(args); i += 2 {
		key, value := args[i], args[i+1]
		switch knownKey(key) {
		case keyFile:
			if err := checkBaseName(value); err != nil {
				return fileInfo{}, err
			}
			info.name = value
		case keySeq:
			info.seq = parseSeq(value)
		case keyType:
			info.kind = firstByte(value)
		default:
			rest = append(rest, pair{key, value})
		}
	}
	switch {
	case info.name == "" || info.kind == 0:
		return fileInfo{}, errors.New("it does not have all of file, seq and type")
	case info.seq == 0:
		return fileInfo{}, errors.New("seq is 0 or no number")
	case info.seq > maxSeq:
		return fileInfo{}, errors.New("seq has no next number")
	}
	for _, p := range rest {
		if err := info.take(p); err != nil {
			return fileInfo{}, err
		}
	}
	return info, nil
}

// take reads a key that is not required. The kind is known: what only a base has means nothing elsewhere.
func (f *fileInfo) take(p pair) (err error) {
	key := knownKey(p.key)
	switch {
	case key == keyStartOffset:
		var n int64
		n, err = parseCount(key, p.value)
		f.startOffset, f.hasStart = stream.Offset(n), true
	case key == keyEndOffset:
		_, err = parseCount(key, p.value)
	case key == keyTimeline && f.kind == kindBase:
		f.timeline, err = p.value, checkBaseName(p.value)
	case key == keyKeys && f.kind == kindBase:
		f.keys, err = parseCount(key, p.value)
		f.hasKeys = true
	default:
		f.extra = append(f.extra, p)
	}
	return err
}

// knownKey returns key as servers compare it: up to a NUL, ASCII letters without case.
func knownKey(key string) string {
	key, _, _ = strings.Cut(key, "\x00")
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, key)
}

// checkBaseName refuses what is not the name of a file in the directory itself (util.c:pathIsBaseName, and more).
func checkBaseName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\\\x00") {
		return fmt.Errorf("%q is a path, not the name of a file", name)
	}
	return nil
}

// parseSeq reads a number as atoll(3) does: blanks, a sign, and digits up to anything else; 0 if there are none.
func parseSeq(s string) int64 {
	s = strings.TrimLeft(s, blanks)
	end := 0
	if end < len(s) && (s[end] == '+' || s[end] == '-') {
		end++
	}
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, _ := strconv.ParseInt(s[:end], 10, 64) // too large a number becomes the largest, and no digits are 0
	return n
}

// parseCount reads a number that we have to believe.
func parseCount(key, s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s %q is not a whole number >= 0", key, s)
	}
	return n, nil
}

func firstByte(s string) byte {
	if s == "" {
		return 0
	}
	return s[0]
}
