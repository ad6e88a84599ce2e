package rulecheck

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/template"
	"github.com/stretchr/testify/require"
)

const rulesFile = "../../helm/files/rules.yaml"

// readRules reads the alerts in their order.
func readRules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	groups, problems := rulefmt.Parse(text, false, model.LegacyValidation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	require.Empty(t, problems)
	var rules []rulefmt.Rule
	for _, group := range groups.Groups {
		require.Zero(t, group.Interval, "that of the server")
		rules = append(rules, group.Rules...)
	}
	require.NotEmpty(t, rules)
	return rules
}

func newEngine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		Parser: parser.NewParser(parser.Options{}),
	})
}

// firing evaluates a rule each minute, as Prometheus does, and returns of how many series it fires in each. Annotations are expanded where it does.
func firing(t *testing.T, engine *promql.Engine, rule rulefmt.Rule, m memory, minutes int) []int {
	t.Helper()
	query, err := engine.NewRangeQuery(t.Context(), m, nil, rule.Expr, time.UnixMilli(0), time.UnixMilli(int64(minutes)*step.Milliseconds()), step)
	require.NoError(t, err, "%s", rule.Alert)
	defer query.Close()
	matrix, err := query.Exec(t.Context()).Matrix()
	require.NoError(t, err, "%s", rule.Alert)
	fired := make([]int, minutes+1)
	for _, series := range matrix {
		since, last := int64(0), int64(-1)
		for _, point := range series.Floats {
			minute := point.T / step.Milliseconds()
			if minute != last+1 || last < 0 {
				since = minute
			}
			last = minute
			if time.Duration(minute-since)*step >= time.Duration(rule.For) {
				fired[minute]++
				expand(t, rule, promql.Sample{T: point.T, F: point.F, Metric: series.Metric})
			}
		}
	}
	return fired
}

// expand expands the annotations of an alert that fires.
func expand(t *testing.T, rule rulefmt.Rule, s promql.Sample) {
	t.Helper()
	data := template.AlertTemplateData(s.Metric.Map(), nil, "", s)
	for name, text := range rule.Annotations {
		text = `{{$labels := .Labels}}{{$value := .Value}}` + text
		got, err := template.NewTemplateExpander(t.Context(), text, rule.Alert, data, model.Time(s.T), nil, nil, nil).Expand()
		require.NoError(t, err, "%s: %s", rule.Alert, name)
		for _, wrong := range []string{"%!", "<no value>", "NaN", "  "} {
			require.NotContains(t, got, wrong, "%s: %s", rule.Alert, name)
		}
		require.Equal(t, strings.TrimSpace(got), got, "%s: %s", rule.Alert, name)
	}
}
