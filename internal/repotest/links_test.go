package repotest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// page is a Markdown file: where it links to, and what can be linked to in it.
type page struct {
	links   []pageLink
	anchors []string
}

type pageLink struct {
	line   int
	target string
}

var (
	linkPattern    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	codePattern    = regexp.MustCompile("`[^`]*`")
	textOfLink     = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	headingPattern = regexp.MustCompile(`^#{1,6} +(.*?) *#*$`)
)

// readPage finds links and headings outside of code.
func readPage(text string) page {
	var p page
	fenced := false
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if fenced {
			continue
		}
		if heading := headingPattern.FindStringSubmatch(line); heading != nil {
			p.anchors = append(p.anchors, p.anchor(heading[1]))
		}
		for _, link := range linkPattern.FindAllStringSubmatch(codePattern.ReplaceAllString(line, ""), -1) {
			p.links = append(p.links, pageLink{line: i + 1, target: link[1]})
		}
	}
	return p
}

// anchor returns what GitHub makes of a heading: lower case, spaces as hyphens, no punctuation, a number where there is one of the name already.
func (p *page) anchor(heading string) string {
	base := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		default:
			return -1
		}
	}, textOfLink.ReplaceAllString(heading, "$1"))
	name := base
	for n := 1; slices.Contains(p.anchors, name); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

// brokenLinks returns what the pages, by their path, link to in vain. exists says of other paths whether they are there.
func brokenLinks(pages map[string]page, exists func(path string) bool) []string {
	var broken []string
	for path, p := range pages {
		for _, link := range p.links {
			if strings.Contains(link.target, "://") || strings.HasPrefix(link.target, "mailto:") {
				continue
			}
			file, anchor, hasAnchor := strings.Cut(link.target, "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), filepath.FromSlash(file))
			}
			linked, isPage := pages[target]
			if !isPage && !exists(target) || hasAnchor && !slices.Contains(linked.anchors, anchor) {
				broken = append(broken, fmt.Sprintf("%s:%d: %s", path, link.line, link.target))
			}
		}
	}
	slices.Sort(broken)
	return broken
}

// TestLinksInPagesResolve holds that each relative link in a Markdown file leads to a file, and each anchor to a heading.
func TestLinksInPagesResolve(t *testing.T) {
	root := repository(t)
	pages := map[string]page{}
	for _, p := range Pages(t) {
		pages[p.Path] = readPage(p.Text)
	}
	require.Contains(t, pages, "README.md")
	require.NotEmpty(t, pages["README.md"].links)
	require.Empty(t, brokenLinks(pages, func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return err == nil
	}))
}

// TestIndexNamesEveryPage holds that docs/README.md links to each page beside it.
func TestIndexNamesEveryPage(t *testing.T) {
	docs := filepath.Join(repository(t), "docs")
	text, err := os.ReadFile(filepath.Join(docs, "README.md"))
	require.NoError(t, err)
	var linked []string
	for _, link := range readPage(string(text)).links {
		linked = append(linked, link.target)
	}
	names, err := filepath.Glob(filepath.Join(docs, "*.md"))
	require.NoError(t, err)
	for _, name := range names {
		if base := filepath.Base(name); base != "README.md" {
			require.Contains(t, linked, base, "docs/README.md does not lead to it")
		}
	}
}

func TestBrokenLinksAreFound(t *testing.T) {
	other := readPage("# Two words, and `code`\n## Again\n## Again\n```\n# no heading\n[no](link.md)\n```\n")
	require.Equal(t, []string{"two-words-and-code", "again", "again-1"}, other.anchors)
	require.Empty(t, other.links)
	for target, isBroken := range map[string]bool{
		"docs/other.md": false, "docs/other.md#again-1": false, "#here": false, "config.yaml": false, "https://example.org/#x": false,
		"docs/none.md": true, "docs/other.md#no-heading": true, "#there": true, "config.yaml#x": true, "other.md": true,
	} {
		pages := map[string]page{"docs/other.md": other, "page.md": readPage("# Here\n\nsee [this](" + target + "), not `[that](nowhere.md)`\n")}
		broken := brokenLinks(pages, func(path string) bool { return path == "config.yaml" })
		if isBroken {
			require.Equal(t, []string{"page.md:3: " + target}, broken)
		} else {
			require.Empty(t, broken)
		}
	}
}
