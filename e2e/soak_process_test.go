package e2e_test

import (
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// processFaults are of the three processes.
func processFaults() []fault {
	return []fault{
		{name: "SIGKILL of the sidecar", part: ofSidecar, strike: killSidecar},
		{name: "SIGKILL of the sidecar in a rewrite", part: ofSidecar, strike: killInRewrite},
		{name: "SIGTERM of the sidecar", part: ofSidecar, strike: endSidecar},
		{name: "SIGKILL of the gateway", part: ofStore, strike: killGateway},
		{name: "SIGSTOP of the sidecar", part: ofSidecar, strike: stopSidecar},
		{name: "SIGSTOP of the upstream", part: ofUpstream, strike: stopUpstream},
		{name: "SIGSTOP of the gateway", part: ofStore, strike: stopGateway},
	}
}

func killSidecar(w *world) func() {
	if len(w.struck) == 1 && !w.struck[everything] { // nothing but this one
		w.killShipping()
	} else {
		w.kill()
	}
	if len(w.temporaries()) > 0 {
		w.count.Unfinished++
	}
	return func() { w.m.start(w.T) }
}

func killInRewrite(w *world) func() {
	aofsidecar(w.T, "rewrite", "--set", "control.socket="+w.m.Socket()) // or one is under way
	w.last(60 * time.Millisecond)
	return killSidecar(w)
}

func endSidecar(w *world) func() {
	w.stop()
	return func() { w.m.start(w.T) }
}

func killGateway(w *world) func() {
	require.NoError(w, w.archive.gateway.Kill())
	return func() { require.NoError(w, w.archive.gateway.Restart(w.Context())) }
}

func stopSidecar(w *world) func() {
	pid := w.m.PID()
	require.NoError(w, syscall.Kill(pid, syscall.SIGSTOP))
	return func() { require.NoError(w, syscall.Kill(pid, syscall.SIGCONT)) }
}

func stopUpstream(w *world) func() {
	require.NoError(w, w.upstream.Pause())
	return func() { require.NoError(w, w.upstream.Resume()) }
}

func stopGateway(w *world) func() {
	require.NoError(w, w.archive.gateway.Pause())
	return func() { require.NoError(w, w.archive.gateway.Resume()) }
}
