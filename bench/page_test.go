package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// blankPage is one on which nothing is measured.
func blankPage() string {
	page := "# Benchmarks\n\nBy hand.\n"
	for _, section := range append([]string{sectionSummary}, sections()...) {
		page += "\n## " + section + "\n\n" + beginsWith + section + beginsEnd + ends + "\nBy hand, too.\n"
	}
	return page
}

// TestWholeCommand runs all that `make bench` does, at a scale that says nothing of speed, and reads the page that it writes.
func TestWholeCommand(t *testing.T) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_REGION": "", "AWS_EC2_METADATA_DISABLED": ""} {
		t.Setenv(name, value) // it sets them
	}
	dir := t.TempDir()
	page, temporary := filepath.Join(dir, "benchmarks.md"), filepath.Join(dir, "temporary")
	require.NoError(t, os.WriteFile(page, []byte(blankPage()), fileMode))
	require.NoError(t, os.Mkdir(temporary, dirMode))
	require.NoError(t, execute(t.Context(), []string{
		"-sidecar", program, "-replica", testenv.Pick(t, "redis-8.0").Server(), "-page", page, "-results", filepath.Join(dir, "results"),
		"-dir", temporary, "-scale", "0.0002", "-rounds", "1",
	}, io.Discard, t.Output()))
	requireEmpty(t, temporary)

	untouched, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, blankPage(), string(untouched), "a quick look leaves the page alone")
	written, err := os.ReadFile(filepath.Join(dir, "results", "scale-0.0002", "benchmarks.md"))
	require.NoError(t, err)
	requireFilled(t, string(written))
}

// requireFilled wants each section to have a table, and each row of all tables what it should have.
func requireFilled(t *testing.T, page string) {
	t.Helper()
	require.NotContains(t, page, "not yet")
	for _, fact := range []string{" cores of ", "disk: ", "built with go", "Redis server v=", "versitygw v"} {
		require.Contains(t, page, fact)
	}
	for _, section := range append([]string{sectionSummary}, sections()...) {
		_, rest, _ := strings.Cut(page, beginsWith+section+beginsEnd)
		block, _, _ := strings.Cut(rest, ends)
		require.Contains(t, block, "\n| ", section)
		columns := 0
		for row := range strings.Lines(block) {
			if !strings.HasPrefix(row, "|") {
				columns = 0
				continue
			}
			cells := strings.Split(strings.Trim(row, "|\n"), "|")
			if columns == 0 {
				columns = len(cells)
			}
			require.Len(t, cells, columns, row)
			require.False(t, slices.ContainsFunc(cells, func(cell string) bool { return strings.TrimSpace(cell) == "" }), row)
			require.NotContains(t, row, "NaN")
			require.NotContains(t, row, "Inf")
		}
	}
}

func TestPageIsPutTogetherFromWhatIsKept(t *testing.T) {
	dir := t.TempDir()
	b := &bench{scale: 1, results: dir, page: filepath.Join(dir, "page.md"), progress: io.Discard}
	require.NoError(t, os.WriteFile(b.page, []byte(blankPage()), fileMode))
	kept := func(part, commit, cell string) {
		s := sheet{Tables: []*table{{Columns: []string{"stream", "MB/s"}, Rows: [][]string{{part, cell}}}}}
		s.sum(summed{what: part, unit: "MB/s", sidecar: 7, wanted: atMost(6)})
		require.NoError(t, b.keep(result{Part: part, Rounds: 3, Scale: 1, Load: "0.01", Machine: machine{Cores: 2, Commit: commit, Go: "go1"}, Sheet: s}))
	}
	kept("ingest-mixed", "abc", "1")
	kept("ingest-incr", "def", "2")
	require.NoError(t, b.writePage())
	kept("ingest-mixed", "fed", "3")
	require.NoError(t, b.writePage())
	page, err := os.ReadFile(b.page)
	require.NoError(t, err)
	require.Contains(t, string(page), `<!-- measured: ingest -->

| stream       | MB/s |
| ------       | ---- |
| ingest-mixed | 3    |
| ingest-incr  | 2    |

<!-- end -->

By hand, too.
`)
	for _, want := range []string{
		"- 2 cores of ", "| fed ", "| def ", "| memory           | not yet ",
		"| ingest-mixed | MB/s | -     | -           | 7       | -        | -         | <= 6   | no      |",
		"<!-- measured: rewrite -->\n<!-- end -->\n",
	} {
		require.Contains(t, string(page), want)
	}
	require.NotContains(t, string(page), "| abc ")
	require.Equal(t, 1, strings.Count(string(page), "- sidecar: built with go1"))
}

func TestPageThatIsNotPrepared(t *testing.T) {
	b := &bench{scale: 1, results: t.TempDir(), page: filepath.Join(t.TempDir(), "page.md")}
	require.ErrorIs(t, b.writePage(), os.ErrNotExist)
	require.NoError(t, os.WriteFile(b.page, []byte(strings.ReplaceAll(blankPage(), beginsWith+sectionRates, "")), fileMode))
	require.ErrorContains(t, b.writePage(), "measured: rates")
	require.NoError(t, os.WriteFile(b.resultPath(sectionMemory), []byte("{"), fileMode))
	require.ErrorContains(t, b.writePage(), "read result")
}

// TestThePageHasAllSections holds that the repository's page is one that the program can write.
func TestThePageHasAllSections(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "benchmarks.md"))
	require.NoError(t, err)
	page := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(page, text, fileMode))
	b := &bench{scale: 1, results: t.TempDir(), page: page}
	require.NoError(t, b.writePage())
}
