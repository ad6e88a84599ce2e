package main

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
)

// envPrefix begins the name of every environment variable that is ours.
const envPrefix = "AOFSIDECAR_"

// setting is one leaf of [Config]: a key that can be given in the file, the environment or a flag.
type setting struct {
	key   string // dotted: aof.increment-size
	env   string // AOFSIDECAR_AOF_INCREMENT_SIZE
	index []int  // of the field, for reflect

	secret bool // its value is shown nowhere
	list   bool // a file may give a list
}

// settings lists the leaves of Config in the order of its fields.
func settings() []setting { return appendSettings(nil, reflect.TypeFor[Config](), "", nil) }

func appendSettings(out []setting, t reflect.Type, prefix string, index []int) []setting {
	for i := range t.NumField() {
		field := t.Field(i)
		key := prefix + field.Tag.Get("yaml")
		path := append(append([]int(nil), index...), i)
		isLeaf := field.Type.Kind() != reflect.Struct || reflect.PointerTo(field.Type).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
		if !isLeaf {
			out = appendSettings(out, field.Type, key+".", path)
			continue
		}
		env := envPrefix + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(key))
		out = append(out, setting{key: key, env: env, index: path, secret: field.Type == reflect.TypeFor[Secret](), list: field.Type == reflect.TypeFor[Words]()})
	}
	return out
}

// keysOf returns the keys of settings.
func keysOf(all []setting) []string {
	keys := make([]string, len(all))
	for i, s := range all {
		keys[i] = s.key
	}
	return keys
}

// set parses text into the setting's field of c.
func (s setting) set(c *Config, text string) error {
	field := reflect.ValueOf(c).Elem().FieldByIndex(s.index).Addr().Interface()
	switch field := field.(type) {
	case *string:
		*field = text
		return nil
	case encoding.TextUnmarshaler:
		return field.UnmarshalText([]byte(text))
	default:
		return fmt.Errorf("a %T cannot be set", field)
	}
}

// value returns the setting's field of c.
func (s setting) value(c *Config) any {
	return reflect.ValueOf(c).Elem().FieldByIndex(s.index).Interface()
}

// nearest returns the candidate that a mistyped word most likely meant; ok is false if none is close.
// A candidate that ends in the same last part (after a dot) counts as close: right key, wrong section.
func nearest(word string, candidates []string) (best string, ok bool) {
	limit := max(2, len(word)/3)
	bestDistance := limit + 1
	for _, candidate := range candidates {
		distance := editDistance(word, candidate)
		if lastPart(word) == lastPart(candidate) {
			distance = min(distance, limit)
		}
		if distance < bestDistance {
			best, bestDistance = candidate, distance
		}
	}
	return best, best != ""
}

func lastPart(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// editDistance is Levenshtein's: how many bytes to insert, delete or change to make a of b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
