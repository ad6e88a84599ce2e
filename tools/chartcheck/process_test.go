package chartcheck

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
)

// process is a container that runs as a process of this machine. It dies with the test.
type process struct {
	tb     testing.TB
	name   string
	cmd    *exec.Cmd
	exited chan struct{}
	out    lockedBuffer
}

// lockedBuffer is what a process has printed so far.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// spawn starts a process, as the user of the container if this is root.
func spawn(tb testing.TB, name, binary string, user *syscall.Credential, env []string, args ...string) *process {
	tb.Helper()
	p := &process{tb: tb, name: name, cmd: exec.Command(binary, args...), exited: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append([]string{"PATH=" + os.Getenv("PATH")}, env...), io.Writer(&p.out), io.Writer(&p.out)
	p.cmd.Dir = "/"
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: user}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the signal of the parent's death is that of the thread (prctl(2))
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // the state tells
		}
		close(p.exited)
	}()
	require.NoError(tb, <-started)
	tb.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.exited
	})
	return p
}

// signal tells the process to stop.
func (p *process) signal() {
	p.tb.Helper()
	require.NoError(p.tb, p.cmd.Process.Signal(syscall.SIGTERM))
}

// wait returns the exit code, once there is one.
func (p *process) wait() int {
	p.tb.Helper()
	select {
	case <-p.exited:
	case <-time.After(time.Minute):
		require.Failf(p.tb, "still running", "%s\n%s", p.name, p.out.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// pod is a pod whose containers are run as processes: each mount is a folder here, each port another one.
type pod struct {
	tb      testing.TB
	spec    core.PodSpec
	doctor  core.PodSpec      // of helm test
	config  map[string]string // of ConfigMaps, by volume and key
	secrets map[string]string // content of Secrets, by volume and key
	home    string
	server  string // ports
	metrics string
}

// volume is the folder of a volume. It is made as the kubelet makes it: of the pod's group, which may write.
func (p *pod) volume(name string) string {
	p.tb.Helper()
	dir := filepath.Join(p.home, name)
	if err := os.Mkdir(dir, 0o770); os.IsExist(err) {
		return dir
	} else {
		require.NoError(p.tb, err)
	}
	if os.Geteuid() == 0 {
		require.NoError(p.tb, os.Chown(dir, 0, int(*p.spec.SecurityContext.FSGroup)))
	}
	require.NoError(p.tb, os.Chmod(dir, 0o2770|os.ModeSetgid))
	return dir
}

// user is who a container runs as; nil where only root could choose.
func (p *pod) user(c core.Container) *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.Credential{
		Uid: uint32(*c.SecurityContext.RunAsUser), Gid: uint32(*c.SecurityContext.RunAsGroup), Groups: []uint32{uint32(*p.spec.SecurityContext.FSGroup)},
	}
}

// places replaces paths in a container by those here, and ports.
func (p *pod) places(c core.Container) *strings.Replacer {
	p.tb.Helper()
	mounts := slices.Clone(c.VolumeMounts)
	slices.SortFunc(mounts, func(a, b core.VolumeMount) int { return len(b.MountPath) - len(a.MountPath) }) // the longer one first
	var pairs []string
	for _, m := range mounts {
		pairs = append(pairs, m.MountPath, p.mounted(c, m.Name))
	}
	return strings.NewReplacer(append(pairs, "r-aofsidecar-0.r-aofsidecar-headless", "127.0.0.1", "6379", p.server, ":9379", "127.0.0.1:"+p.metrics)...)
}

// mounted is the folder of a volume in a container: for what comes from ConfigMaps and Secrets each has its own.
func (p *pod) mounted(c core.Container, volume string) string {
	if p.config[volume] == "" && p.secrets[volume] == "" {
		return p.volume(volume)
	}
	return filepath.Join(p.home, c.Name+"-"+volume)
}

// run starts a container.
func (p *pod) run(name, binary string, more ...string) *process {
	p.tb.Helper()
	c := container(p.tb, p.spec, name)
	places := p.places(c)
	for _, m := range c.VolumeMounts {
		content, file := p.config[m.Name], "config.yaml"
		if m.Name == "server-config" {
			file = "server.conf"
		}
		if secret := p.secrets[m.Name]; secret != "" {
			content, file = secret, "password"
		}
		if content != "" {
			dir := p.mounted(c, m.Name)
			require.NoError(p.tb, os.MkdirAll(dir, 0o755))
			require.NoError(p.tb, os.WriteFile(filepath.Join(dir, file), []byte(places.Replace(content)), 0o644))
		}
	}
	env := environment(p.tb, c)
	if mountAt(c, "/etc/aofsidecar") != "" {
		env = append(env, "AOFSIDECAR_CONFIG="+places.Replace("/etc/aofsidecar/config.yaml"))
	}
	args := slices.Concat(c.Args, more)
	for i := range args {
		args[i] = places.Replace(args[i])
		for _, e := range env {
			variable, value, _ := strings.Cut(e, "=")
			args[i] = strings.ReplaceAll(args[i], "$("+variable+")", value)
		}
	}
	return spawn(p.tb, name, binary, p.user(c), env, args...)
}
