package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// logTail is how much of a child's output an error shows.
const logTail = 2 << 10

// errEnded is the cause of what fails because a child has ended.
var errEnded = errors.New("process ended")

// child is a process, with what it forks: a real replica forks to write its first base. It dies with this one.
type child struct {
	cmd    *exec.Cmd
	log    string
	exited chan struct{} // closed after it was waited for
	killed bool          // all of the group is gone, and its number may be another's
}

// start runs argv with dir as working directory; what it prints goes to a file there.
//
// The kernel sends the parent-death signal when the thread that forked ends (prctl(2)), so that thread is kept. What the
// child forks is in its process group and, when the child is gone, becomes ours to wait for.
func start(ctx context.Context, dir string, argv []string) (*child, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become subreaper: %w", err)
	}
	log := filepath.Join(dir, "log")
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	c := &child{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...), log: log, exited: make(chan struct{})}
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = dir, out, out
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.exited)
		err := c.cmd.Start()
		started <- err
		if err == nil {
			_ = c.cmd.Wait() // it is killed, or its log says why it ended
		}
	}()
	if err := errors.Join(<-started, out.Close()); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	return c, nil
}

// alive returns a context that ends with ctx, or with the process, whose last words are then the cause. The process must be killed
// or waited for.
func (c *child) alive(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		<-c.exited
		said, _ := os.ReadFile(c.log) // what cannot be read is not shown
		cancel(fmt.Errorf("%s: %w: %s", c.cmd.Path, errEnded, said[max(0, len(said)-logTail):]))
	}()
	return ctx
}

// kill ends the process and what it has forked with SIGKILL, and waits for all of them. It may be called again.
func (c *child) kill() error {
	if c.killed {
		return nil
	}
	group := -c.cmd.Process.Pid
	err := unix.Kill(group, unix.SIGKILL)
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	<-c.exited
	for {
		_, werr := unix.Wait4(group, nil, 0, nil)
		switch {
		case errors.Is(werr, unix.ECHILD):
			c.killed = true
			return err
		case werr != nil && !errors.Is(werr, unix.EINTR):
			return errors.Join(err, fmt.Errorf("wait for process group %d: %w", -group, werr))
		}
	}
}

// cpu returns how much processor time, user and system, the process has taken in all its threads, by the clock of
// clock_getcpuclockid(3), which is exact where /proc counts ticks of 10 ms.
func (c *child) cpu() (time.Duration, error) {
	const perProcess = 2
	var now unix.Timespec
	if err := unix.ClockGettime(int32(^c.cmd.Process.Pid)<<3|perProcess, &now); err != nil {
		return 0, fmt.Errorf("read processor time of %d: %w", c.cmd.Process.Pid, err)
	}
	return time.Duration(now.Nano()), nil
}

// peak returns the most memory that the process had resident, in bytes.
func (c *child) peak() (int64, error) {
	path := fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid)
	file, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read peak memory: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if name != "VmHWM" {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read peak memory: %w", err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("read peak memory: no VmHWM in %s: %w", path, lines.Err())
}

// watch waits for the end of the process, and returns the most memory that it had resident until pollEvery before.
func (c *child) watch() int64 {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var most int64
	for {
		if peak, err := c.peak(); err == nil { // one that is ending has none
			most = peak
		}
		select {
		case <-c.exited:
			return most
		case <-ticker.C:
		}
	}
}
