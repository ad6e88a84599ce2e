package chartcheck

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
)

// The archive is a folder that all pods share; the rest is the example of a server with its sidecar.
const onAVolume = `
config: {archive: {url: "file:///archive/${POD_NAME}"}}
s3: {existingSecret: ""}
extraVolumes: [{name: archive, emptyDir: {}}]
extraVolumeMounts: [{name: archive, mountPath: /archive}]
`

// newPod renders the example with further values, and makes a pod of it of which nothing runs.
func newPod(t *testing.T, values string) *pod {
	t.Helper()
	home, err := os.MkdirTemp("", "pod") //nolint:usetesting // short, for the socket's sake
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(home)) })
	require.NoError(t, os.Chmod(home, 0o755)) //nolint:gosec // other users run the containers
	p := &pod{tb: t, home: home, server: freePort(t), metrics: freePort(t), secrets: map[string]string{"auth": "given\n"}}
	p.upgrade(values)
	return p
}

// upgrade takes further values into the pod's next start.
func (p *pod) upgrade(values string) {
	p.tb.Helper()
	objects := decode(p.tb, render(p.tb, "--values", chart+"/ci/with-redis-values.yaml", "--values", valuesFile(p.tb, onAVolume), "--values", valuesFile(p.tb, values)))
	p.spec, p.doctor = only[*apps.StatefulSet](p.tb, objects).Spec.Template.Spec, only[*core.Pod](p.tb, objects).Spec
	p.config = map[string]string{
		"config":        configMap(p.tb, objects, "r-aofsidecar", "config.yaml"),
		"server-config": configMap(p.tb, objects, "r-aofsidecar-server", "server.conf"),
	}
}

func freePort(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	defer func() { require.NoError(tb, l.Close()) }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(tb, err)
	return port
}

// serverBinary is a server's, which has its command line beside it.
func serverBinary(tb testing.TB) string {
	tb.Helper()
	return tool(tb, "SERVER", root+"/.cache/servers/valkey-8.1/bin/valkey-server")
}

// restore runs the init container to its end.
func (p *pod) restore() (code int, said string) {
	p.tb.Helper()
	r := p.run("restore", sidecarBinary(p.tb))
	return r.wait(), r.out.String()
}

// startSidecar starts the sidecar, and waits for its start-up probe, as the kubelet does before it starts the server.
func (p *pod) startSidecar() *process {
	p.tb.Helper()
	s := p.run("aofsidecar", sidecarBinary(p.tb), "--set=aof.dir=/data/aofsidecar", "--set=control.socket=/run/aofsidecar/control.sock", "--set=http.addr=:9379")
	probe := container(p.tb, p.spec, "aofsidecar").StartupProbe
	p.await(s, probe.HTTPGet.Path)
	return s
}

// await waits until an endpoint of the sidecar says yes.
func (p *pod) await(s *process, path string) {
	p.tb.Helper()
	require.Eventually(p.tb, func() bool {
		answer, err := http.Get("http://127.0.0.1:" + p.metrics + path)
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, time.Minute, 20*time.Millisecond, "%s says no to %s", s.name, path)
}

// startServer starts the server, and waits for its readiness probe.
func (p *pod) startServer() *process {
	p.tb.Helper()
	s := p.run("server", serverBinary(p.tb), "--bind", "127.0.0.1") // of the machine that tests, nothing but loopback
	require.Eventually(p.tb, p.probeServer, time.Minute, 20*time.Millisecond, "the server is not ready")
	return s
}

// probeServer runs the server's readiness probe, as it is in the chart.
func (p *pod) probeServer() bool {
	c := container(p.tb, p.spec, "server")
	command := slices.Clone(c.ReadinessProbe.Exec.Command)
	for i := range command {
		command[i] = p.places(c).Replace(command[i])
	}
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec // the chart's
	cmd.Env = append(environment(p.tb, c), "PATH="+filepath.Dir(serverBinary(p.tb))+":"+os.Getenv("PATH"))
	return cmd.Run() == nil
}

// try asks the server, with the password that its container has.
func (p *pod) try(command ...string) string {
	cmd := exec.Command(strings.Replace(serverBinary(p.tb), "-server", "-cli", 1), append([]string{"-h", "127.0.0.1", "-p", p.server}, command...)...)
	cmd.Env = append(os.Environ(), environment(p.tb, container(p.tb, p.spec, "server"))...)
	out, _ := cmd.CombinedOutput() // what it says tells
	return strings.TrimSpace(string(out))
}

// start starts a pod, in the order of its containers.
func (p *pod) start() (sidecar, server *process) {
	p.tb.Helper()
	code, said := p.restore()
	require.Zero(p.tb, code, said)
	sidecar = p.startSidecar()
	server = p.startServer()
	p.await(sidecar, "/readyz")
	return sidecar, server
}

// content is what is in the volume of the server.
func (p *pod) content() []string {
	p.tb.Helper()
	entries, err := os.ReadDir(p.volume("server"))
	require.NoError(p.tb, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestPodLives runs a pod of the chart: the first install, a restart, the loss of the server's volume right after a write, and a backup that cannot be read.
func TestPodLives(t *testing.T) {
	t.Parallel()
	p := newPod(t, "{}")

	code, said := p.restore()
	require.Zero(t, code, said)
	require.Contains(t, said, "nothing to do: no archive")
	require.Empty(t, p.content())
	sidecar := p.startSidecar() // before there is a server
	require.False(t, p.probeServer())
	server := p.startServer()
	p.await(sidecar, "/readyz")
	require.Contains(t, p.try("--no-auth-warning", "-a", "wrong", "ping"), "NOAUTH", "the password is the server's, too")
	require.Equal(t, "OK", p.try("set", "first", "1"))
	require.Equal(t, "1\n1", p.try("waitaof", "1", "1", "30000"), "on the server's disk, and on the sidecar's")
	p.examine()
	p.stop(server, sidecar)

	require.NotEmpty(t, p.content())
	code, said = p.restore()
	require.Zero(t, code, said)
	require.Contains(t, said, "nothing to do: the directory is not empty")
	sidecar, server = p.start()
	require.Equal(t, "1", p.try("get", "first"))
	require.Equal(t, "OK", p.try("set", "last", "2"))
	p.stop(server, sidecar) // at once: what was written is on its way

	p.lose()
	sidecar, server = p.start()
	require.Equal(t, "1", p.try("get", "first"))
	require.Equal(t, "2", p.try("get", "last"), "a server that stops before its sidecar has lost nothing")
	p.requireOwned()
	p.stop(server, sidecar)

	p.lose()
	require.NoError(t, os.Chmod(p.volume("archive"), 0))
	code, said = p.restore()
	require.Equal(t, 1, code, said)
	require.Empty(t, p.content(), "an init container that fails keeps an empty server from starting")
}

// TestPodGoesBack follows docs/kubernetes.md after a mistake: with the timeline and the offset before it the pod starts as it was, although it was restarted since, which
// began another timeline.
func TestPodGoesBack(t *testing.T) {
	t.Parallel()
	p := newPod(t, "{}")
	sidecar, server := p.start()
	require.Equal(t, "OK", p.try("set", "dear", "1"))
	require.Equal(t, "OK", p.try("flushall"))
	p.stop(server, sidecar)
	sidecar, server = p.start()
	require.Empty(t, p.try("get", "dear"))
	p.stop(server, sidecar)

	archive := "file://" + p.volume("archive") + "/r-aofsidecar-1"
	var list struct{ Timelines []struct{ Timeline string } }
	p.ask(&list, "list", "--archive", archive, "--json")
	require.Len(t, list.Timelines, 2, "each start of the server began one")
	was := list.Timelines[0].Timeline
	var mistake struct{ Before int64 }
	p.ask(&mistake, "inspect", "--archive="+archive, "--timeline", was, "--command", "FLUSHALL", "--json")

	p.lose()
	code, said := p.restore()
	require.Equal(t, 6, code, said)
	require.Empty(t, p.content(), "the guard: the newest timeline began with next to nothing, and somebody has to say whether that is right")
	p.upgrade(fmt.Sprintf("restore: {required: true, args: ['--timeline=%s', '--offset=%d']}", was, mistake.Before))
	sidecar, server = p.start()
	require.Equal(t, "1", p.try("get", "dear"))
	p.stop(server, sidecar)
}

// ask reads the last line of what a command prints as JSON.
func (p *pod) ask(into any, args ...string) {
	p.tb.Helper()
	out, err := exec.Command(sidecarBinary(p.tb), args...).Output() //nolint:gosec // our own binary
	require.NoError(p.tb, err)
	text := strings.TrimSpace(string(out))
	if !strings.HasPrefix(text, "{\n") { // lines of JSON: the first is a manifest
		text = text[strings.LastIndex(text, "\n")+1:]
	}
	require.NoErrorf(p.tb, json.Unmarshal([]byte(text), into), "%s", text)
}

// TestPodOfPlainContainers tells server and sidecar to stop at the same moment: the sidecar hears the server out.
func TestPodOfPlainContainers(t *testing.T) {
	t.Parallel()
	p := newPod(t, "nativeSidecar: {enabled: false}")
	sidecar, server := p.start()
	for range 5 {
		require.Equal(t, "OK", p.try("set", "last", "2"))
	}
	sidecar.signal()
	require.Equal(t, "OK", p.try("set", "later", "3"))
	server.signal()
	require.Zero(t, server.wait(), server.out.String())
	require.Zero(t, sidecar.wait(), sidecar.out.String())
	p.lose()
	sidecar, server = p.start()
	require.Equal(t, "2", p.try("get", "last"))
	require.Equal(t, "3", p.try("get", "later"), "written after the sidecar was told to stop")
	p.stop(server, sidecar)
}

// examine runs the pod of helm test, which shares only network and archive with the one that runs.
func (p *pod) examine() {
	p.tb.Helper()
	d := &pod{tb: p.tb, spec: p.doctor, config: p.config, secrets: p.secrets, home: filepath.Join(p.home, "doctor"), server: p.server, metrics: p.metrics}
	require.NoError(p.tb, os.Mkdir(d.home, 0o755)) //nolint:gosec // other users run the containers
	require.NoError(p.tb, os.Symlink(p.volume("archive"), filepath.Join(d.home, "archive")))
	doctor := d.run("doctor", sidecarBinary(p.tb), "--set=aof.dir=/data/aofsidecar", "--measure=100ms")
	require.Zero(p.tb, doctor.wait(), doctor.out.String())
	require.Contains(p.tb, doctor.out.String(), "archive")
}

// stop ends a pod of a native sidecar: the server, then the sidecar, and neither complains.
func (p *pod) stop(server, sidecar *process) {
	p.tb.Helper()
	begun := time.Now()
	server.signal()
	require.Zero(p.tb, server.wait(), server.out.String())
	sidecar.signal()
	require.Zero(p.tb, sidecar.wait(), sidecar.out.String())
	require.Less(p.tb, time.Since(begun), time.Duration(*p.spec.TerminationGracePeriodSeconds)*time.Second)
}

// lose empties the volume of the server.
func (p *pod) lose() {
	p.tb.Helper()
	for _, name := range p.content() {
		require.NoError(p.tb, os.RemoveAll(filepath.Join(p.volume("server"), name)))
	}
}

// requireOwned looks whether all in the volume of the server is the server's.
func (p *pod) requireOwned() {
	p.tb.Helper()
	want := uint32(os.Geteuid())
	if user := p.user(container(p.tb, p.spec, "server")); user != nil {
		want = user.Uid
	}
	require.NoError(p.tb, filepath.WalkDir(p.volume("server"), func(path string, entry os.DirEntry, err error) error {
		require.NoError(p.tb, err)
		if path == p.volume("server") {
			return nil
		}
		info, err := entry.Info()
		require.NoError(p.tb, err)
		stat, ok := info.Sys().(*syscall.Stat_t)
		require.True(p.tb, ok)
		require.Equal(p.tb, want, stat.Uid, path)
		return nil
	}))
}
