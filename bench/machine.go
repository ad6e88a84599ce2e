package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine is where and with what a run was made.
type machine struct {
	date       time.Time
	cores      int
	processor  string
	memory     uint64 // bytes
	kernel     string
	fileSystem string
	sidecar    string
	replica    string // empty: there is none
}

// describe looks at the machine, at the file system below dir, and asks both programs for their version.
func (b *bench) describe(ctx context.Context) (machine, error) {
	m := machine{date: time.Now().UTC(), cores: runtime.NumCPU(), processor: processor()}
	var (
		name unix.Utsname
		info unix.Sysinfo_t
	)
	err := errors.Join(unix.Uname(&name), unix.Sysinfo(&info))
	if err != nil {
		return m, fmt.Errorf("look at the machine: %w", err)
	}
	m.kernel = unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:])
	m.memory = info.Totalram * uint64(info.Unit)
	if m.fileSystem, err = fileSystem(b.dir); err != nil {
		return m, err
	}
	if m.sidecar, err = firstLine(ctx, b.sidecar, "version"); err != nil {
		return m, err
	}
	if b.replica == "" {
		return m, nil
	}
	m.replica, err = firstLine(ctx, b.replica, "--version")
	return m, err
}

// processor returns the model's name, or the architecture where the kernel does not tell.
func processor() string {
	raw, _ := os.ReadFile("/proc/cpuinfo") // absent is like silent
	for line := range strings.Lines(string(raw)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// fileSystem returns the type of the file system that dir is on: that of the longest mount point above it.
func fileSystem(dir string) (string, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("find file system: %w", err)
	}
	raw, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", fmt.Errorf("find file system: %w", err)
	}
	kind, longest := "unknown", 0
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		fields := strings.Fields(lines.Text()) // device, mount point, type, options
		if len(fields) < 3 || len(fields[1]) < longest {
			continue
		}
		if rel, err := filepath.Rel(fields[1], dir); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			kind, longest = fields[2], len(fields[1])
		}
	}
	return kind, nil
}

func firstLine(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", filepath.Base(program), err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}
