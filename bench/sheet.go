package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// sheet is what one part found, in words and numbers as they are shown.
type sheet struct {
	Tables  []*table `json:"tables"`
	Summary []line   `json:"summary"`
}

// table is one table, all of whose rows have as many cells as there are columns.
type table struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// table begins a table.
func (s *sheet) table(columns ...string) *table {
	t := &table{Columns: columns}
	s.Tables = append(s.Tables, t)
	return t
}

func (t *table) row(cells ...string) { t.Rows = append(t.Rows, cells) }

// merge puts tables of the same columns together, in the order in which they come first.
func merge(sheets []sheet) []*table {
	var merged []*table
	for _, s := range sheets {
		for _, t := range s.Tables {
			i := slices.IndexFunc(merged, func(m *table) bool { return slices.Equal(m.Columns, t.Columns) })
			if i < 0 {
				i, merged = len(merged), append(merged, &table{Columns: t.Columns})
			}
			merged[i].Rows = append(merged[i].Rows, t.Rows...)
		}
	}
	return merged
}

// write prints a table as Markdown whose columns are aligned for terminals, too, behind an empty line.
func (t *table) write(w io.Writer) error {
	tabs := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	rules := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		rules[i] = strings.Repeat("-", len([]rune(column)))
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for _, cells := range slices.Concat([][]string{t.Columns, rules}, t.Rows) {
		if _, err := fmt.Fprintln(tabs, "| "+strings.Join(cells, "\t| ")+"\t|"); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
	}
	if err := tabs.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}
