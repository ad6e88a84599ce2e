package chartcheck

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/yaml"
	kubernetes "k8s.io/client-go/kubernetes/scheme"
)

// decode returns the objects of rendered manifests. A field that its type does not have, or that is given twice, fails.
func decode(tb testing.TB, manifests string) []runtime.Object {
	tb.Helper()
	scheme := runtime.NewScheme()
	require.NoError(tb, kubernetes.AddToScheme(scheme))
	require.NoError(tb, monitoring.AddToScheme(scheme))
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifests)))
	var objects []runtime.Object
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		require.NoError(tb, err)
		if !strings.Contains(string(document), "kind:") { // nothing but comments
			continue
		}
		object, _, err := decoder.Decode(document, nil, nil)
		require.NoErrorf(tb, err, "%s", document)
		objects = append(objects, object)
	}
}

// only returns the one object of a type.
func only[T runtime.Object](tb testing.TB, objects []runtime.Object) T {
	tb.Helper()
	found := all[T](objects)
	require.Len(tb, found, 1)
	return found[0]
}

func all[T runtime.Object](objects []runtime.Object) []T {
	var found []T
	for _, object := range objects {
		if o, ok := object.(T); ok {
			found = append(found, o)
		}
	}
	return found
}

// configMap returns the value of a key of the ConfigMaps, and requires that there is one.
func configMap(tb testing.TB, objects []runtime.Object, name, key string) string {
	tb.Helper()
	for _, c := range all[*core.ConfigMap](objects) {
		if c.Name == name {
			require.Contains(tb, c.Data, key)
			return c.Data[key]
		}
	}
	require.Failf(tb, "no such ConfigMap", "%s", name)
	return ""
}

func TestLint(t *testing.T) {
	t.Parallel()
	out, errs, err := helm(t, "lint", "--strict", chart)
	require.NoError(t, err, "%s%s", out, errs)
	for _, file := range examples(t) {
		t.Run(shown(file), func(t *testing.T) {
			t.Parallel()
			out, errs, err := helm(t, "lint", "--strict", chart, "--values", file)
			require.NoError(t, err, "%s%s", out, errs)
		})
	}
}

// TestManifests decodes what each example gives, and holds it to what every object must have.
func TestManifests(t *testing.T) {
	t.Parallel()
	for _, file := range examples(t) {
		t.Run(shown(file), func(t *testing.T) {
			t.Parallel()
			objects := decode(t, render(t, "--values", file))
			names := map[string]bool{}
			for _, object := range objects {
				o, err := meta.Accessor(object)
				require.NoError(t, err)
				kind := object.GetObjectKind().GroupVersionKind().Kind
				require.Falsef(t, names[kind+"/"+o.GetName()], "two of %s/%s", kind, o.GetName())
				names[kind+"/"+o.GetName()] = true
				require.Empty(t, validation.IsDNS1123Subdomain(o.GetName()))
				require.Equal(t, "r", o.GetLabels()["app.kubernetes.io/instance"])
				for key, value := range o.GetLabels() {
					require.Empty(t, validation.IsQualifiedName(key))
					require.Empty(t, validation.IsValidLabelValue(value))
				}
			}
			set := only[*apps.StatefulSet](t, objects)
			require.Equal(t, set.Spec.Selector.MatchLabels, subset(set.Spec.Template.Labels, set.Spec.Selector.MatchLabels))
			require.NotContains(t, set.Spec.Template.Labels, "helm.sh/chart", "a new chart would restart the server")
			for _, c := range set.Spec.Template.Spec.TopologySpreadConstraints {
				require.Equal(t, set.Spec.Selector.MatchLabels, c.LabelSelector.MatchLabels)
			}
			for _, budget := range all[*policy.PodDisruptionBudget](objects) {
				require.Equal(t, set.Spec.Selector, budget.Spec.Selector)
			}
			for _, service := range all[*core.Service](objects) {
				require.Equal(t, set.Spec.Selector.MatchLabels, service.Spec.Selector)
				require.True(t, service.Spec.PublishNotReadyAddresses, "a sidecar that is not ready would hide the server beside it, or a mirror that lags")
				names["headless"] = names["headless"] || service.Name == set.Spec.ServiceName && service.Spec.ClusterIP == core.ClusterIPNone
			}
			require.True(t, names["headless"], "the StatefulSet's own Service")
			for _, pod := range all[*core.Pod](objects) { // of the test
				require.NotEqual(t, set.Spec.Selector.MatchLabels, subset(pod.Labels, set.Spec.Selector.MatchLabels), "Services would lead to it")
			}
		})
	}
}

// subset returns those of labels that are asked for.
func subset(labels, asked map[string]string) map[string]string {
	out := map[string]string{}
	for key := range asked {
		if value, ok := labels[key]; ok {
			out[key] = value
		}
	}
	return out
}

// TestMonitoring finds the rules and the board of helm/files in what is rendered, whole.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	objects := decode(t, render(t, "--values", chart+"/ci/standalone-full-values.yaml"))
	rule := only[*monitoring.PrometheusRule](t, objects)
	require.GreaterOrEqual(t, len(rule.Spec.Groups), 2, "those of files/rules.yaml, and the one of the example")
	require.Equal(t, "ours", rule.Spec.Groups[len(rule.Spec.Groups)-1].Name)
	for _, group := range rule.Spec.Groups {
		require.NotEmpty(t, group.Rules)
		for _, r := range group.Rules {
			require.NotEmpty(t, r.Expr.String())
		}
	}
	monitor := only[*monitoring.ServiceMonitor](t, objects)
	var matched int
	for _, service := range all[*core.Service](objects) {
		if len(subset(service.Labels, monitor.Spec.Selector.MatchLabels)) == len(monitor.Spec.Selector.MatchLabels) &&
			service.Labels["app.kubernetes.io/component"] == monitor.Spec.Selector.MatchLabels["app.kubernetes.io/component"] {
			matched++
			require.Equal(t, monitor.Spec.Endpoints[0].Port, service.Spec.Ports[0].Name)
		}
	}
	require.Equal(t, 1, matched, "each pod is scraped once")
	var board struct{ Panels []json.RawMessage }
	require.NoError(t, json.NewDecoder(bytes.NewBufferString(configMap(t, objects, "r-mirror-dashboard", "aofsidecar.json"))).Decode(&board))
	require.NotEmpty(t, board.Panels)
}
