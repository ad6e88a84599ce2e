package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/stretchr/testify/require"
)

// directoryFaults are of what an operator, or a volume, does to the directory.
func directoryFaults() []fault {
	return []fault{
		{name: "directory: gone", part: everything, strike: loseDirectory},
		{name: "directory: of an earlier moment", part: everything, strike: returnDirectory},
	}
}

// loseDirectory has the sidecar begin with nothing, on an archive that has it all.
func loseDirectory(w *world) func() {
	w.endSomehow()
	w.replaceDirectory("")
	return w.resume
}

// returnDirectory has the sidecar begin with what is restored of an earlier moment: the archive, and what it had acknowledged, are ahead of it.
func returnDirectory(w *world) func() {
	timeline := w.timeline()
	w.endSomehow()
	all := slices.DeleteFunc(w.known(), func(k known) bool { return k.Timeline != timeline })
	if len(all) == 0 {
		w.m.start(w.T)
		return w.comeBack
	}
	k := all[w.rng.IntN(len(all))]
	dir, _ := w.archive.restore(w.T, append(archivePoint{offset: k.From + w.rng.Int64N(k.To-k.From+1)}.byOffset(), "--timeline", timeline)...)
	w.count.Restores++
	w.replaceDirectory(dir)
	return w.resume
}

// endSomehow ends the sidecar one way or another.
func (w *world) endSomehow() {
	if w.rng.IntN(2) == 0 {
		w.kill()
	} else {
		w.stop()
	}
}

// replaceDirectory copies another directory, which may be on another disk, to where the sidecar's was; "": none.
func (w *world) replaceDirectory(dir string) {
	require.NoError(w, os.RemoveAll(w.m.Dir()))
	if dir != "" {
		require.NoError(w, os.MkdirAll(filepath.Dir(w.m.Dir()), 0o750))
		copied := command(w.T, "cp", "-a", dir, w.m.Dir())
		require.Zero(w, copied.code, "%+v", copied)
	}
	w.witness.StartOver()
}

// resume starts the sidecar where nothing is as it was, and has it rewrite its log: then the witness knows all behind the base.
func (w *world) resume() {
	w.m.start(w.T)
	w.comeBack()
	w.eventually("a rewrite", func(context.Context) bool {
		return aofsidecar(w.T, "rewrite", "--wait", "--set", "control.socket="+w.m.Socket()).code == 0 //nolint:contextcheck // it has the test's
	})
}
