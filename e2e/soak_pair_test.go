package e2e_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// pairFaults are of a second sidecar.
func pairFaults() []fault {
	return []fault{
		{name: "another sidecar on the directory", part: ofSidecar, strike: shareDirectory},
		{name: "another sidecar on the prefix", part: everything, strike: func(w *world) func() { return sharePrefix(w, false) }},
		{name: "another sidecar takes over and gives back", part: everything, strike: func(w *world) func() { return sharePrefix(w, true) }},
	}
}

// shareDirectory starts another one where one is: it is refused, and the one goes on.
func shareDirectory(w *world) func() {
	other := newMirrorOf(w.T, w.program, w.m.Dir(), w.upstream.Addr())
	other.start(w.T)
	other.endsHeld(w.T)
	require.NoError(w, other.Close())
	return func() {}
}

// sharePrefix starts another one that ships to the same archive. It does not as long as the first one does; takeOver has the first one stopped until the other ships.
func sharePrefix(w *world, takeOver bool) func() {
	w.awaitLease()
	dir := filepath.Join(w.home, fmt.Sprintf("other%d", len(w.happened)))
	other := newMirrorOf(w.T, w.program, dir, w.upstream.Addr(), append(slices.Clone(w.archive.set), w.set...)...)
	other.Env(w.archive.env...)
	other.start(w.T)
	other.awaitWithin(w.T, comeBackWithin, "aware of the first", func(s testenv.SidecarStatus) bool { return s.Streaming() && s.Archive.HeldBy != nil })
	if takeOver {
		pid := w.m.PID()
		require.NoError(w, syscall.Kill(pid, syscall.SIGSTOP))
		other.awaitWithin(w.T, comeBackWithin, "the one that ships", func(s testenv.SidecarStatus) bool { return s.Archive.LeaseHeld && s.Archive.HasShipped })
		require.NoError(w, syscall.Kill(pid, syscall.SIGCONT))
		w.m.awaitWithin(w.T, comeBackWithin, "aware of the other", func(s testenv.SidecarStatus) bool { return !s.Archive.LeaseHeld && s.Archive.HeldBy != nil })
	}
	return func() {
		if w.rng.IntN(2) == 0 {
			other.kill(w.T)
		} else {
			code, err := other.Stop(w.Context())
			require.NoError(w, err)
			require.Zero(w, code)
		}
		require.NoError(w, other.Close())
	}
}

// awaitLease waits until the sidecar ships.
func (w *world) awaitLease() {
	w.m.awaitWithin(w.T, comeBackWithin, "the one that ships", func(s testenv.SidecarStatus) bool { return s.Streaming() && s.Archive.LeaseHeld })
}
