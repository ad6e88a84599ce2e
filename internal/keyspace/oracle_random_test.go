package keyspace

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// checkRandom checks random sequences of what command makes.
func checkRandom(t *testing.T, w want, command *rapid.Generator[[]string]) {
	t.Helper()
	rapid.Check(t, func(rt *rapid.T) {
		checkArgs(rt, w, rapid.SliceOfN(command, 1, 40).Draw(rt, "commands"))
	})
}

// genCommand makes a command of a name and arguments.
func genCommand(name string, args ...*rapid.Generator[string]) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string {
		rapid.Bool().Draw(t, "") // rapid wants something to be drawn
		command := []string{name}
		for _, arg := range args {
			command = append(command, arg.Draw(t, name))
		}
		return command
	})
}

// genMany makes a command of a name, arguments, and then a group of arguments once or several times.
func genMany(name string, args, group []*rapid.Generator[string]) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string {
		command := []string{name}
		for _, arg := range args {
			command = append(command, arg.Draw(t, name))
		}
		for range rapid.IntRange(1, 5).Draw(t, "groups") {
			for _, arg := range group {
				command = append(command, arg.Draw(t, name))
			}
		}
		return command
	})
}

// genKey makes one of few names.
func genKey() *rapid.Generator[string] { return rapid.SampledFrom([]string{"a", "b", "{a}c", ""}) }

// genWord makes one of few texts, so that members and fields meet again.
func genWord() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "x", "y", "z", "0", "1", "-7", "007", "12345678901234567890", "\x00\xff\r\n"})
}

// genBlob makes any bytes.
func genBlob() *rapid.Generator[string] {
	return rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 100), func(b []byte) string { return string(b) })
}

// genInt makes an integer, more often one at an edge, now and then something that is none.
func genInt() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.Map(rapid.IntRange(-5, 5), strconv.Itoa),
		rapid.Map(rapid.Int64(), func(n int64) string { return strconv.FormatInt(n, 10) }),
		rapid.SampledFrom([]string{"9223372036854775807", "-9223372036854775808", "9223372036854775808", "+1", " 1", "01", "1.5", "", "x"}),
	)
}

// genIndex makes a small index, also from the end.
func genIndex() *rapid.Generator[string] { return rapid.Map(rapid.IntRange(-8, 8), strconv.Itoa) }
