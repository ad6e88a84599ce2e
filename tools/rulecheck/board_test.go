package rulecheck

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const boardFile = "../../helm/files/dashboard.json"

// board is what of a Grafana board is checked here.
type board struct {
	UID           string  `json:"uid"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Templating    struct {
		List []struct {
			Name  string          `json:"name"`
			Type  string          `json:"type"`
			Query json.RawMessage `json:"query"`
		} `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Datasource  source `json:"datasource"`
	GridPos     struct {
		H, W, X, Y int
	} `json:"gridPos"`
	Panels  []panel `json:"panels"`
	Targets []struct {
		Datasource   source `json:"datasource"`
		Expr         string `json:"expr"`
		LegendFormat string `json:"legendFormat"`
	} `json:"targets"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

func readBoard(t *testing.T) board {
	t.Helper()
	text, err := os.ReadFile(boardFile)
	require.NoError(t, err)
	var b board
	require.NoError(t, json.NewDecoder(bytes.NewReader(text)).Decode(&b))
	return b
}

// TestBoardShowsWhatThereIs holds that each panel says what it shows, in which unit, of metrics that there are; and that every metric is on it.
func TestBoardShowsWhatThereIs(t *testing.T) {
	known := knownMetrics(t)
	b := readBoard(t)
	require.NotEmpty(t, b.UID)
	require.GreaterOrEqual(t, b.SchemaVersion, 39, "Grafana 10.4 and later")
	prometheus := source{"prometheus", "${datasource}"}
	var ids []int
	shown := map[string]bool{"process_start_time_seconds": true}
	for _, p := range b.Panels {
		require.NotEmpty(t, p.Title)
		require.NotContains(t, ids, p.ID, "%s: the number of another panel", p.Title)
		ids = append(ids, p.ID)
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, "%s", p.Title)
		if p.Type == "row" {
			require.Empty(t, p.Panels, "%s: rows are open", p.Title)
			continue
		}
		require.Regexp(t, `^[A-Z].*\.$`, p.Description, "%s", p.Title)
		require.NotEmpty(t, p.FieldConfig.Defaults.Unit, "%s", p.Title)
		require.Equal(t, prometheus, p.Datasource, "%s", p.Title)
		require.NotEmpty(t, p.Targets, "%s", p.Title)
		for _, target := range p.Targets {
			require.Equal(t, prometheus, target.Datasource, "%s", p.Title)
			names := checkExpr(t, known, p.Title, strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
			for _, name := range names {
				shown[name] = true
			}
			selectors := strings.Count(target.Expr, `{namespace=~"$namespace",instance=~"$instance"`)
			require.Equal(t, len(names), selectors, "%s: every selector takes the variables", p.Title)
			checkLegend(t, known, p.Title, target.LegendFormat, names)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		require.True(t, shown[name], "%s is on no panel", name)
	}
}

// checkLegend holds that a legend names labels that the series have.
func checkLegend(t *testing.T, known map[string]metric, where, legend string, names []string) {
	t.Helper()
	for _, found := range regexp.MustCompile(`\{\{(.*?)\}\}`).FindAllStringSubmatch(legend, -1) {
		allowed := slices.Clone(ofTarget)
		for _, name := range names {
			allowed = append(allowed, known[name].labels...)
		}
		require.Contains(t, allowed, found[1], "%s: legend", where)
	}
}

// TestPanelsDoNotOverlap holds that the board looks as it was laid out.
func TestPanelsDoNotOverlap(t *testing.T) {
	taken := map[[2]int]string{}
	for _, p := range readBoard(t).Panels {
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				cell := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				require.Empty(t, taken[cell], "%s lies on it", p.Title)
				taken[cell] = p.Title
			}
		}
	}
}

// TestBoardAsksWhichSidecars holds that its variables are there, and ask for metrics and labels that there are.
func TestBoardAsksWhichSidecars(t *testing.T) {
	known := knownMetrics(t)
	var names []string
	values := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
	for _, variable := range readBoard(t).Templating.List {
		names = append(names, variable.Name)
		if variable.Type != "query" {
			continue
		}
		var query struct{ Query string }
		require.NoError(t, json.Unmarshal(variable.Query, &query))
		found := values.FindStringSubmatch(query.Query)
		require.NotNil(t, found, "%s: %s", variable.Name, query.Query)
		checkExpr(t, known, variable.Name, found[1])
		require.Contains(t, ofTarget, found[2])
	}
	require.Equal(t, []string{"datasource", "namespace", "instance"}, names)
}
