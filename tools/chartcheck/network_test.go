package chartcheck

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	network "k8s.io/api/networking/v1"
)

// TestNetworkPolicy names what gets through, by port.
func TestNetworkPolicy(t *testing.T) {
	t.Parallel()
	const on = "networkPolicy: {enabled: true}\n"
	tests := []struct {
		name, example, values string
		in, out               []int
	}{
		{"a mirror", "standalone", on, []int{9379}, []int{53, 53, 6379, 443, 80}},
		{"a mirror of another port, to another S3", "standalone-full", on, []int{9400, 0}, []int{53, 53, 6380, 443, 9000, 80}},
		{"to an S3 without TLS", "standalone", on + "config: {archive: {s3: {endpoint: 'http://minio'}}}", []int{9379}, []int{53, 53, 6379, 443, 80, 80}},
		{"with keys of its own", "standalone", on + "s3: {existingSecret: s}", []int{9379}, []int{53, 53, 6379, 443}},
		{"to a folder", "standalone", on + "config: {archive: {url: 'file:///archive'}}", []int{9379}, []int{53, 53, 6379}},
		{"by a socket", "standalone", on + "config: {upstream: {addr: /run/redis.sock}}", []int{9379}, []int{53, 53, 443, 80}},
		{"a server", "with-redis", on, []int{9379, 6379}, []int{53, 53, 6379, 443}},
		{"replicas of another release", "with-redis-replicas", on, []int{9379, 6379}, []int{53, 53, 6379, 6379, 443, 80}},
		{"replicas of another port", "with-redis", on + "server: {extraConfig: \"maxmemory 1gb\\nREPLICAOF main 6390\\n\"}", []int{9379, 6379}, []int{53, 53, 6379, 6390, 443}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			policy := only[*network.NetworkPolicy](t, decode(t, render(t, "--values", chart+"/ci/"+test.example+"-values.yaml", "--values", valuesFile(t, test.values))))
			require.ElementsMatch(t, []network.PolicyType{network.PolicyTypeIngress, network.PolicyTypeEgress}, policy.Spec.PolicyTypes)
			var in, out []int
			for _, rule := range policy.Spec.Ingress {
				in = append(in, portsOf(rule.Ports)...)
			}
			for _, rule := range policy.Spec.Egress {
				out = append(out, portsOf(rule.Ports)...)
			}
			require.Equal(t, test.in, in)
			require.Equal(t, test.out, out)
		})
	}
}

// portsOf returns the numbers of ports; 0 of a rule that has none, which lets through all.
func portsOf(ports []network.NetworkPolicyPort) []int {
	var numbers []int
	for _, p := range ports {
		numbers = append(numbers, p.Port.IntValue())
	}
	return slices.Concat(numbers, make([]int, max(0, 1-len(numbers))))
}

// TestClientsAreLetIn lets in those who are named, and the pods of the release: the test, and replicas.
func TestClientsAreLetIn(t *testing.T) {
	t.Parallel()
	policy := only[*network.NetworkPolicy](t, decode(t, render(t, "--values", chart+"/ci/with-redis-full-values.yaml")))
	from := policy.Spec.Ingress[1].From
	require.Len(t, from, 2)
	require.Equal(t, "r", from[0].PodSelector.MatchLabels["app.kubernetes.io/instance"])
	require.Equal(t, "shop", from[1].PodSelector.MatchLabels["app"])
}
