package chartcheck

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// environment is what a container gets, of the pod r-aofsidecar-1: what comes from elsewhere, a Secret or a ConfigMap, is the word "given".
func environment(tb testing.TB, c core.Container) []string {
	tb.Helper()
	fields := map[string]string{"metadata.name": "r-aofsidecar-1", "metadata.namespace": "ns", "metadata.labels['apps.kubernetes.io/pod-index']": "1"}
	var environ []string
	for _, e := range c.Env {
		value := e.Value
		switch {
		case e.ValueFrom == nil:
		case e.ValueFrom.FieldRef != nil:
			require.Contains(tb, fields, e.ValueFrom.FieldRef.FieldPath)
			value = fields[e.ValueFrom.FieldRef.FieldPath]
		default:
			require.NotNil(tb, e.ValueFrom.SecretKeyRef)
			value = "given"
		}
		environ = append(environ, e.Name+"="+value)
	}
	return environ
}

// configOf is the config.yaml of a pod.
func configOf(tb testing.TB, objects []runtime.Object, spec core.PodSpec) string {
	tb.Helper()
	for _, v := range spec.Volumes {
		if v.Name == "config" {
			return configMap(tb, objects, v.ConfigMap.Name, "config.yaml")
		}
	}
	require.Fail(tb, "no volume called config")
	return ""
}

// effective returns what the real binary makes of a configuration in the environment of a container.
func effective(tb testing.TB, config string, c core.Container) map[string]any {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	path := filepath.Join(tb.TempDir(), "config.yaml")
	require.NoError(tb, os.WriteFile(path, []byte(config), 0o600))
	cmd := exec.CommandContext(ctx, sidecarBinary(tb), "config", "--json", "--config", path)
	for _, arg := range c.Args {
		if strings.HasPrefix(arg, "--set=") || strings.HasPrefix(arg, "--log-level=") {
			cmd.Args = append(cmd.Args, arg)
		}
	}
	cmd.Env = environment(tb, c)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoErrorf(tb, err, "%s\n%s", errs.String(), config)
	values := map[string]any{}
	require.NoError(tb, json.Unmarshal(out, &values))
	return values
}

// TestConfiguration has the real binary read the configuration of each example, in each container that reads it.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	for _, file := range examples(t) {
		t.Run(shown(file), func(t *testing.T) {
			t.Parallel()
			objects := decode(t, render(t, "--values", file))
			for _, spec := range pods(objects) {
				for _, c := range containers(spec) {
					if mountAt(c, "/etc/aofsidecar") == "" {
						continue
					}
					config := effective(t, configOf(t, objects, spec), c)
					require.NotContains(t, config["archive.url"], "$")
					if c.Name == "aofsidecar" {
						require.Regexp(t, `^/data/`, config["aof.dir"])
						require.Regexp(t, `^/run/aofsidecar/`, config["control.socket"])
						require.Equal(t, config["http.addr"], ":"+portOf(t, c))
					}
				}
			}
		})
	}
}

// portOf is the port of a container's metrics.
func portOf(tb testing.TB, c core.Container) string {
	tb.Helper()
	for _, p := range c.Ports {
		if p.Name == "metrics" {
			text, err := json.Marshal(p.ContainerPort)
			require.NoError(tb, err)
			return string(text)
		}
	}
	require.Fail(tb, "no port called metrics")
	return ""
}

// TestSettings looks at what the chart adds, and at what Helm would do to words and numbers.
func TestSettings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		example string
		want    map[string]any
	}{
		{"standalone", map[string]any{"upstream.addr": "redis.prod:6379", "upstream.password-file": "/run/secrets/aofsidecar/auth/password"}},
		{"standalone-shards", map[string]any{
			"upstream.addr": "redis-1.redis-headless.prod:6379", "archive.url": "s3://backups/ns/r-aofsidecar-1",
			"upstream.password-file": "/run/secrets/aofsidecar/auth/redis-password",
		}},
		{"standalone-full", map[string]any{
			"aof.increment-size": "256mb", "aof.aof-timestamp-enabled": true, "upstream.tls.enabled": true,
			"upstream.tls.ca-file": "/run/secrets/aofsidecar/tls/ca.crt", "upstream.tls.cert-file": "/run/secrets/aofsidecar/tls/tls.crt",
			"upstream.tls.key-file": "/run/secrets/aofsidecar/tls/tls.key", "upstream.tls.server-name": "redis.prod.example", "logging.level": "debug",
		}},
		{"with-redis", map[string]any{"upstream.addr": "127.0.0.1:6379", "shutdown-linger": "0s"}},
		{"with-redis-plain", map[string]any{"shutdown-linger": "20s", "archive.url": "file:///archive/r-aofsidecar-1"}},
		{"with-redis-full", map[string]any{"aof.appendfsync": "no", "aof.appenddirname": "log", "aof.max-disk": "8gb"}},
	}
	for _, test := range tests {
		t.Run(test.example, func(t *testing.T) {
			t.Parallel()
			objects := decode(t, render(t, "--values", chart+"/ci/"+test.example+"-values.yaml"))
			spec := pods(objects)[0]
			got := effective(t, configOf(t, objects, spec), container(t, spec, "aofsidecar"))
			for key, want := range test.want {
				require.Equal(t, want, got[key], key)
			}
		})
	}
}
