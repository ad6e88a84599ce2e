package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxConfigBytes bounds the file: a configuration is a page, not a data set.
const maxConfigBytes = 1 << 20

// fileValue is a scalar of the configuration file, variables expanded.
type fileValue struct {
	text string
	line int
}

// configFile is what a configuration file says, by dotted key.
type configFile struct {
	path   string
	values map[string]fileValue
	errs   []*KeyError
}

// readConfigFile reads the file at path. The error is about the file as a whole: it cannot be read, or is no
// YAML. What is wrong with single keys is in errs: unknown, given twice, no single value, a variable that is not set.
func readConfigFile(path string, known []setting) (*configFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer func() { _ = file.Close() }() // read only: nothing to lose
	text, err := io.ReadAll(io.LimitReader(file, maxConfigBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > maxConfigBytes {
		return nil, fmt.Errorf("read configuration %s: larger than %d bytes", path, maxConfigBytes)
	}
	return parseConfigFile(path, text, known)
}

func parseConfigFile(path string, text []byte, known []setting) (*configFile, error) {
	out := &configFile{path: path, values: map[string]fileValue{}}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return out, nil // nothing but comments: all defaults
	} else if err != nil {
		return nil, fmt.Errorf("parse configuration %s: %w", path, yamlError(err))
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("parse configuration %s: more than one document", path)
	}
	root := document.Content[0]
	switch {
	case root.Kind == yaml.MappingNode:
		walker := fileWalker{file: out, leaves: map[string]bool{}, lists: map[string]bool{}, sections: map[string]bool{}}
		for _, s := range known {
			walker.add(s.key)
			walker.lists[s.key] = s.list
		}
		walker.mapping(root, "")
	case root.ShortTag() != "!!null":
		return nil, fmt.Errorf("parse configuration %s: line %d: want sections like `upstream:`", path, root.Line)
	}
	return out, nil
}

// fileWalker takes a YAML tree apart against the known keys.
type fileWalker struct {
	file     *configFile
	leaves   map[string]bool
	lists    map[string]bool // the leaves that may be sequences
	sections map[string]bool
}

func (w *fileWalker) add(key string) {
	w.leaves[key] = true
	for i, c := range key {
		if c == '.' {
			w.sections[key[:i]] = true
		}
	}
}

func (w *fileWalker) fail(key string, line int, format string, args ...any) {
	where := fmt.Sprintf("%s:%d", w.file.path, line)
	w.file.errs = append(w.file.errs, &KeyError{Key: shownName(key), Where: where, Err: fmt.Errorf(format, args...)})
}

func (w *fileWalker) mapping(node *yaml.Node, prefix string) {
	firstLine := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		key := prefix + name.Value
		if line, twice := firstLine[key]; twice {
			w.fail(key, name.Line, "given twice, first in line %d", line)
			continue
		}
		firstLine[key] = name.Line
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		switch {
		case w.leaves[key] && strings.Contains(name.Value, "."):
			w.fail(key, name.Line, "has a dot: write it under its section")
		case w.leaves[key]:
			w.leaf(key, name.Line, value)
		case w.sections[key]:
			w.section(key, name.Line, value)
		default:
			w.unknown(key, name.Line)
		}
	}
}

func (w *fileWalker) leaf(key string, line int, value *yaml.Node) {
	if value.Kind == yaml.SequenceNode && w.lists[key] {
		w.list(key, line, value)
		return
	}
	if value.Kind != yaml.ScalarNode {
		w.fail(key, line, "want a single value")
		return
	}
	if value.ShortTag() == "!!null" {
		w.fail(key, line, `has no value: write one, or "" for an empty one, or leave the key out`)
		return
	}
	text, err := expandVariables(value.Value, os.LookupEnv)
	if err != nil {
		w.fail(key, line, "%w", err)
		return
	}
	w.file.values[key] = fileValue{text: text, line: line}
}

// list takes a sequence of words.
func (w *fileWalker) list(key string, line int, value *yaml.Node) {
	words := make([]string, 0, len(value.Content))
	for _, node := range value.Content {
		if node.Kind == yaml.AliasNode {
			node = node.Alias
		}
		if node.Kind != yaml.ScalarNode || node.ShortTag() == "!!null" {
			w.fail(key, line, "want a list of words")
			return
		}
		text, err := expandVariables(node.Value, os.LookupEnv)
		if err != nil {
			w.fail(key, line, "%w", err)
			return
		}
		words = append(words, text)
	}
	w.file.values[key] = fileValue{text: strings.Join(words, ","), line: line}
}

func (w *fileWalker) section(key string, line int, value *yaml.Node) {
	switch {
	case value.Kind == yaml.MappingNode:
		w.mapping(value, key+".")
	case value.ShortTag() != "!!null":
		w.fail(key, line, "is a section: its keys belong under it")
	}
}

func (w *fileWalker) unknown(key string, line int) {
	candidates := make([]string, 0, len(w.leaves)+len(w.sections))
	for leaf := range w.leaves {
		candidates = append(candidates, leaf)
	}
	for section := range w.sections {
		candidates = append(candidates, section)
	}
	w.fail(key, line, "%w", unknownKey(key, candidates))
}

// unknownKey is the error for a name that is none of the candidates.
func unknownKey(name string, candidates []string) error {
	if best, ok := nearest(name, candidates); ok {
		return fmt.Errorf("unknown key, did you mean %s?", best)
	}
	return errors.New("unknown key")
}

// expandVariables replaces ${NAME} by the variable's value, once: values are not expanded again. A lone $ stays,
// passwords have them; $${ stands for a literal ${. A variable that is not set is an error, an empty one is not.
func expandVariables(text string, lookup func(string) (string, bool)) (string, error) {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "${")
		if !found {
			out.WriteString(text)
			return out.String(), nil
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(escaped + "${")
			text = after
			continue
		}
		name, rest, closed := strings.Cut(after, "}")
		if !closed || !isVariableName(name) {
			return "", errors.New("${ does not begin a variable like ${NAME}: write $${ for the characters themselves")
		}
		value, set := lookup(name)
		if !set {
			return "", fmt.Errorf("the variable %s is not set", shownVariable(name))
		}
		out.WriteString(before + value)
		text = rest
	}
}

func isVariableName(name string) bool {
	for i, c := range name {
		letter := c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
		digit := c >= '0' && c <= '9'
		if !letter && (!digit || i == 0) {
			return false
		}
	}
	return name != ""
}
