package rulecheck

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

const (
	referenceFile  = "../../docs/reference.md"
	operationsFile = "../../docs/operations.md"
	runbook        = "https://github.com/aofsidecar/aofsidecar/blob/main/docs/operations.md#"
)

// metric is one of the table in docs/reference.md.
type metric struct {
	kind   string
	labels []string
}

// knownMetrics reads the table, which a test of the binary holds equal to what it exports.
func knownMetrics(t *testing.T) map[string]metric {
	t.Helper()
	text, err := os.ReadFile(referenceFile)
	require.NoError(t, err)
	row := regexp.MustCompile("(?m)^\\| `(aofsidecar_[a-z_]+)(?:\\{([a-z,]+)\\})?` \\| (gauge|counter|histogram) \\|")
	known := map[string]metric{
		"process_start_time_seconds": {kind: "gauge"}, // of the client library
	}
	for _, found := range row.FindAllStringSubmatch(string(text), -1) {
		var own []string
		if found[2] != "" {
			own = strings.Split(found[2], ",")
		}
		known[found[1]] = metric{found[3], own}
	}
	require.Greater(t, len(known), 50)
	return known
}

// ofTarget are labels that Prometheus adds to each series.
var ofTarget = []string{"job", "namespace", "pod", "instance"}

// checkExpr holds that an expression names metrics and labels that there are, and returns which metrics.
func checkExpr(t *testing.T, known map[string]metric, where, text string) []string {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	require.NoError(t, err, "%s", where)
	allowed := slices.Clone(ofTarget)
	var names []string
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		name := selector.Name
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if whole := strings.TrimSuffix(name, part); known[whole].kind == "histogram" {
				name = whole
				allowed = append(allowed, "le")
			}
		}
		found, ok := known[name]
		require.True(t, ok, "%s: no metric %s", where, selector.Name)
		require.Equal(t, found.kind == "histogram", name != selector.Name, "%s: %s", where, selector.Name)
		for _, matcher := range selector.LabelMatchers {
			if matcher.Name != labels.MetricName {
				require.Contains(t, append(slices.Clone(ofTarget), found.labels...), matcher.Name, "%s: label of %s", where, name)
			}
		}
		allowed = append(allowed, found.labels...)
		names = append(names, name)
		if call := enclosingCall(path); slices.Contains([]string{"rate", "increase"}, call) {
			require.NotEqual(t, "gauge", found.kind, "%s: %s of a gauge", where, call)
		} else if !slices.Contains([]string{"last_over_time", "present_over_time"}, call) { // who writes these means the number itself
			require.Equal(t, "gauge", found.kind, "%s: %s is counted since the start of a process: rate or increase", where, name)
		}
		return nil
	})
	require.NotEmpty(t, names, "%s", where)
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		var used []string
		switch n := node.(type) {
		case *parser.AggregateExpr:
			used = n.Grouping
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				used = slices.Concat(n.VectorMatching.MatchingLabels, n.VectorMatching.Include)
			}
		}
		for _, label := range used {
			require.Contains(t, allowed, label, "%s", where)
		}
		return nil
	})
	return names
}

// enclosingCall names the function around a node.
func enclosingCall(path []parser.Node) string {
	for _, node := range slices.Backward(path) {
		if call, ok := node.(*parser.Call); ok {
			return call.Func.Name
		}
	}
	return ""
}

// TestRulesNameWhatThereIs holds that each alert is made of metrics that there are, and says who should do what about it.
func TestRulesNameWhatThereIs(t *testing.T) {
	known := knownMetrics(t)
	operations, err := os.ReadFile(operationsFile)
	require.NoError(t, err)
	text, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	require.Len(t, regexp.MustCompile(`(?m)^ {8}for: \d+[mh]$`).FindAll(text, -1), len(readRules(t)), "each alert says for how long")
	var seen []string
	for _, rule := range readRules(t) {
		require.Empty(t, rule.Record, "%s: the file has alerts", rule.Record)
		require.NotContains(t, seen, rule.Alert, "twice")
		seen = append(seen, rule.Alert)
		checkExpr(t, known, rule.Alert, rule.Expr)
		require.Regexp(t, `^Aofsidecar[A-Z][A-Za-z]+$`, rule.Alert)
		require.Contains(t, []string{"critical", "warning"}, rule.Labels["severity"], "%s", rule.Alert)
		require.Regexp(t, `^[A-Z].*\.$`, rule.Annotations["summary"], "%s: summary", rule.Alert)
		require.Contains(t, rule.Annotations["description"], "$value", "%s: description", rule.Alert)
		require.Equal(t, runbook+strings.ToLower(rule.Alert), rule.Annotations["runbook_url"], "%s: runbook_url", rule.Alert)
		require.Contains(t, string(operations), "\n### "+rule.Alert+"\n", "docs/operations.md has no entry for %s", rule.Alert)
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (Aofsidecar\w+)$`).FindAllStringSubmatch(string(operations), -1) {
		require.Contains(t, seen, heading[1], "docs/operations.md has an entry for an alert that there is not")
	}
}

// TestExpressionsThatAreWrongAreFound holds that checkExpr can fail: on its own goroutine, whose failure counts for nothing here.
func TestExpressionsThatAreWrongAreFound(t *testing.T) {
	known := knownMetrics(t)
	for text, wrong := range map[string]bool{
		"aofsidecar_disk_full": false, `aofsidecar_lag_seconds{stage="received"}`: false, "rate(aofsidecar_received_bytes_total[5m])": false,
		"sum by (le) (rate(aofsidecar_fsync_duration_seconds_bucket[5m]))": false,
		"aofsidecar_disk_fuel": true, `aofsidecar_disk_full{stage="received"}`: true, "sum by (stage) (aofsidecar_disk_full)": true, "aofsidecar_received_bytes_total": true,
		"last_over_time(aofsidecar_received_bytes_total[5m])": false,
		"rate(aofsidecar_disk_full[5m])":                      true, "aofsidecar_fsync_duration_seconds": true, "aofsidecar_disk_full and on (stage) aofsidecar_disk_full": true, "1 +": true, "1": true,
	} {
		require.Equal(t, wrong, fails(func(t *testing.T) { checkExpr(t, known, "", text) }), "%s", text)
	}
}

// fails reports whether a check fails.
func fails(check func(*testing.T)) bool {
	inner, done := &testing.T{}, make(chan struct{})
	go func() {
		defer close(done) // also when FailNow ends the goroutine
		check(inner)
	}()
	<-done
	return inner.Failed()
}
