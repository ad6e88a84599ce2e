package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The page is written by hand but for what is between two such comments, which is replaced: one pair for the summary, one for each section.
const (
	beginsWith = "<!-- measured: "
	beginsEnd  = " -->\n"
	ends       = "<!-- end -->\n"

	sectionSummary = "summary"
)

// pagePath is where the page goes: in place of the one that is given, or beside results of another scale, which are nobody's to keep.
func (b *bench) pagePath() string {
	if b.scale == 1 {
		return b.page
	}
	return filepath.Join(b.resultsDir(), filepath.Base(b.page))
}

// writePage puts the newest result of each part into the page.
func (b *bench) writePage() error {
	text, err := os.ReadFile(b.page)
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	blocks, err := b.blocks()
	if err != nil {
		return err
	}
	page := string(text)
	for _, section := range append([]string{sectionSummary}, sections()...) {
		if page, err = replaceBlock(page, section, blocks[section]); err != nil {
			return err
		}
	}
	if err := os.WriteFile(b.pagePath(), []byte(page), 0o644); err != nil { //nolint:gosec // anybody may read it
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// replaceBlock puts text between the comments of a section.
func replaceBlock(page, section, text string) (string, error) {
	begin := beginsWith + section + beginsEnd
	before, rest, found := strings.Cut(page, begin)
	_, after, ended := strings.Cut(rest, ends)
	if !found || !ended {
		return "", fmt.Errorf("the page has no %q with %q behind it", strings.TrimSpace(begin), strings.TrimSpace(ends))
	}
	return before + begin + text + ends + after, nil
}

// blocks returns what is measured of each section, from what is kept.
func (b *bench) blocks() (map[string]string, error) {
	var (
		all     []sheet
		results []result
		of      = map[string][]sheet{}
		runs    = &table{Columns: []string{"part", "measured", "commit", "scale", "rounds", "minutes", "load before", "others %"}}
	)
	for _, p := range b.allParts() {
		r, there, err := b.kept(p.String())
		if err != nil {
			return nil, err
		}
		if !there {
			runs.row(p.String(), "not yet", absent, absent, absent, absent, absent, absent)
			continue
		}
		runs.row(p.String(), r.Began.Format("2006-01-02 15:04 MST"), r.Machine.Commit, fmt.Sprintf("%g", r.Scale), fmt.Sprint(r.Rounds),
			fmt.Sprintf("%.1f", r.Seconds/60), r.Load, fmt.Sprintf("%.0f", r.Others*100))
		all, results, of[p.section] = append(all, r.Sheet), append(results, r), append(of[p.section], r.Sheet)
	}
	blocks := map[string]string{}
	for section, sheets := range of {
		var out bytes.Buffer
		if err := writeTables(&out, merge(sheets)); err != nil {
			return nil, err
		}
		blocks[section] = out.String() + "\n"
	}
	var out bytes.Buffer
	err := errors.Join(writeMachines(&out, results), writeTables(&out, []*table{summaryTable(all), runs}))
	blocks[sectionSummary] = out.String() + "\n"
	return blocks, err
}

// writeMachines tells on what all of it was measured: once, if that was the same.
func writeMachines(out io.Writer, results []result) error {
	var told []string
	for _, r := range results {
		for _, fact := range r.Machine.facts() {
			if !slices.Contains(told, fact) {
				told = append(told, fact)
			}
		}
	}
	for _, fact := range told {
		if _, err := fmt.Fprintf(out, "\n- %s", fact); err != nil {
			return fmt.Errorf("write page: %w", err)
		}
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

func writeTables(out io.Writer, tables []*table) error {
	for _, t := range tables {
		if err := t.write(out); err != nil {
			return err
		}
	}
	return nil
}
