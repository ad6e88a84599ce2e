package aof

import (
	"fmt"
	"strings"
)

// blanks is what isspace(3) answers for in the C locale, in which servers run.
const blanks = " \t\n\v\f\r"

// splitArgs cuts a line into words as sds.c:sdssplitargs does; false for a quote that is not closed, or not followed by a blank.
// The line has no NUL.
//
// A word ends at a space, tab, CR or newline. A quote may begin inside a word, and the word ends where it ends. In double quotes
// \n \r \t \a \b and \xHH are bytes and any other escaped byte is itself; in single quotes only \' is special.
func splitArgs(line string) (args []string, ok bool) {
	for {
		line = strings.TrimLeft(line, blanks)
		if line == "" {
			return args, true
		}
		var arg string
		if arg, line, ok = cutArg(line); !ok {
			return nil, false
		}
		args = append(args, arg)
	}
}

func cutArg(line string) (arg, rest string, ok bool) {
	end := strings.IndexAny(line, " \t\n\r\"'")
	if end < 0 {
		return line, "", true
	}
	if line[end] != '"' && line[end] != '\'' {
		return line[:end], line[end:], true
	}
	quoted, rest, ok := cutQuoted(line[end+1:], line[end])
	return line[:end] + quoted, rest, ok
}

// cutQuoted reads up to the closing quote.
func cutQuoted(line string, quote byte) (arg, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		c := line[i]
		if c == quote {
			rest = line[i+1:]
			return b.String(), rest, rest == "" || strings.IndexByte(blanks, rest[0]) >= 0
		}
		if c == '\\' {
			var used int
			c, used = unescape(line[i+1:], quote)
			i += used
		}
		b.WriteByte(c)
	}
	return "", "", false
}

// unescape returns what a backslash before s means, and how many bytes of s belong to it.
func unescape(s string, quote byte) (c byte, used int) {
	switch {
	case s == "" || quote == '\'' && s[0] != '\'':
		return '\\', 0
	case s[0] == 'x' && len(s) >= 3 && hexValue(s[1]) >= 0 && hexValue(s[2]) >= 0:
		return byte(hexValue(s[1])<<4 | hexValue(s[2])), 3
	}
	if i := strings.IndexByte("nrtab", s[0]); i >= 0 {
		return "\n\r\t\a\b"[i], 1
	}
	return s[0], 1
}

// hexValue returns the value of a hexadecimal digit, or -1.
func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// appendArg appends a word that splitArgs reads as s: as it is, or quoted as sds.c:sdscatrepr does. Servers leave a single quote and
// an empty word unquoted, and then cannot read them; we quote those too.
func appendArg(b []byte, s string) []byte {
	special := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`\"'`, r) }
	if s != "" && strings.IndexFunc(s, special) < 0 {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		b = appendEscaped(b, s[i])
	}
	return append(b, '"')
}

func appendEscaped(b []byte, c byte) []byte {
	switch {
	case c == '\\' || c == '"':
		return append(b, '\\', c)
	case strings.IndexByte("\n\r\t\a\b", c) >= 0:
		return append(b, '\\', "nrtab"[strings.IndexByte("\n\r\t\a\b", c)])
	case c < ' ' || c >= 0x7f:
		return fmt.Appendf(b, `\x%02x`, c)
	}
	return append(b, c)
}
