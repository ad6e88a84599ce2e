package main

import (
	"fmt"
	"strings"
)

// absent fills a cell of which there is nothing to say.
const absent = "-"

// line is a row of the summary: a number of the sidecar beside those of the plain way and of a real server.
type line struct {
	What     string `json:"what"`
	Unit     string `json:"unit"`
	Plain    string `json:"plain"`
	Server   string `json:"server"`
	Sidecar  string `json:"sidecar"`
	OfPlain  string `json:"ofPlain"` // the sidecar's by it
	OfServer string `json:"ofServer"`
	Wanted   string `json:"wanted"`
	Reached  string `json:"reached"` // "yes", "no", or absent
}

// bound is what is wanted of a number; the zero one wants nothing.
type bound struct {
	most  bool
	value float64
}

func least(value float64) bound  { return bound{value: value} }
func atMost(value float64) bound { return bound{value: value, most: true} }

func (b bound) met(value float64) bool { return (value <= b.value) == b.most || value == b.value }

func (b bound) String() string {
	if b.most {
		return fmt.Sprintf("<= %g", b.value)
	}
	return fmt.Sprintf(">= %g", b.value)
}

// against is somebody else's number, what the sidecar's is by it, and what is wanted of that; the zero one is nobody's.
type against struct {
	value, ratio float64
	wanted       bound
}

// summed is a line in numbers.
type summed struct {
	what, unit    string
	digits        int // behind the point
	sidecar       float64
	wanted        bound // of the sidecar's number itself
	plain, server against
}

// sum adds a line to the summary.
func (s *sheet) sum(n summed) {
	l := line{
		What: n.what, Unit: n.unit, Sidecar: fmt.Sprintf("%.*f", n.digits, n.sidecar),
		Plain: absent, Server: absent, OfPlain: absent, OfServer: absent, Wanted: absent, Reached: absent,
	}
	var wanted []string
	reached := true
	want := func(b bound, is float64, of string) {
		if b != (bound{}) {
			wanted, reached = append(wanted, b.String()+of), reached && b.met(is)
		}
	}
	want(n.wanted, n.sidecar, "")
	for _, other := range []struct {
		against

		name           string
		cell, byItCell *string
	}{{n.plain, "plain's", &l.Plain, &l.OfPlain}, {n.server, "server's", &l.Server, &l.OfServer}} {
		if other.value == 0 {
			continue
		}
		*other.cell, *other.byItCell = fmt.Sprintf("%.*f", n.digits, other.value), ratioText(other.ratio)
		want(other.wanted, other.ratio, " of "+other.name)
	}
	if len(wanted) > 0 {
		l.Wanted = strings.Join(wanted, "; ")
		if l.Reached = "no"; reached {
			l.Reached = "yes"
		}
	}
	s.Summary = append(s.Summary, l)
}

// ratioText keeps two or three figures.
func ratioText(ratio float64) string {
	switch {
	case ratio >= 10:
		return fmt.Sprintf("%.1f", ratio)
	case ratio < 0.1:
		return fmt.Sprintf("%.3f", ratio)
	default:
		return fmt.Sprintf("%.2f", ratio)
	}
}

// summaryTable puts the lines of all parts into one table.
func summaryTable(sheets []sheet) *table {
	t := &table{Columns: []string{"measured", "unit", "plain", "real server", "sidecar", "by plain", "by server", "wanted", "reached"}}
	for _, s := range sheets {
		for _, l := range s.Summary {
			t.row(l.What, l.Unit, l.Plain, l.Server, l.Sidecar, l.OfPlain, l.OfServer, l.Wanted, l.Reached)
		}
	}
	return t
}
