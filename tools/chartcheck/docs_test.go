package chartcheck

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// addition is what the page has for somebody else's chart, by the names of its values.
type addition struct {
	InitContainers                []core.Container `json:"initContainers"`
	Sidecars                      []core.Container `json:"sidecars"`
	ExtraVolumes                  []core.Volume    `json:"extraVolumes"`
	TerminationGracePeriodSeconds int              `json:"terminationGracePeriodSeconds"`
}

// TestSnippets renders the values of docs/kubernetes.md, and decodes what it adds to other charts; the real binary reads the environment there.
func TestSnippets(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(root + "/docs/kubernetes.md")
	require.NoError(t, err)
	var rendered, added int
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(block[1], "\nconfig:") || strings.HasPrefix(block[1], "config:") {
			decode(t, render(t, "--values", valuesFile(t, block[1])))
			rendered++
			continue
		}
		var a addition
		require.NoErrorf(t, yaml.UnmarshalStrict([]byte(block[1]), &a), "%s", block[1])
		for _, c := range append(a.InitContainers, a.Sidecars...) {
			config := effective(t, "", expanded(t, c))
			if c.Image != "" { // the other one says what is different
				require.Equal(t, "s3://backups/prod/r-aofsidecar-1", config["archive.url"])
				requireSafe(t, c)
			}
			added++
		}
	}
	require.Equal(t, 2, rendered)
	require.Equal(t, 3, added)

	manifests := regexp.MustCompile(`(?s)<<'EOF'\n(.*?)EOF\n`).FindAllStringSubmatch(string(text), -1)
	require.Len(t, manifests, 2)
	drill, files := only[*core.Pod](t, decode(t, manifests[0][1])), only[*core.Pod](t, decode(t, manifests[1][1]))
	require.Equal(t, "restore", drill.Spec.InitContainers[0].Args[0])
	require.True(t, files.Spec.Containers[0].VolumeMounts[0].ReadOnly, "the directory has one writer")
	set, spec := example(t, "standalone")
	require.Equal(t, *spec.SecurityContext.FSGroup, *files.Spec.SecurityContext.FSGroup)
	require.Equal(t, strings.ReplaceAll(set.Spec.VolumeClaimTemplates[0].Name+"-"+set.Name+"-0", "-r-", "-cache-"), files.Spec.Volumes[0].PersistentVolumeClaim.ClaimName)
}

// expanded is a container with $(NAME) in its environment replaced, as the kubelet does it: by a variable above.
func expanded(tb testing.TB, c core.Container) core.Container {
	tb.Helper()
	values := environment(tb, c)
	for i, e := range c.Env {
		for _, earlier := range values[:i] {
			name, value, _ := strings.Cut(earlier, "=")
			e.Value = strings.ReplaceAll(e.Value, "$("+name+")", value)
		}
		c.Env[i].Value = e.Value
	}
	return c
}

// requireSafe holds a container to what the chart's own have.
func requireSafe(t *testing.T, c core.Container) {
	t.Helper()
	require.Positive(t, *c.SecurityContext.RunAsUser)
	require.True(t, *c.SecurityContext.RunAsNonRoot)
	require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
	require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
	require.Equal(t, []core.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
	require.Nil(t, c.ReadinessProbe)
}

// TestNotes renders what is said after an installation.
func TestNotes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ example, values, want, not string }{
		{"with-redis", "", "The server: r-aofsidecar:6379\n", "WARNING"},
		{"with-redis-shards", "", "by name: r-aofsidecar-0.r-aofsidecar-headless:6379", "WARNING"},
		{"with-redis-plain", "", "WARNING: the server has no password", "no archive"},
		{"standalone", "", "exec r-aofsidecar-0 --container aofsidecar -- /aofsidecar status", "The server"},
		{"standalone", "config: {archive: {url: 'file:///data/archive'}}", "WARNING: the archive is on the volume of the mirror", "The server"},
	} {
		out, errs, err := helm(t, "install", "r", chart, "--namespace", "ns", "--dry-run=client", "--values", chart+"/ci/"+test.example+"-values.yaml", "--values", valuesFile(t, test.values))
		require.NoError(t, err, errs)
		_, notes, found := strings.Cut(out, "NOTES:\n")
		require.True(t, found)
		require.Contains(t, notes, test.want)
		require.NotContains(t, notes, test.not)
	}
}
