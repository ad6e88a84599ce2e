package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/admin"
)

// Sidecar is `aofsidecar run` as a process of its own: the real binary, on a directory, running or stopped.
type Sidecar struct {
	binary string
	home   string // log and control socket; short, because socket paths are limited to 107 bytes
	dir    string
	set    []string
	env    []string
	client *admin.Client

	mu   sync.Mutex
	proc *process // nil before the first start
}

// SidecarStatus is what tests read of `/status`. It is spelled out here and not taken from the program: the names are a
// contract with operators, and a test must fail when one of them changes.
type SidecarStatus struct {
	Ready    bool   `json:"ready"`
	NotReady string `json:"not_ready"`
	Upstream struct {
		Phase       string    `json:"phase"`
		NextTry     time.Time `json:"next_try"`
		LastFailure struct {
			Class   string `json:"class"`
			Phase   string `json:"phase"`
			Message string `json:"message"`
			InRow   int    `json:"in_row"`
		} `json:"last_failure"`
		ReceivedAt      time.Time `json:"received_at"`
		SnapshotBytes   int64     `json:"snapshot_bytes"`
		FullResyncs     int64     `json:"full_resyncs"`
		PartialResyncs  int64     `json:"partial_resyncs"`
		FailedSnapshots int64     `json:"failed_snapshots"`
	} `json:"upstream"`
	Log struct {
		Timeline string            `json:"timeline"`
		ReplID   string            `json:"replid"`
		Received int64             `json:"received"`
		Durable  int64             `json:"durable"`
		DiskFull bool              `json:"disk_full"`
		Awaiting bool              `json:"awaiting_upstream"`
		Retained []SidecarRetained `json:"retained"`
		Rewrite  struct {
			Running bool   `json:"running"`
			Begun   int64  `json:"begun"`
			Error   string `json:"error"`
			Last    struct {
				Base        string `json:"base"`
				BeforeBytes int64  `json:"before_bytes"`
				AfterBytes  int64  `json:"after_bytes"`
				CarriedKeys int64  `json:"carried_keys"`
			} `json:"last"`
		} `json:"rewrite"`
	} `json:"log"`
	Archive struct {
		LeaseHeld  bool   `json:"lease_held"`
		Timeline   string `json:"timeline"`
		Shipped    int64  `json:"shipped"`
		HasShipped bool   `json:"has_shipped"`
		LagBytes   int64  `json:"lag_bytes"`
		Spool      int64  `json:"spool_bytes"`
		GapCount   int64  `json:"gap_count"`
		Error      string `json:"error"`
		HeldBy     *struct {
			Holder string `json:"holder"`
		} `json:"held_by"`
		LastVerified map[string]time.Time `json:"last_verified"`
		Verification *struct {
			Level  string `json:"level"`
			Result string `json:"result"`
			Detail string `json:"detail"`
		} `json:"verification"`
	} `json:"archive"`
}

// SidecarRetained is a chain in retained/.
type SidecarRetained struct {
	Timeline string `json:"timeline"`
	Guard    *struct {
		KeysWas int64 `json:"keys_was"`
		KeysNow int64 `json:"keys_now"`
	} `json:"guard"`
}

// Streaming reports whether the sidecar is in step with its upstream, but for what is in flight.
func (s SidecarStatus) Streaming() bool { return s.Upstream.Phase == "streaming" }

// NewSidecar prepares a sidecar and starts nothing. set are further settings as `--set` takes them; they win over the
// defaults here: upstream.addr, aof.dir, a control socket, no HTTP, a log in text at level debug. The caller closes it.
func NewSidecar(binary, dir, upstream string, set ...string) (*Sidecar, error) {
	home, err := os.MkdirTemp("", "sidecar")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	s := &Sidecar{binary: binary, home: home, dir: dir}
	s.client = admin.NewClient(s.Socket())
	s.set = append([]string{
		"upstream.addr=" + upstream, "aof.dir=" + dir, "control.socket=" + s.Socket(), "http.addr=",
		"logging.level=debug", "logging.format=text",
	}, set...)
	return s, nil
}

// Dir returns aof.dir.
func (s *Sidecar) Dir() string { return s.dir }

// Socket returns the path of the control socket.
func (s *Sidecar) Socket() string { return filepath.Join(s.home, "c") }

// Set adds settings for the next start; they win over earlier ones.
func (s *Sidecar) Set(set ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = append(s.set, set...)
}

// Env adds variables, as "NAME=value", for the next start.
func (s *Sidecar) Env(variables ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.env = append(s.env, variables...)
}

// Start starts the process and returns as soon as it exists: what it does then, [Sidecar.Await] tells. It inherits no environment
// but PATH, so that no setting comes from there. A sidecar that runs is an error.
func (s *Sidecar) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil && s.proc.running() {
		return fmt.Errorf("start sidecar: process %d runs", s.proc.pid())
	}
	args := []string{"run"}
	for _, setting := range s.set {
		args = append(args, "--set", setting)
	}
	proc, err := spawn(ctx, s.binary, s.home, s.logPath(), append([]string{"PATH=" + os.Getenv("PATH")}, s.env...), args...)
	if err != nil {
		return err
	}
	s.proc = proc
	return nil
}

// PID returns the process id, 0 while the sidecar is stopped.
func (s *Sidecar) PID() int {
	if proc := s.running(); proc != nil {
		return proc.pid()
	}
	return 0
}

// running returns the process if there is one that runs.
func (s *Sidecar) running() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil || !s.proc.running() {
		return nil
	}
	return s.proc
}

// Status asks the running sidecar.
func (s *Sidecar) Status(ctx context.Context) (SidecarStatus, error) {
	var status SidecarStatus
	err := s.client.Get(ctx, "/status", &status)
	return status, err
}

// Await asks until condition holds and returns that status. It fails when the process ends, or as [Poll] does.
func (s *Sidecar) Await(ctx context.Context, what string, condition func(SidecarStatus) bool) (SidecarStatus, error) {
	var ended error
	status, err := Poll(ctx, "the sidecar to be "+what, func(ctx context.Context) (SidecarStatus, bool) {
		proc := s.running()
		status, err := s.Status(ctx)
		if err == nil {
			return status, condition(status)
		}
		if proc == nil {
			ended = fmt.Errorf("wait for the sidecar to be %s: it has ended; its log: %s", what, tail(s.Log(), 2<<10))
		}
		return status, ended != nil
	})
	return status, errors.Join(ended, err)
}

// Kill ends the process with SIGKILL and returns when it is gone.
func (s *Sidecar) Kill() error {
	if proc := s.running(); proc != nil {
		return proc.kill()
	}
	return nil
}

// Stop ends the process with SIGTERM and returns its exit code.
func (s *Sidecar) Stop(ctx context.Context) (int, error) {
	if proc := s.running(); proc != nil {
		if err := proc.signal(syscall.SIGTERM); err != nil {
			return 0, err
		}
	}
	return s.Exit(ctx)
}

// Exit waits for the process to end by itself and returns its exit code; it fails for one that a signal ended. A ctx without a deadline
// gets one of a minute.
func (s *Sidecar) Exit(ctx context.Context) (int, error) {
	s.mu.Lock()
	proc := s.proc
	s.mu.Unlock()
	if proc == nil {
		return 0, errors.New("wait for the sidecar's end: it was never started")
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 2*patience)
		defer cancel()
	}
	select {
	case <-proc.exited:
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for the sidecar's end: %w", ctx.Err())
	}
	var exit *exec.ExitError
	switch {
	case proc.err == nil:
		return 0, nil
	case errors.As(proc.err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	default:
		return 0, fmt.Errorf("wait for the sidecar's end: %w", proc.err)
	}
}

// Log returns all that the sidecar has written to stdout and stderr, over all its starts.
func (s *Sidecar) Log() string {
	raw, err := os.ReadFile(s.logPath())
	if err != nil {
		return ""
	}
	return string(raw)
}

func (s *Sidecar) logPath() string { return filepath.Join(s.home, "sidecar.log") }

// Close ends the process with SIGKILL and removes what [NewSidecar] made; aof.dir stays. It may be called more than once.
func (s *Sidecar) Close() error {
	return errors.Join(s.Kill(), os.RemoveAll(s.home))
}
