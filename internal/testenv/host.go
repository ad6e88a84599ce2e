package testenv

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Host is a network with one cable to the switch of its [Network].
type Host struct {
	network *Network
	inside  *os.File
	addr    string
	port    string // the switch's end of the cable
}

// nobody is a hardware address that no host has.
const nobody = "02:00:00:00:00:01"

// plugIn makes the cable.
func (h *Host) plugIn() error {
	if err := in(h.network.bridge, "ip", "link", "add", h.port, "type", "veth", "peer", "name", "eth0", "netns", pathOf(h.inside)); err != nil {
		return err
	}
	for _, step := range []struct {
		where *os.File
		args  string
	}{
		{h.network.bridge, "ip link set " + h.port + " master switch up"},
		{h.inside, "ip link set lo up"},
		{h.inside, "ip address add " + h.addr + "/24 dev eth0"},
		{h.inside, "ip link set eth0 up"},
	} {
		if err := in(step.where, strings.Fields(step.args)...); err != nil {
			return err
		}
	}
	return nil
}

// Addr returns the IP address, for other hosts of the network.
func (h *Host) Addr() string { return h.addr }

// Command returns what runs the command that follows it on the host, as the same process.
func (h *Host) Command() []string { return enter(h.inside) }

// Program returns a program that runs another one on the host. It is gone when the test ends.
func (h *Host) Program(tb testing.TB, program string) string {
	tb.Helper()
	script := filepath.Join(tb.TempDir(), filepath.Base(program))
	text := fmt.Sprintf("#!/bin/sh\nexec %s %s \"$@\"\n", strings.Join(h.Command(), " "), program)
	WriteScript(tb, script, text)
	return script
}

// Dial connects from the host to an IP address and port.
func (h *Host) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return onHost(h, func() (net.Conn, error) { return new(net.Dialer).DialContext(ctx, network, addr) })
}

// Listen listens on a free port of the host.
func (h *Host) Listen(ctx context.Context) (net.Listener, error) {
	return onHost(h, func() (net.Listener, error) {
		return new(net.ListenConfig).Listen(ctx, "tcp4", net.JoinHostPort(h.addr, "0"))
	})
}

// Proxy starts a [Proxy] that listens on the host and forwards to a target of the machine's own network: the way from other hosts to what is there. It ends with the test.
func (h *Host) Proxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	listener, err := h.Listen(tb.Context())
	require.NoError(tb, err)
	p := startProxyOn(tb.Context(), listener, target)
	tb.Cleanup(func() { require.NoError(tb, p.Close()) })
	return p
}

// onHost opens a socket in the network of a host, where it stays.
func onHost[T any](h *Host, open func() (T, error)) (T, error) {
	type opened struct {
		socket T
		err    error
	}
	done := make(chan opened)
	go func() {
		runtime.LockOSThread() // as in newNamespace
		var o opened
		if o.err = unix.Setns(int(h.inside.Fd()), unix.CLONE_NEWNET); o.err == nil {
			o.socket, o.err = open()
		}
		done <- o
	}()
	o := <-done
	return o.socket, o.err
}

// Unplug pulls the cable out of the switch: the host's own card has no carrier, and whoever talks to the host hears nothing, no reset either. Plug puts it back.
func (h *Host) Unplug() error { return in(h.network.bridge, "ip", "link", "set", h.port, "down") }

// Plug undoes Unplug.
func (h *Host) Plug() error { return in(h.network.bridge, "ip", "link", "set", h.port, "up") }

// Isolate has the switch drop what comes from the host and what is for it. The host's card does not notice. Join undoes it.
func (h *Host) Isolate() error { return in(h.network.bridge, "ip", "link", "set", h.port, "nomaster") }

// Join undoes Isolate.
func (h *Host) Join() error {
	return in(h.network.bridge, "ip", "link", "set", h.port, "master", "switch")
}

// Mute loses all that the host sends to another one, and nothing that it gets from there. Unmute undoes it.
func (h *Host) Mute(to *Host) error {
	return in(h.inside, "ip", "neighbour", "replace", to.addr, "lladdr", nobody, "dev", "eth0", "nud", "permanent")
}

// Unmute undoes Mute.
func (h *Host) Unmute(to *Host) error {
	return in(h.inside, "ip", "neighbour", "del", to.addr, "dev", "eth0")
}

// Take gives the host the address of another one, too, which has vanished, and the others forget who had it, as they do when somebody announces that.
func (h *Host) Take(from *Host) error {
	if err := in(h.inside, "ip", "address", "add", from.addr+"/24", "dev", "eth0"); err != nil {
		return err
	}
	for _, other := range h.network.hosts {
		if err := in(other.inside, "ip", "neighbour", "flush", "dev", "eth0"); err != nil {
			return err
		}
	}
	return nil
}
