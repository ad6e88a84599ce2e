package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// plain returns text with ? for all that a terminal would act upon or show elsewhere: much of what is printed for people was said by an upstream, a store
// or an object in it.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// plainLines is plain for a text of several lines.
func plainLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = plain(line)
	}
	return strings.Join(lines, "\n")
}

// rowsOf returns what writes a row of two columns to a table, whose Flush reports errors.
func rowsOf(table io.Writer) func(name, format string, args ...any) {
	return func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(table, "%s\t%s\n", name, plain(fmt.Sprintf(format, args...)))
	}
}
