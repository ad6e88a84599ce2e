package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Network is a switch, and hosts that are plugged into it, each with a network of its own (network namespaces, veth pairs and a bridge). A process that runs on a [Host] has real TCP to those on other hosts, and a cable that can be
// pulled: what [Proxy] cannot do, silence without an end, is what happens there.
//
// Nothing of it has a name, and nothing is in the machine's own network: file descriptors of this process and the processes on the hosts hold it, and the kernel takes it away with the last of them, however they end.
type Network struct {
	bridge *os.File // its network
	hosts  map[string]*Host
}

// NewNetwork makes a network with hosts of these names. It wants CAP_SYS_ADMIN and CAP_NET_ADMIN, nsenter (util-linux) and ip (iproute2), and fails the test without. It ends with the test.
func NewNetwork(tb testing.TB, names ...string) *Network {
	tb.Helper()
	n := &Network{hosts: map[string]*Host{}}
	tb.Cleanup(func() { require.NoError(tb, n.close()) })
	err := n.build(names)
	require.NoError(tb, err, "this test makes networks: run it as root (CAP_SYS_ADMIN and CAP_NET_ADMIN), with util-linux and iproute2 installed")
	return n
}

func (n *Network) build(names []string) error {
	var err error
	if n.bridge, err = newNamespace(); err != nil {
		return err
	}
	if err := in(n.bridge, "ip", "link", "add", "switch", "type", "bridge"); err != nil {
		return err
	}
	if err := in(n.bridge, "ip", "link", "set", "switch", "up"); err != nil {
		return err
	}
	for i, name := range names {
		h := &Host{network: n, addr: fmt.Sprintf("10.111.0.%d", i+1), port: fmt.Sprintf("port%d", i+1)}
		if h.inside, err = newNamespace(); err != nil {
			return err
		}
		n.hosts[name] = h
		if err := h.plugIn(); err != nil {
			return err
		}
	}
	return nil
}

// Host returns a host by its name.
func (n *Network) Host(name string) *Host { return n.hosts[name] }

func (n *Network) close() error {
	var errs []error
	for _, h := range n.hosts {
		errs = append(errs, h.inside.Close())
	}
	if n.bridge != nil {
		errs = append(errs, n.bridge.Close())
	}
	return errors.Join(errs...)
}

// newNamespace makes a network of its own.
func newNamespace() (*os.File, error) {
	type made struct {
		file *os.File
		err  error
	}
	done := make(chan made)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine, and nobody else gets into its network
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- made{err: fmt.Errorf("make network namespace: %w", err)}
			return
		}
		file, err := os.Open("/proc/thread-self/ns/net")
		done <- made{file, err}
	}()
	m := <-done
	return m.file, m.err
}

// pathOf returns a name of an open namespace that other processes can open.
func pathOf(namespace *os.File) string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), namespace.Fd())
}

// enter returns the command that runs what follows it in a network, as the same process.
func enter(namespace *os.File) []string {
	return []string{"nsenter", "--net=" + pathOf(namespace), "--"}
}

// in runs a command in a network to its end.
func in(namespace *os.File, args ...string) error {
	args = append(enter(namespace), args...)
	if said, err := exec.CommandContext(context.Background(), args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w: %s", strings.Join(args, " "), err, said)
	}
	return nil
}
