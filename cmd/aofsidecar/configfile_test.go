package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfigFileAsAWhole(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"no yaml", "upstream: {", "line 1"},
		{"tab", "upstream:\n\taddr: x", "line 2"},
		{"a list", "- upstream", "want sections"},
		{"a word", "upstream", "want sections"},
		{"two documents", "http: {}\n---\nhttp: {}\n", "more than one document"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := readConfigFile(writeConfig(t, c.text), settings())
			require.ErrorContains(t, err, c.says)
		})
	}
	_, err := readConfigFile(writeConfig(t, strings.Repeat("#", maxConfigBytes+1)), settings())
	require.ErrorContains(t, err, "larger than")
	_, err = readConfigFile(t.TempDir(), settings())
	require.ErrorContains(t, err, "read configuration")
}

func TestConfigFileThatSaysNothing(t *testing.T) {
	for _, text := range []string{"", "# a comment\n", "---\n", "~\n", "{}\n", "upstream:\naof:\n"} {
		file, err := readConfigFile(writeConfig(t, text), settings())
		require.NoError(t, err)
		require.Empty(t, file.errs)
		require.Empty(t, file.values)
	}
}

func TestConfigFileValuesAreText(t *testing.T) {
	text := "aof: {dir: 0123, increment-size: 1_000, aof-timestamp-enabled: yes}\nupstream: {addr: &a 'h:1', username: *a, password: \"\\u00e9\"}\n"
	file, err := readConfigFile(writeConfig(t, text), settings())
	require.NoError(t, err)
	require.Empty(t, file.errs)
	for key, want := range map[string]string{
		"aof.dir": "0123", "aof.increment-size": "1_000", "aof.aof-timestamp-enabled": "yes",
		"upstream.addr": "h:1", "upstream.username": "h:1", "upstream.password": "é",
	} {
		require.Equal(t, want, file.values[key].text, key)
	}
	require.Equal(t, 2, file.values["upstream.addr"].line)
}

func TestConfigFileLists(t *testing.T) {
	t.Setenv("RECIPIENT", "age1c")
	file, err := readConfigFile(writeConfig(t, "archive: {encryption: {recipients: [age1a, &b age1b, \"${RECIPIENT}\", *b]}}\n"), settings())
	require.NoError(t, err)
	require.Empty(t, file.errs)
	require.Equal(t, "age1a,age1b,age1c,age1b", file.values["archive.encryption.recipients"].text)
	for text, says := range map[string]string{
		"archive: {encryption: {recipients: [[a]]}}":            "want a list of words",
		"archive: {encryption: {recipients: [null]}}":           "want a list of words",
		"archive: {encryption: {recipients: [\"${NOT_SET}\"]}}": "NOT_SET is not set",
		"archive: {url: [a]}":                                   "want a single value",
	} {
		file, err := readConfigFile(writeConfig(t, text), settings())
		require.NoError(t, err)
		require.Len(t, file.errs, 1, text)
		require.ErrorContains(t, file.errs[0], says, text)
	}
}

func TestExpandVariables(t *testing.T) {
	variables := map[string]string{"A": "one", "B_2": "two ${A}", "EMPTY": ""}
	lookup := func(name string) (string, bool) { v, ok := variables[name]; return v, ok }
	for text, want := range map[string]string{
		"": "", "plain": "plain", "${A}": "one", "x${A}y${A}z": "xoneyonez", "${EMPTY}": "",
		"${B_2}":  "two ${A}", // once, not again
		"pa$$w$d": "pa$$w$d", "$A": "$A", "$${A}": "${A}", "$": "$", "a$${": "a${",
	} {
		got, err := expandVariables(text, lookup)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"${", "${}", "${A", "${A-b}", "${1}", "${ A}", "${C}", "x ${A} ${C}"} {
		_, err := expandVariables(text, lookup)
		require.Error(t, err, text)
	}
}

func FuzzConfigFile(f *testing.F) {
	shipped, err := os.ReadFile("../../config.yaml")
	require.NoError(f, err)
	for _, seed := range []string{
		string(shipped), "a: &a {b: *a}", "aof: &x {dir: *x}", "upstream: {tls: {tls: {}}}", "? [a]\n: b", "<<: {aof: 1}",
		"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\naof: *c", "!!binary aof: x", "aof: !!map x", "${A}: 1", "aof: {dir: '${'}",
	} {
		f.Add(seed)
	}
	known := settings()
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parseConfigFile("f", []byte(text), known)
		if err != nil {
			return
		}
		keys := map[string]bool{}
		for _, s := range known {
			keys[s.key] = true
		}
		for key := range file.values {
			require.True(t, keys[key], "unknown key %q has a value", key)
		}
	})
}

// A key with its section before it could be given beside the section, and one of the two would win unseen.
func TestDottedKeysInTheFileAreRefused(t *testing.T) {
	for _, text := range []string{"upstream.addr: redis:1", "upstream: {addr: redis:2}\nupstream.addr: redis:1", "upstream: {tls.enabled: yes}"} {
		file, err := parseConfigFile("f", []byte(text), settings())
		require.NoError(t, err)
		require.Len(t, file.errs, 1)
		require.ErrorContains(t, file.errs[0], "has a dot: write it under its section")
	}
}
