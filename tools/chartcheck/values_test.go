package chartcheck

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	yaml3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the table of values in helm/README.md")

// value is a documented value of the chart: the line above it begins with "# -- ".
type value struct {
	path    []string
	meaning string
	given   any // its default
}

func (v value) key() string { return strings.Join(v.path, ".") }

// values are those of values.yaml, in its order. Each scalar and each list must be documented, or be within something that is.
func values(tb testing.TB) []value {
	tb.Helper()
	text, err := os.ReadFile(chart + "/values.yaml")
	require.NoError(tb, err)
	var document yaml3.Node
	require.NoError(tb, yaml3.Unmarshal(text, &document))
	return walk(tb, document.Content[0], nil)
}

func walk(tb testing.TB, mapping *yaml3.Node, path []string) []value {
	tb.Helper()
	var found []value
	for i := 0; i < len(mapping.Content); i += 2 {
		name, node := mapping.Content[i], mapping.Content[i+1]
		at := append(slices.Clone(path), name.Value)
		lines := strings.Split(name.HeadComment, "\n")
		if meaning, ok := strings.CutPrefix(lines[len(lines)-1], "# -- "); ok {
			var given any
			require.NoError(tb, node.Decode(&given))
			found = append(found, value{path: at, meaning: meaning, given: given})
			continue
		}
		require.Equalf(tb, yaml3.MappingNode, node.Kind, "%s has no line that begins with # -- above it", strings.Join(at, "."))
		found = append(found, walk(tb, node, at)...)
	}
	return found
}

const (
	tableBegin = "<!-- values -->\n"
	tableEnd   = "<!-- /values -->"
)

// TestReadme holds the table of README.md equal to values.yaml.
func TestReadme(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteString("| value | default | meaning |\n|---|---|---|\n")
	for _, v := range values(t) {
		given, err := json.Marshal(v.given)
		require.NoError(t, err)
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", v.key(), given, v.meaning)
	}
	const path = chart + "/README.md"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), tableBegin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, tableEnd)
	require.True(t, found)
	want := before + tableBegin + table.String() + tableEnd + after
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(text), "Try: go -C tools/chartcheck test -run TestReadme -update")
}

// others are values that a value is changed to, where its kind does not tell one.
var others = map[string]any{
	"config": map[string]any{"logging": map[string]any{"level": "debug"}}, "image.pullPolicy": "Never", "server.image.pullPolicy": "Never",
	"image.digest": "sha256:" + strings.Repeat("ab", 32), "server.image.digest": "sha256:" + strings.Repeat("ab", 32),
	"persistence.accessModes": []string{"ReadWriteMany"}, "server.persistence.accessModes": []string{"ReadWriteMany"},
	"persistence.size": "77Gi", "server.persistence.size": "77Gi", "server.service.type": "NodePort", "podManagementPolicy": "OrderedReady",
	"terminationGracePeriodSeconds": 999, "podDisruptionBudget.minAvailable": "50%", "imagePullSecrets": []any{map[string]any{"name": "other"}},
	"restore.args": []string{"--parallelism=3"}, "extraArgs": []string{"--log-level=warn"}, "server.extraArgs": []string{"--maxclients", "77"},
	"server.extraConfig": "maxclients 77", "metrics.serviceMonitor.interval": "77s", "metrics.serviceMonitor.scrapeTimeout": "7s",
	"serviceAccount.automountServiceAccountToken": true,
	"server.extraEnv": []any{map[string]any{"name": "OTHER", "value": "x"}}, "extraEnv": []any{map[string]any{"name": "OTHER", "value": "x"}},
	"extraVolumes":             []any{map[string]any{"name": "other", "emptyDir": map[string]any{}}},
	"extraContainers":          []any{map[string]any{"name": "other", "image": "other:1"}},
	"server.extraVolumeMounts": []any{map[string]any{"name": "tmp", "mountPath": "/other"}}, "extraVolumeMounts": []any{map[string]any{"name": "tmp", "mountPath": "/other"}},
	"topologySpreadConstraints": []any{map[string]any{"maxSkew": 7, "topologyKey": "other", "whenUnsatisfiable": "DoNotSchedule"}},
}

// other returns another value of the same kind.
func other(tb testing.TB, v value) any {
	tb.Helper()
	if changed, ok := others[v.key()]; ok {
		return changed
	}
	switch given := v.given.(type) {
	case bool:
		return !given
	case int:
		return given + 1
	case string:
		return "changed"
	case map[string]any:
		return map[string]any{"changed": "value"}
	case []any:
		return []any{map[string]any{"changed": "value"}}
	}
	require.Failf(tb, "no other value", "of %s", v.key())
	return nil
}

// TestEachValueIsUsed changes one value after the other, and looks whether that changes what some example gives. It is no test of a word in a template: a value that
// is read and has no effect fails it.
func TestEachValueIsUsed(t *testing.T) {
	t.Parallel()
	files := examples(t)
	slices.SortFunc(files, func(a, b string) int { // those with everything in them first
		return strings.Compare(strings.ReplaceAll(a, "-full", " "), strings.ReplaceAll(b, "-full", " "))
	})
	before := make([]string, len(files))
	for i, file := range files {
		before[i] = render(t, "--values", file)
	}
	for _, v := range values(t) {
		if v.key() == "mode" { // nothing that is valid in the one is in the other: TestStandalone and TestWithRedis are about it
			continue
		}
		t.Run(v.key(), func(t *testing.T) {
			t.Parallel()
			tree := other(t, v)
			for _, name := range slices.Backward(v.path) {
				tree = map[string]any{name: tree}
			}
			changed, err := yaml.Marshal(tree)
			require.NoError(t, err)
			file := valuesFile(t, string(changed))
			var said []string
			for i := range files {
				out, errs, err := helm(t, "template", "r", chart, "--namespace", "ns", "--values", files[i], "--values", file)
				if err == nil && out != before[i] {
					return
				}
				said = append(said, shown(files[i])+": "+strings.Join(strings.Fields(errs), " "))
			}
			require.Failf(t, "no effect", "%s changes nothing:\n%s", v.key(), strings.Join(said, "\n"))
		})
	}
}

// schema is the part of a JSON schema that is looked at here.
type schema struct {
	Ref        string            `json:"$ref"`
	Type       any               `json:"type"`
	Enum       []any             `json:"enum"`
	Properties map[string]schema `json:"properties"`
	Additional any               `json:"additionalProperties"`
}

func readSchema(tb testing.TB) schema {
	tb.Helper()
	text, err := os.ReadFile(chart + "/values.schema.json")
	require.NoError(tb, err)
	var s schema
	require.NoError(tb, json.Unmarshal(text, &s))
	return s
}

// TestSchemaNamesEachValue finds each value in the schema, and each name of the schema among the values.
func TestSchemaNamesEachValue(t *testing.T) {
	t.Parallel()
	opaque := map[string]bool{"global": true} // Helm's own: it hands it to every chart
	for _, v := range values(t) {
		at := readSchema(t)
		for _, name := range v.path {
			require.Equalf(t, false, at.Additional, "beside %s other names are allowed", v.key())
			require.Containsf(t, at.Properties, name, "%s is not in the schema", v.key())
			at = at.Properties[name]
		}
		require.Truef(t, at.Type != nil || at.Enum != nil || at.Ref != "", "the schema does not say what %s may be", v.key())
		opaque[v.key()] = true
	}
	require.Empty(t, unknown(readSchema(t), "", opaque), "in the schema, and no values")
}

// unknown returns the names of a schema that are not known.
func unknown(s schema, prefix string, known map[string]bool) []string {
	var names []string
	for name, inner := range s.Properties {
		switch key := prefix + name; {
		case known[key]:
		case inner.Properties != nil:
			names = append(names, unknown(inner, key+".", known)...)
		default:
			names = append(names, key)
		}
	}
	return names
}

// TestSchemaKnowsEachSetting holds the schema of config to the sidecar's own settings, as config.yaml has them.
func TestSchemaKnowsEachSetting(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(root + "/config.yaml")
	require.NoError(t, err)
	var settings map[string]any
	require.NoError(t, yaml.Unmarshal(text, &settings))
	require.ElementsMatch(t, leaves(settings, ""), schemaLeaves(readSchema(t).Properties["config"], ""))
	file := valuesFile(t, "config:\n  "+strings.ReplaceAll(string(text), "\n", "\n  "))
	said := refusal(t, "--values", file) // each default is one that the schema allows; 127.0.0.1 is what is wrong then
	require.Contains(t, said, "config.upstream.addr is this pod")
}

func leaves(tree map[string]any, prefix string) []string {
	var keys []string
	for name, inner := range tree {
		if section, ok := inner.(map[string]any); ok {
			keys = append(keys, leaves(section, prefix+name+".")...)
		} else {
			keys = append(keys, prefix+name)
		}
	}
	return keys
}

func schemaLeaves(s schema, prefix string) []string {
	var keys []string
	for name, inner := range s.Properties {
		if inner.Properties != nil {
			keys = append(keys, schemaLeaves(inner, prefix+name+".")...)
		} else {
			keys = append(keys, prefix+name)
		}
	}
	return keys
}
