package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sys/unix"

	"github.com/aofsidecar/aofsidecar/upload"
)

// progress shows how far a restore got: a bar on a terminal, a line now and then elsewhere. Safe for concurrent use.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	bar   *progressbar.ProgressBar // nil: lines, or none yet
	isTTY bool
	phase upload.RestorePhase
	next  time.Time // no line before
}

// linesEvery is how often a line comes.
const linesEvery = 5 * time.Second

func newProgress(w io.Writer) *progress { return &progress{w: w, isTTY: isTerminal(w)} }

// isTerminal reports whether somebody looks at it.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// restore takes the progress of a restore.
func (p *progress) restore(r upload.RestoreProgress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Phase != p.phase {
		p.finish()
		p.phase, p.next = r.Phase, time.Time{}
		if p.isTTY {
			p.bar = progressbar.NewOptions64(r.Total, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(string(r.Phase)),
				progressbar.OptionShowBytes(true), progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionFullWidth())
		}
	}
	if p.bar != nil {
		_ = p.bar.Set64(min(r.Bytes, r.Total)) // a bar that cannot be drawn stops no restore
		return
	}
	if now := time.Now(); !p.isTTY && now.After(p.next) {
		p.next = now.Add(linesEvery)
		_, _ = fmt.Fprintf(p.w, "%s: %s of %s\n", r.Phase, bytesText(r.Bytes), bytesText(r.Total))
	}
}

// note says something in between.
func (p *progress) note(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
	_, _ = fmt.Fprintf(p.w, "note: %s\n", plain(what))
}

// end leaves the terminal as it was.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
}

func (p *progress) finish() {
	if p.bar == nil {
		return
	}
	_ = p.bar.Exit()
	_, _ = fmt.Fprintln(p.w)
	p.bar, p.phase = nil, ""
}
