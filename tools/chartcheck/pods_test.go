package chartcheck

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
)

// pods returns the specs of all pods of a release.
func pods(objects []runtime.Object) []core.PodSpec {
	var specs []core.PodSpec
	for _, set := range all[*apps.StatefulSet](objects) {
		specs = append(specs, set.Spec.Template.Spec)
	}
	for _, pod := range all[*core.Pod](objects) {
		specs = append(specs, pod.Spec)
	}
	return specs
}

// containers returns all containers of a pod, in the order in which they start.
func containers(spec core.PodSpec) []core.Container {
	return slices.Concat(spec.InitContainers, spec.Containers)
}

// container returns the container of a name.
func container(tb testing.TB, spec core.PodSpec, name string) core.Container {
	tb.Helper()
	i := slices.IndexFunc(containers(spec), func(c core.Container) bool { return c.Name == name })
	require.GreaterOrEqualf(tb, i, 0, "no container %s", name)
	return containers(spec)[i]
}

// mountAt returns the volume that a container has at a path; "" if there is none.
func mountAt(c core.Container, path string) string {
	for _, m := range c.VolumeMounts {
		if m.MountPath == path {
			return m.Name
		}
	}
	return ""
}

// TestPodsAreRestricted holds each pod of each example to the restricted profile of Kubernetes' pod security standards, and to more.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	for _, file := range examples(t) {
		t.Run(shown(file), func(t *testing.T) {
			t.Parallel()
			for _, spec := range pods(decode(t, render(t, "--values", file))) {
				requireRestricted(t, spec)
			}
		})
	}
}

func requireRestricted(t *testing.T, spec core.PodSpec) {
	t.Helper()
	require.False(t, *spec.EnableServiceLinks)
	require.False(t, *spec.AutomountServiceAccountToken)
	require.True(t, *spec.SecurityContext.RunAsNonRoot)
	require.NotNil(t, spec.SecurityContext.FSGroup)
	require.Equal(t, core.SeccompProfileTypeRuntimeDefault, spec.SecurityContext.SeccompProfile.Type)
	volumes := map[string]bool{"aofsidecar": true, "server": true} // may be claim templates
	for _, v := range spec.Volumes {
		require.Nil(t, v.HostPath)
		volumes[v.Name] = true
	}
	for _, c := range containers(spec) {
		require.Positive(t, *c.SecurityContext.RunAsUser, c.Name)
		require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, c.Name)
		require.False(t, *c.SecurityContext.AllowPrivilegeEscalation, c.Name)
		require.Equal(t, []core.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, c.Name)
		require.Contains(t, c.Resources.Requests, core.ResourceCPU, c.Name)
		require.Contains(t, c.Resources.Requests, core.ResourceMemory, c.Name)
		require.Contains(t, c.Resources.Limits, core.ResourceMemory, c.Name)
		require.Regexp(t, `(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$`, c.Image)
		require.NotRegexp(t, `:latest$`, c.Image)
		paths := map[string]bool{}
		for _, m := range c.VolumeMounts {
			require.Truef(t, volumes[m.Name], "%s mounts %s, which is no volume", c.Name, m.Name)
			require.Falsef(t, paths[m.MountPath], "%s mounts two volumes at %s", c.Name, m.MountPath)
			paths[m.MountPath] = true
		}
		names := map[string]bool{}
		for _, e := range c.Env {
			require.Falsef(t, names[e.Name], "%s has %s twice", c.Name, e.Name)
			names[e.Name] = true
		}
	}
}

// TestPorts finds what probes name, and Services number, among the ports of the pod.
func TestPorts(t *testing.T) {
	t.Parallel()
	for _, file := range examples(t) {
		t.Run(shown(file), func(t *testing.T) {
			t.Parallel()
			objects := decode(t, render(t, "--values", file))
			names, numbers := map[string]string{}, []int32(nil)
			for _, c := range containers(only[*apps.StatefulSet](t, objects).Spec.Template.Spec) {
				for _, p := range c.Ports {
					require.Empty(t, validation.IsValidPortName(p.Name))
					require.Emptyf(t, names[p.Name], "%s and %s have the same", names[p.Name], c.Name)
					names[p.Name] = c.Name
					numbers = append(numbers, p.ContainerPort)
				}
				for _, probe := range []*core.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
					switch {
					case probe == nil:
					case probe.HTTPGet != nil:
						require.Equal(t, c.Name, names[probe.HTTPGet.Port.StrVal])
					case probe.TCPSocket != nil:
						require.Equal(t, c.Name, names[probe.TCPSocket.Port.StrVal])
					}
				}
			}
			for _, service := range all[*core.Service](objects) {
				for _, p := range service.Spec.Ports {
					require.Positivef(t, p.TargetPort.IntValue(), "%s: before 1.32 Kubernetes finds no port of a native sidecar by its name", p.Name)
					require.Contains(t, numbers, p.TargetPort.IntVal)
				}
			}
		})
	}
}

// example renders an example, and returns its StatefulSet and its pod.
func example(t *testing.T, name string) (*apps.StatefulSet, core.PodSpec) {
	t.Helper()
	set := only[*apps.StatefulSet](t, decode(t, render(t, "--values", chart+"/ci/"+name+"-values.yaml")))
	return set, set.Spec.Template.Spec
}

// TestWithRedis holds the pod of a server to its order: an empty volume is restored first, then the sidecar starts, then the server; and the server is the first to stop.
func TestWithRedis(t *testing.T) {
	t.Parallel()
	set, spec := example(t, "with-redis")
	require.Len(t, spec.InitContainers, 2)
	restore, sidecar, server := spec.InitContainers[0], spec.InitContainers[1], container(t, spec, "server")
	require.Equal(t, "restore", restore.Name)
	require.Nil(t, restore.RestartPolicy, "it runs to its end")
	require.Equal(t, []string{"restore", "--output=/data", "--if-target-empty", "--if-backup-exists"}, restore.Args)
	require.Equal(t, "aofsidecar", sidecar.Name)
	require.Equal(t, core.ContainerRestartPolicyAlways, *sidecar.RestartPolicy)
	require.Len(t, spec.Containers, 1)

	require.Equal(t, server.SecurityContext, restore.SecurityContext, "what is restored must be the server's own")
	require.Equal(t, "server", mountAt(restore, "/data"))
	require.Equal(t, "server", mountAt(server, "/data"))
	require.Equal(t, "aofsidecar", mountAt(sidecar, "/data"))
	require.Len(t, set.Spec.VolumeClaimTemplates, 2, "server and sidecar have a volume each")
	for _, c := range []core.Container{sidecar, restore} {
		require.Equal(t, "config", mountAt(c, "/etc/aofsidecar"))
	}
	require.Equal(t, "run", mountAt(sidecar, "/run/aofsidecar"))

	require.Equal(t, "/healthz", sidecar.StartupProbe.HTTPGet.Path)
	require.Equal(t, "/healthz", sidecar.LivenessProbe.HTTPGet.Path)
	require.Nil(t, sidecar.ReadinessProbe, "a fault of a backup must not take the server out of service")

	args := strings.Join(server.Args, " ")
	for _, want := range []string{"--dir /data", "--appendonly yes", "--appenddirname appendonlydir", "--appendfilename appendonly.aof", "--requirepass $(REDISCLI_AUTH)"} {
		require.Contains(t, args, want)
	}
	require.Equal(t, "/etc/aofsidecar-server/server.conf", server.Args[0], "its own file comes first, so that the arguments win")
	require.EqualValues(t, 10+10+30+10, *spec.TerminationGracePeriodSeconds)
	require.Nil(t, spec.Containers[0].StartupProbe)
}

func TestWithRedisPlain(t *testing.T) {
	t.Parallel()
	objects := decode(t, render(t, "--values", chart+"/ci/with-redis-plain-values.yaml"))
	spec := only[*apps.StatefulSet](t, objects).Spec.Template.Spec
	require.Len(t, spec.InitContainers, 1)
	require.Len(t, spec.Containers, 2)
	require.Nil(t, container(t, spec, "aofsidecar").RestartPolicy)
	require.Nil(t, container(t, spec, "aofsidecar").ReadinessProbe)
	require.Contains(t, configMap(t, objects, "r-aofsidecar", "config.yaml"), "shutdown-linger: 20s")
	require.EqualValues(t, 20+30+10, *spec.TerminationGracePeriodSeconds)
	require.Equal(t, "encryption", mountAt(container(t, spec, "restore"), "/run/secrets/aofsidecar/encryption"))
	require.Empty(t, mountAt(container(t, spec, "aofsidecar"), "/run/secrets/aofsidecar/encryption"), "who ships needs no secret key")
	require.Equal(t, "archive", mountAt(container(t, spec, "restore"), "/archive"))
}

func TestWithRedisInADisaster(t *testing.T) {
	t.Parallel()
	_, spec := example(t, "with-redis-full")
	require.Equal(t, []string{
		"restore", "--output=/data", "--if-target-empty", "--set=archive.encryption.identity-file=/run/secrets/aofsidecar/encryption/key.txt",
		"--timestamp=2026-11-22T09:00:00Z", "--engine=valkey-9.1",
	}, container(t, spec, "restore").Args)
	require.Contains(t, strings.Join(container(t, spec, "server").Args, " "), "--appenddirname log --appendfilename cache.aof")
}

func TestStandalone(t *testing.T) {
	t.Parallel()
	set, spec := example(t, "standalone")
	require.Empty(t, spec.InitContainers)
	require.Len(t, spec.Containers, 1)
	sidecar := spec.Containers[0]
	require.Equal(t, []string{"run"}, sidecar.Args)
	require.Equal(t, "/readyz", sidecar.ReadinessProbe.HTTPGet.Path)
	require.Equal(t, "/healthz", sidecar.LivenessProbe.HTTPGet.Path)
	require.Equal(t, "aofsidecar", set.Spec.VolumeClaimTemplates[0].Name)
	require.EqualValues(t, 40, *spec.TerminationGracePeriodSeconds)
	for _, e := range sidecar.Env {
		require.NotContains(t, e.Name, "AWS_", "the role gives the credentials")
	}
}

// TestClients gives one server a Service for its clients, and several none: they are no replicas of each other.
func TestClients(t *testing.T) {
	t.Parallel()
	for name, services := range map[string]int{"with-redis": 2, "with-redis-shards": 1, "with-redis-plain": 1, "standalone": 1} {
		objects := decode(t, render(t, "--values", chart+"/ci/"+name+"-values.yaml"))
		require.Len(t, all[*core.Service](objects), services, name)
	}
}

// TestImages looks at what another image asks for: its group, and nothing else of the context.
func TestImages(t *testing.T) {
	t.Parallel()
	_, spec := example(t, "with-redis-shards")
	require.Equal(t, "docker.io/library/redis:8.0-alpine", container(t, spec, "server").Image)
	require.EqualValues(t, 1000, *container(t, spec, "restore").SecurityContext.RunAsGroup)
	require.True(t, *container(t, spec, "restore").SecurityContext.ReadOnlyRootFilesystem, "a part of the context that is given leaves the rest")
	require.Regexp(t, `^ghcr\.io/aofsidecar/aofsidecar:[0-9]`, container(t, spec, "aofsidecar").Image)
}
