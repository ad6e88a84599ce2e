package keyspace

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// libraries are the function libraries; the zero value has none.
type libraries struct {
	byName map[string][]byte // sources
	bytes  int64             // of all of them
}

// load adds a library. It returns errFailed where the server says that the source is none, or has it already and is not to replace it.
func (l *libraries) load(source []byte, replace bool) error {
	name, ok := libraryName(source)
	if !ok {
		return errFailed
	}
	if l.byName[name] != nil && !replace {
		return errFailed
	}
	l.put(name, bytes.Clone(source))
	return nil
}

func (l *libraries) put(name string, source []byte) {
	l.remove(name)
	if l.byName == nil {
		l.byName = map[string][]byte{}
	}
	l.byName[name] = source
	l.bytes += int64(len(source))
}

func (l *libraries) remove(name string) bool {
	source, ok := l.byName[name]
	l.bytes -= int64(len(source))
	delete(l.byName, name)
	return ok
}

// join adds all libraries of the other, or none of them.
func (l *libraries) join(other *libraries, replace bool) error {
	for name := range other.byName {
		if l.byName[name] != nil && !replace {
			return errFailed
		}
	}
	for name, source := range other.byName {
		l.put(name, source)
	}
	return nil
}

// sources returns the sources, by name.
func (l *libraries) sources() [][]byte {
	list := make([][]byte, 0, len(l.byName))
	for _, name := range slices.Sorted(maps.Keys(l.byName)) {
		list = append(list, l.byName[name])
	}
	return list
}

// libraryName reads the name from the first line, "#!lua name=x" (functions.c:functionExtractLibMetaData).
func libraryName(source []byte) (name string, ok bool) {
	line, _, found := strings.Cut(string(source[:min(len(source), maxShebang)]), "\n")
	line, shebang := strings.CutPrefix(line, "#!")
	words, whole := splitArgs(line)
	if !found || !shebang || !whole || len(words) == 0 {
		return "", false
	}
	for _, word := range words[1:] {
		if len(word) < len("name=") || !strings.EqualFold(word[:len("name=")], "name=") || name != "" {
			return "", false
		}
		name = word[len("name="):]
	}
	for _, c := range []byte(name) {
		if c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return "", false
		}
	}
	return name, name != ""
}

// maxShebang is more than any first line has.
const maxShebang = 64 << 10

// splitArgs splits a line into words as a configuration file's are, with quotes around what has spaces (sds.c:sdssplitargs). That
// something may follow a closing quote directly is Valkey 9's; earlier servers take no such line.
func splitArgs(line string) (words []string, ok bool) {
	const space = " \n\r\t\v\f"
	for {
		line = strings.TrimLeft(line, space)
		if line == "" || line[0] == 0 {
			return words, true
		}
		var word []byte
		for line != "" && !strings.ContainsRune(space, rune(line[0])) && line[0] != 0 {
			quote := line[0]
			if quote != '"' && quote != '\'' {
				word = append(word, quote)
				line = line[1:]
				continue
			}
			if word, line, ok = unquoteArg(word, line[1:], quote); !ok {
				return nil, false
			}
		}
		words = append(words, string(word))
	}
}

// unquoteArg appends what stands in quotes; s begins behind the opening one.
func unquoteArg(word []byte, s string, quote byte) (unquoted []byte, rest string, ok bool) {
	for s != "" && s[0] != quote {
		n := 1
		switch {
		case s[0] != '\\' || len(s) == 1:
			word = append(word, s[0])
		case quote == '\'' && s[1] != '\'':
			word = append(word, s[0])
		case quote == '"' && s[1] == 'x' && len(s) >= 4 && isHex(s[2:4]):
			b, _ := strconv.ParseUint(s[2:4], 16, 8)
			word, n = append(word, byte(b)), 4
		default:
			word, n = append(word, escaped(s[1])), 2
		}
		s = s[n:]
	}
	if s == "" {
		return nil, "", false
	}
	return word, s[1:], true
}

func isHex(s string) bool {
	_, err := strconv.ParseUint(s, 16, 8)
	return err == nil && s[0] != '+'
}

// escaped is what a letter behind a backslash stands for.
func escaped(c byte) byte {
	if at := strings.IndexByte("nrtba", c); at >= 0 {
		return "\n\r\t\b\a"[at]
	}
	return c
}
