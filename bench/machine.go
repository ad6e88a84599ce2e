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
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where and with what a part was measured.
type machine struct {
	Cores      int    `json:"cores"`
	Processor  string `json:"processor"`
	Memory     uint64 `json:"memory"` // bytes
	Kernel     string `json:"kernel"`
	FileSystem string `json:"fileSystem"`
	Commit     string `json:"commit"` // of the sidecar
	Go         string `json:"go"`
	Server     string `json:"server"` // empty: there is none
	Gateway    string `json:"gateway"`
}

// facts lists what does not change from part to part, as the page shows it.
func (m machine) facts() []string {
	facts := []string{
		fmt.Sprintf("%d cores of %s, %d GB of memory, %s", m.Cores, m.Processor, m.Memory/gigabyte, m.Kernel),
		"disk: " + m.FileSystem,
		"sidecar: built with " + m.Go,
	}
	if m.Server != "" {
		facts = append(facts, "server: "+m.Server)
	}
	return append(facts, "S3 server: "+m.Gateway)
}

// gatewayModule is the S3 server that archives are measured against.
const gatewayModule = "github.com/versity/versitygw"

// describe looks at the machine, at the file system below dir, and asks both programs for their version.
func (b *bench) describe(ctx context.Context) (machine, error) {
	m := machine{Cores: runtime.NumCPU(), Processor: processor(), Gateway: gateway()}
	var (
		name unix.Utsname
		info unix.Sysinfo_t
	)
	err := errors.Join(unix.Uname(&name), unix.Sysinfo(&info))
	if err != nil {
		return m, fmt.Errorf("look at the machine: %w", err)
	}
	m.Kernel = unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:])
	m.Memory = info.Totalram * uint64(info.Unit)
	if m.FileSystem, err = fileSystem(b.dir); err != nil {
		return m, err
	}
	version, err := firstLine(ctx, b.sidecar, "version") // aofsidecar <commit> (<go>, <platform>)
	if err != nil {
		return m, err
	}
	commit, built, _ := strings.Cut(strings.TrimPrefix(version, "aofsidecar "), " ")
	m.Commit, m.Go = commit, strings.Trim(built, "()")
	if b.replica == "" {
		return m, nil
	}
	m.Server, err = firstLine(ctx, b.replica, "--version")
	return m, err
}

// gateway returns the version of the S3 server that this program was built with.
func gateway() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == gatewayModule {
				return "versitygw " + module.Version
			}
		}
	}
	return "versitygw"
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

// fileSystem returns the type and the device of the file system that dir is on: those of the longest mount point above it.
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
			kind, longest = fields[2]+" on "+fields[0], len(fields[1])
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
