package testenv

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// How time.Now begins, and what it reads in the program of [BuildOnClock]: seconds to add, from a file that is open as clockFD. It is one line, for export data has the numbers of lines; and a
// raw system call, for the scheduler calls it, too.
const (
	clockFD  = 9 // the largest that a shell knows
	nowIs    = "\nfunc Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	nowMoved = "\nfunc Now() Time {\n\tsec, nsec, mono := runtimeNow(); var moved [8]byte; " +
		"if n, _, _ := syscall.RawSyscall6(syscall.SYS_PREAD64, %d, uintptr(unsafe.Pointer(&moved)), 8, 0, 0, 0); n == 8 " +
		"{ var by int64; for _, b := range moved { by = by<<8 | int64(b) }; sec += by }\n"
	unsafeIs  = "\n\t_ \"unsafe\" "
	withReads = "\n\t\"syscall\"; \"unsafe\" "
)

// Clock is the wall clock of programs, which can be moved while they run. Their other clock, by which they measure how long something takes, goes on as it is, as does that of the machine, which dates files.
type Clock struct {
	file *os.File
}

// NewClock returns a clock that is right.
func NewClock(tb testing.TB) *Clock {
	tb.Helper()
	file, err := os.Create(filepath.Join(tb.TempDir(), "clock"))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, file.Close()) })
	c := &Clock{file: file}
	require.NoError(tb, c.Move(0))
	return c
}

// Move puts the clock ahead of the right time by whole seconds, or behind it, from now on.
func (c *Clock) Move(by time.Duration) error {
	if by%time.Second != 0 {
		return fmt.Errorf("move clock by %v: want whole seconds", by)
	}
	if _, err := c.file.WriteAt(binary.BigEndian.AppendUint64(nil, uint64(by/time.Second)), 0); err != nil {
		return fmt.Errorf("move clock: %w", err)
	}
	return nil
}

// Program returns a program that runs one of [BuildOnClock] by this clock. It is gone when the test ends.
func (c *Clock) Program(tb testing.TB, program string) string {
	tb.Helper()
	script := filepath.Join(tb.TempDir(), filepath.Base(program))
	text := fmt.Sprintf("#!/bin/sh\nexec %d<%s\nexec %s \"$@\"\n", clockFD, c.file.Name(), program)
	WriteScript(tb, script, text)
	return script
}

// BuildOnClock builds the sidecar as it is, but for time.Now, which goes by a [Clock]. It compiles the standard library's package time anew, with a line of it changed, and links it with all others as they are: another time in each of
// them would be compiled for minutes. A Go whose time.Now is another one fails the test.
func BuildOnClock(tb testing.TB) string {
	tb.Helper()
	root, err := repository()
	require.NoError(tb, err)
	b := clockBuild{ctx: tb.Context(), root: root, dir: tb.TempDir()}
	binary, err := b.build()
	require.NoError(tb, err)
	return binary
}

type clockBuild struct {
	ctx       context.Context //nolint:containedctx // of the one build that this is
	root, dir string
}

func (b clockBuild) build() (string, error) {
	const program = "github.com/aofsidecar/aofsidecar/cmd/aofsidecar"
	listed, err := b.run("list", "-export", "-deps", "-f", "{{with .Export}}packagefile {{$.ImportPath}}={{.}}{{end}}", program)
	if err != nil {
		return "", err
	}
	packages := filepath.Join(b.dir, "packages")
	if err := os.WriteFile(packages, []byte(listed), 0o600); err != nil {
		return "", err
	}
	moved := filepath.Join(b.dir, "time.a")
	if err := b.compile(packages, moved); err != nil {
		return "", err
	}
	main := ""
	for line := range strings.Lines(listed) {
		if file, ok := strings.CutPrefix(line, "packagefile "+program+"="); ok {
			main = strings.TrimSpace(file)
		}
	}
	// The linker takes what it is told last.
	linked := filepath.Join(b.dir, "linked")
	if err := os.WriteFile(linked, []byte(listed+"packagefile time="+moved+"\n"), 0o600); err != nil {
		return "", err
	}
	binary := filepath.Join(b.dir, "aofsidecar")
	_, err = b.run("tool", "link", "-importcfg", linked, "-o", binary, main)
	return binary, err
}

// compile compiles the changed package.
func (b clockBuild) compile(packages, output string) error {
	said, err := b.run("list", "-f", "{{.Dir}} {{join .GoFiles \" \"}}", "time")
	if err != nil {
		return err
	}
	fields := strings.Fields(said)
	dir, files := fields[0], fields[1:]
	args := []string{
		"tool", "compile", "-o", output, "-p", "time", "-std", "-pack", "-importcfg", packages, "-trimpath", b.dir + "=>$GOROOT/src/time",
	}
	for _, name := range files {
		if name != "time.go" {
			args = append(args, filepath.Join(dir, name))
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if text, err = withClock(text); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(b.dir, name), text, 0o600); err != nil {
			return err
		}
		args = append(args, filepath.Join(b.dir, name))
	}
	_, err = b.run(args...)
	return err
}

// withClock changes the text of time.go.
func withClock(text []byte) ([]byte, error) {
	for _, change := range [][2]string{{nowIs, fmt.Sprintf(nowMoved, clockFD)}, {unsafeIs, withReads}} {
		if bytes.Count(text, []byte(change[0])) != 1 {
			return nil, errors.New("change time.Now: this Go has another one: adapt internal/testenv/clock.go")
		}
		text = bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
	}
	return text, nil
}

func (b clockBuild) run(args ...string) (string, error) {
	cmd := exec.CommandContext(b.ctx, "go", args...)
	cmd.Dir = b.root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("run go %s: %w: %s", strings.Join(args[:2], " "), err, stderr.String())
	}
	return string(out), nil
}
