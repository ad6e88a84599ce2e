package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// keyLetters are those that keys are made of.
const keyLetters = "abcdefghijklmnopqrstuvwxyz.-"

// leadingKey returns what looks like a key at the beginning of a word.
func leadingKey(word string) string {
	return word[:len(word)-len(strings.TrimLeft(word, keyLetters))]
}

// shownName returns of a mistaken name what an error may repeat: people forget the = between a key and a password, or write
// something else there. What follows the key of a secret is hidden, and of other names the last part if it has what no key has.
func shownName(name string) string {
	lead := leadingKey(name)
	rest := name[len(lead):]
	secret := ""
	for _, s := range settings() {
		if s.key == lead {
			return lead
		}
		if s.secret && strings.HasPrefix(lead, s.key) {
			secret = s.key
		}
	}
	switch {
	case secret != "":
		return secret + masked
	case rest == "", strings.ContainsAny(rest[:1], " \t:="):
		return lead
	default:
		return lead[:strings.LastIndexAny(lead, ".-")+1] + masked
	}
}

// shownGiven is shownName for a word of --set, which may be nothing but a password: it needs a section or a key that is near.
func shownGiven(name string) string {
	if _, near := nearest(name, keysOf(settings())); !near && !strings.Contains(leadingKey(name), ".") {
		return masked
	}
	return shownName(name)
}

// shownVariable is shownName for the name of an environment variable.
func shownVariable(name string) string {
	rest := strings.TrimLeft(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
	if rest == "" {
		return name
	}
	return name[:len(name)-len(rest)] + masked
}

// isSetting reports whether a word that should be a path begins with a key, and more follows.
func isSetting(word string) bool {
	lead := leadingKey(word)
	if lead == word {
		return false
	}
	for _, s := range settings() {
		if s.key == lead {
			return true
		}
	}
	return false
}

// errSettingForPath is the error for such a word.
var errSettingForPath = errors.New("a path is wanted here; a setting is given by --set section.key=value")

// flagError returns pflag's error without words that may hold a secret.
func flagError(err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if letters := unknown.GetSpecifiedShortnames(); letters != "" {
			return fmt.Errorf("unknown flag: -%.1s", letters)
		}
		return fmt.Errorf("unknown flag: --%s", shownName(unknown.GetSpecifiedName()))
	}
	if _, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return errors.New("bad flag syntax: want --name or --name=value")
	}
	return err
}

// unexpected is the error for arguments that a command does not take. It must repeat none: behind a --set without = they are its value,
// which it says then.
func unexpected(cmd *cobra.Command, what string) error {
	pairs, err := cmd.Flags().GetStringArray("set")
	if err != nil {
		return fmt.Errorf("read --set: %w", err)
	}
	for _, pair := range pairs {
		if !strings.Contains(pair, "=") {
			name := shownGiven(pair)
			return &UsageError{Err: fmt.Errorf("--set %s is without a value: write --set %s=VALUE", name, name), Hint: cmd.CommandPath() + " --help"}
		}
	}
	return &UsageError{Err: errors.New(what), Hint: cmd.CommandPath() + " --help"}
}

// yamlError returns the parser's error without the only words of the file that it repeats.
func yamlError(err error) error {
	if strings.Contains(err.Error(), "anchor '") {
		return errors.New("yaml: an alias without an anchor: a value that begins with * or & needs quotes")
	}
	return err
}
