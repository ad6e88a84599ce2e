package aof

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

const (
	baseLine = "file a.1.base.rdb seq 1 type b\n"
	incrLine = "file a.1.incr.aof seq 1 type i\n"
)

// comment is a line of n bytes with its newline.
func comment(n int) string { return "#" + strings.Repeat("c", n-2) + "\n" }

// manifestVerdicts are texts, and what redis-check-aof 7.0 and 8.0, valkey-check-aof 8.0, 8.1 and 9.1 and the servers
// themselves say of them: they read it if refused is "". In refused is what we say.
var manifestVerdicts = map[string]struct{ text, refused string }{
	"base and increment":        {baseLine + incrLine, ""},
	"increment before base":     {incrLine + baseLine, ""},
	"base only":                 {baseLine, ""},
	"increment only":            {incrLine, ""},
	"comments":                  {"# one\n" + baseLine + "#\n" + incrLine + "# without newline", ""},
	"comments only":             {"# one\n# two\n", ""},
	"CRLF":                      {"file a seq 1 type b\r\nfile b seq 1 type i\r\n", ""},
	"blanks around":             {" \tfile\ta  seq\r1 type\t\r b \t\n", ""},
	"vertical tab in a word":    {"file a\vb seq 1 type b\n", ""},
	"vertical tab as a blank":   {"file a \v seq 1 \ftype b\n", ""},
	"extra keys":                {"file a seq 1 type b x y \"\" \"\"\n", ""},
	"keys in any order":         {"type b seq 1 file a\n", ""},
	"keys in any case":          {"FILE a sEq 1 Type b\n", ""},
	"key with a NUL":            {"\"file\\x00x\" a seq 1 type b\n", ""},
	"last of a key twice":       {"file a seq 0 type x type b seq 1\n", ""},
	"gaps in seq":               {incrLine + "file b seq 7 type i\n", ""},
	"history in any order":      {"file c seq 3 type h\nfile a seq 1 type h\n" + incrLine + "file b seq 2 type h\n", ""},
	"word as type":              {"file a seq 1 type base\n", ""},
	"number with a sign":        {"file a seq +4 type i\n", ""},
	"number with blanks":        {"file a seq \"\\t4 \" type i\n", ""},
	"number with a tail":        {"file a seq 4x type i\n", ""},
	"base below zero":           {"file a seq -4 type b\n", ""},
	"double quotes":             {`file "a \"b\x4A\xfF\n\q" seq 1 type b` + "\n", ""},
	"hex without digits":        {`file "\x4 \xzz" seq 1 type b` + "\n", ""},
	"single quotes":             {`file 'it\'s "a"' seq 1 type b` + "\n", ""},
	"quote inside a word":       {`file a"b c" seq 1 type b` + "\n", ""},
	"bytes above 127":           {"file \xff\xc3\xa9 seq 1 type b\n", ""},
	"longest line":              {"file a seq 1 type b" + strings.Repeat(" ", 1004) + "\n", ""},
	"longest comment":           {comment(1024) + baseLine, ""},
	"rest of a long comment":    {"#" + strings.Repeat("c", 1023) + baseLine, ""},
	"empty":                     {"", "manifest: it is empty"},
	"no final newline":          {"file a seq 1 type b", "manifest line 1: it does not end with a newline within 1024 bytes"},
	"no final newline, later":   {baseLine + "file b seq 1 type i", "line 2: it does not end with a newline"},
	"line too long":             {"file a seq 1 type b" + strings.Repeat(" ", 1005) + "\n", "line 1: it does not end with a newline"},
	"comment too long":          {"#" + strings.Repeat("c", 1200) + "\n" + baseLine, "line 2: want at least three keys"},
	"blank line":                {baseLine + "\n" + incrLine, "line 2: want at least three keys with their values, got 0 words"},
	"line of blanks":            {baseLine + " \t\v\n" + incrLine, "line 2: want at least"},
	"NUL byte":                  {"file a seq 1 type b\x00\n", "line 1: it has a NUL byte"},
	"too few words":             {"file a seq 1\n", "got 4 words"},
	"odd number of words":       {"file a seq 1 type b x\n", "got 7 words"},
	"no file":                   {"fil a seq 1 type b\n", "it does not have all of file, seq and type"},
	"no seq":                    {"file a sec 1 type b\n", "seq is 0 or no number"},
	"no type":                   {"file a seq 1 typ b\n", "it does not have all"},
	"key with another s":        {"file a \u017feq 1 type b\n", "seq is 0 or no number"},
	"empty type":                {"file a seq 1 type \"\"\n", "it does not have all"},
	"unknown type":              {"file a seq 1 type x\n", "type 'x' is none of b, h and i"},
	"type in upper case":        {"file a seq 1 type B\n", "type 'B' is none"},
	"seq 0":                     {"file a seq 0 type b\n", "seq is 0 or no number"},
	"seq no number":             {"file a seq x1 type b\n", "seq is 0 or no number"},
	"seq with a blank inside":   {"file a seq \"+ 1\" type b\n", "seq is 0 or no number"},
	"increment below zero":      {"file a seq -1 type i\n", "seq -1 of an increment is not above 0"},
	"seq twice":                 {incrLine + incrLine, "line 2: seq 1 of an increment is not above 1"},
	"seq falls":                 {"file a seq 3 type i\nfile b seq 2 type i\n", "line 2: seq 2 of an increment is not above 3"},
	"two bases":                 {baseLine + "file b seq 2 type b\n", "line 2: it is a second base"},
	"path":                      {"file ../a seq 1 type b\n", `"../a" is a path`},
	"path, although named anew": {"file ../a seq 1 type b file a\n", `"../a" is a path`},
	"backslash":                 {`file a\b seq 1 type b` + "\n", `"a\\b" is a path`},
	"backslash in quotes":       {`file "a\\b" seq 1 type b` + "\n", `"a\\b" is a path`},
	"open double quote":         {"file \"a seq 1 type b\n", "its quotes are not balanced"},
	"open single quote":         {"file 'a seq 1 type b\n", "its quotes are not balanced"},
	"backslash at the end":      {"file a seq 1 type \"b\\\n", "its quotes are not balanced"},
}

func TestParseManifestAsServersDo(t *testing.T) {
	for name, tt := range manifestVerdicts {
		t.Run(name, func(t *testing.T) {
			m, err := parseManifest([]byte(tt.text))
			if tt.refused == "" {
				require.NoError(t, err)
				requireRoundTrip(t, m)
				return
			}
			var manErr *ManifestError
			require.ErrorAs(t, err, &manErr)
			require.ErrorContains(t, err, tt.refused)
		})
	}
}

// What a server takes and cannot use, or what only some take: Valkey 9 lets a word go on after a closing quote.
func TestParseManifestIsStricter(t *testing.T) {
	for text, want := range map[string]string{
		"file \"\" seq 1 type b\n":                              `"" is a path`,
		"file . seq 1 type b\n":                                 `"." is a path`,
		"file .. seq 1 type b\n":                                `".." is a path`,
		"file \"a\\x00b\" seq 1 type b\n":                       `"a\x00b" is a path`,
		"file \"a\"b seq 1 type b\n":                            "not balanced",
		"file 'a'\"b\" seq 1 type b\n":                          "not balanced",
		"file a seq 9223372036854775807 type b\n":               "seq has no next number",
		"file a seq 99999999999999999999 type i\n":              "seq has no next number",
		"file a seq 1 type i startoffset -1\n":                  `startoffset "-1" is not a whole number >= 0`,
		"file a seq 1 type i startoffset 1x\n":                  "startoffset \"1x\"",
		"file a seq 1 type i startoffset 9223372036854775808\n": "startoffset \"9223372036854775808\"",
		"file a seq 1 type i startoffset 1 endoffset x\n":       "endoffset \"x\"",
		"file a seq 1 type b keys -5\n":                         "keys \"-5\"",
		"file a seq 1 type b timeline ../../x\n":                `"../../x" is a path`,
		"file a seq 1 type b timeline \"\"\n":                   `"" is a path`,
	} {
		_, err := parseManifest([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

func TestParseManifestFields(t *testing.T) {
	m, err := parseManifest([]byte(`# written by hand
keys 12 file "a b" mood 'it\'s' type b SEQ 3 TimeLine 00000002-8f1c22ab startoffset 5 "" x
file i seq 4 type i startoffset 77 endoffset 99 timeline t keys 1
file h seq 2 type h
file j seq 5 type i
`))
	require.NoError(t, err)
	require.Equal(t, &manifest{
		base: &fileInfo{
			name: "a b", seq: 3, kind: kindBase, startOffset: 5, hasStart: true, timeline: "00000002-8f1c22ab",
			keys: 12, hasKeys: true, extra: []pair{{"mood", "it's"}, {"", "x"}},
		},
		incrs: []fileInfo{
			{
				name: "i", seq: 4, kind: kindIncr, startOffset: 77, hasStart: true,
				extra: []pair{{"timeline", "t"}, {"keys", "1"}},
			},
			{name: "j", seq: 5, kind: kindIncr},
		},
		history: []fileInfo{{name: "h", seq: 2, kind: kindHistory}},
	}, m)
	require.Equal(t, `file "a b" seq 3 type b startoffset 5 timeline 00000002-8f1c22ab keys 12 mood "it's" "" x
file h seq 2 type h
file i seq 4 type i startoffset 77 timeline t keys 1
file j seq 5 type i
`, string(m.format()))
}

// The right column is what sdscatrepr makes of the left one, but for the last two.
func TestManifestQuoting(t *testing.T) {
	for s, want := range map[string]string{
		"appendonly.aof":              "appendonly.aof",
		"#!$%&()*+,-.:;<=>?@[]^`{|}~": "#!$%&()*+,-.:;<=>?@[]^`{|}~",
		"a b":                         `"a b"`,
		"a\"b\\c":                     `"a\"b\\c"`,
		"\n\r\t\a\b":                  `"\n\r\t\a\b"`,
		"\v\x00\x7f\xff":              `"\x0b\x00\x7f\xff"`,
		"é":                           `"\xc3\xa9"`,
		"it's":                        `"it's"`,
		"":                            `""`,
	} {
		require.Equal(t, want, string(appendArg(nil, s)))
		args, ok := splitArgs("x " + want)
		require.True(t, ok)
		require.Equal(t, []string{"x", s}, args)
	}
}

func TestCommentsOnlyMeansNoFiles(t *testing.T) {
	m, err := parseManifest([]byte("# nothing\n"))
	require.NoError(t, err)
	require.Equal(t, &manifest{}, m)
	require.Empty(t, m.format())
}

var endOffset = regexp.MustCompile(` endoffset \d+`)

// What the five servers wrote, with and without history and odd names, we write in the same bytes, but for endoffset.
func TestManifestsOfServers(t *testing.T) {
	files, err := filepath.Glob("testdata/manifest/*.manifest")
	require.NoError(t, err)
	require.Len(t, files, 10)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		m, err := parseManifest(text)
		require.NoError(t, err, file)
		require.Equal(t, endOffset.ReplaceAllString(string(text), ""), string(m.format()), file)
		require.Equal(t, int64(4), m.nextBaseSeq())
		require.Equal(t, int64(4), m.nextIncrSeq())

		require.NotNil(t, m.base)
		require.Len(t, m.incrs, 1)
		if strings.HasSuffix(file, "-history.manifest") {
			require.Len(t, m.history, 4)
			require.Equal(t, "appendonly.aof.3.incr.aof", m.incrs[0].name)
		} else {
			require.Equal(t, "it's é.aof.3.incr.aof", m.incrs[0].name)
		}
		redis8 := strings.Contains(file, "redis-8.0")
		require.Equal(t, redis8, m.incrs[0].hasStart)
		if redis8 {
			require.Equal(t, stream.Offset(2), m.incrs[0].startOffset)
		}
	}
}

func requireRoundTrip(t require.TestingT, m *manifest) {
	text := m.format()
	if len(text) == 0 {
		require.Equal(t, &manifest{}, m)
		return
	}
	again, err := parseManifest(text)
	require.NoError(t, err, "%q", text)
	require.Equal(t, m, again, "%q", text)
	require.Equal(t, m, m.clone())
}

func TestManifestRoundTrip(t *testing.T) {
	name := rapid.StringMatching(`[^/\\\x00]{1,40}`).Filter(func(s string) bool { return checkBaseName(s) == nil })
	word := rapid.String().Filter(func(s string) bool { return len(s) < 40 })
	extra := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pair {
		return pair{"x" + word.Draw(t, "key"), word.Draw(t, "value")}
	}), 0, 2)
	info := func(t *rapid.T, kind byte, seq int64) fileInfo {
		f := fileInfo{name: name.Draw(t, "name"), seq: seq, kind: kind}
		if f.hasStart = rapid.Bool().Draw(t, "hasStart"); f.hasStart {
			f.startOffset = stream.Offset(rapid.Int64Min(0).Draw(t, "startOffset"))
		}
		if kind == kindBase && rapid.Bool().Draw(t, "ours") {
			f.timeline, f.keys, f.hasKeys = name.Draw(t, "timeline"), rapid.Int64Min(0).Draw(t, "keys"), true
		}
		if list := extra.Draw(t, "extra"); len(list) > 0 {
			f.extra = list
		}
		return f
	}
	rapid.Check(t, func(t *rapid.T) {
		m := &manifest{}
		if rapid.Bool().Draw(t, "base") {
			base := info(t, kindBase, rapid.Int64Range(1, maxSeq).Draw(t, "seq"))
			m.base = &base
		}
		for i := range rapid.Int64Range(0, 3).Draw(t, "incrs") {
			m.incrs = append(m.incrs, info(t, kindIncr, 1+i*rapid.Int64Range(1, 1<<40).Draw(t, "gap")+i<<41))
		}
		for range rapid.IntRange(0, 2).Draw(t, "history") {
			m.history = append(m.history, info(t, kindHistory, rapid.Int64Range(1, maxSeq).Draw(t, "seq")))
		}
		requireRoundTrip(t, m)
	})
}

func TestManifestClone(t *testing.T) {
	text := []byte("file a seq 1 type b x y\nfile h seq 1 type h x y\nfile i seq 1 type i x y\n")
	m, err := parseManifest(text)
	require.NoError(t, err)
	dup := m.clone()
	require.Equal(t, m, dup)
	for _, f := range []*fileInfo{dup.base, &dup.incrs[0], &dup.history[0]} {
		f.name, f.extra[0].value = "changed", "changed"
	}
	dup.incrs = append(dup.incrs, fileInfo{name: "j", seq: 2, kind: kindIncr})
	require.Equal(t, string(text), string(m.format()))
}

func TestNextSeq(t *testing.T) {
	for text, want := range map[string][2]int64{
		"# nothing\n":            {1, 1},
		baseLine + incrLine:      {2, 2},
		baseLine:                 {2, 1},
		incrLine:                 {1, 2},
		"file a seq -5 type b\n": {1, 1},
		"file a.9.incr.aof seq 9 type h\nfile a.7.base.rdb seq 7 type h\n" + baseLine + incrLine: {8, 10},
		baseLine + incrLine + "file a.8.incr.aof seq 8 type i\n":                                 {2, 9},
	} {
		m, err := parseManifest([]byte(text))
		require.NoError(t, err)
		require.Equal(t, want, [2]int64{m.nextBaseSeq(), m.nextIncrSeq()}, text)
	}
}

func TestManifestErrorText(t *testing.T) {
	require.EqualError(t, &ManifestError{Line: 3, What: "it is bad"}, "manifest line 3: it is bad")
	require.EqualError(t, &ManifestError{What: "it is bad"}, "manifest: it is bad")
}

// FuzzParseManifest checks that anything is refused with a line number or is a manifest that we can write, read and trust.
func FuzzParseManifest(f *testing.F) {
	for _, tt := range manifestVerdicts {
		f.Add([]byte(tt.text))
	}
	files, err := filepath.Glob("testdata/manifest/*.manifest")
	require.NoError(f, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			var manErr *ManifestError
			require.ErrorAs(t, err, &manErr)
			require.LessOrEqual(t, manErr.Line, len(data))
			return
		}
		all := slices.Concat(m.history, m.incrs)
		if m.base != nil {
			all = append(all, *m.base)
		}
		for _, info := range all {
			require.Equal(t, info.name, filepath.Base(info.name))
			require.NotZero(t, info.seq)
			require.GreaterOrEqual(t, info.startOffset, stream.Offset(0))
		}
		require.Positive(t, m.nextBaseSeq())
		require.Positive(t, m.nextIncrSeq())
		for line := range strings.Lines(string(m.format())) {
			if len(line) > maxManifestLine {
				return // quoted, odd names take more room than they had
			}
		}
		requireRoundTrip(t, m)
	})
}
