package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/upload"
)

// What a verification can say.
const (
	verifiedOK           = "ok"
	verifiedFailed       = "failed"       // something is wrong with the archive
	verifiedInconclusive = "inconclusive" // it could not be found out
)

// bootResult is what booting a server from the archive showed.
type bootResult struct {
	Result     string `json:"result"`
	Detail     string `json:"detail,omitempty"`
	Server     string `json:"server,omitempty"`
	Timeline   string `json:"timeline,omitempty"`
	Offset     int64  `json:"offset"`
	Keys       int64  `json:"keys"`     // that the server has; -1: it did not get that far
	KeysAtMost int64  `json:"keys_max"` // that it should have; fewer, but keys_min at least, where only a server can say
	KeysLeast  int64  `json:"keys_min"`
}

func (r *bootResult) say(result, format string, args ...any) {
	r.Result, r.Detail = result, fmt.Sprintf(format, args...)
}

// bootCheck restores the newest state into a temporary directory and boots a server from it, on loopback and as a replica of nowhere, so that it expires
// nothing. Errors are those of the restore; what the server makes of it is in the result.
func bootCheck(ctx context.Context, a *archive, config Config, command string) (_ *bootResult, err error) {
	result := &bootResult{Keys: -1}
	words := strings.Fields(command)
	if len(words) == 0 {
		result.say(verifiedInconclusive, "no server to boot is given")
		return result, nil
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		result.say(verifiedInconclusive, "no such command: %v", err)
		return result, nil
	}
	dir, err := os.MkdirTemp("", "aofsidecar-boot-")
	if err != nil {
		return nil, fmt.Errorf("make temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	engine := askVersion(ctx, words[0])
	report, err := restoreToBoot(ctx, a, config, dir, engine)
	if old, ok := errors.AsType[*upload.EngineError](err); ok {
		result.Server = engine.String()
		result.say(verifiedInconclusive, "%v", old)
		return result, nil
	}
	if err != nil {
		return nil, err
	}
	result.Timeline, result.Offset = report.Timeline, int64(report.Offset)
	if err := result.expect(ctx, config, dir); err != nil {
		return nil, err
	}
	if result.Result == "" {
		result.boot(ctx, words, dir, config, report)
	}
	return result, context.Cause(ctx)
}

// restoreToBoot restores the newest state. Where the guard tripped it is the newest timeline's: an operator has yet to say which one counts.
func restoreToBoot(ctx context.Context, a *archive, config Config, dir string, engine upload.Engine) (upload.RestoreReport, error) {
	identities, err := config.Archive.identities()
	if err != nil {
		return upload.RestoreReport{}, err
	}
	options := upload.RestoreOptions{
		Dir: dir, Identities: identities, Engine: engine, DirName: config.AOF.AppendDirName, FileName: config.AOF.AppendFileName,
	}
	report, err := upload.Restore(ctx, a.store, options)
	if guard, ok := errors.AsType[*upload.GuardError](err); ok {
		options.Timeline = guard.Timeline
		report, err = upload.Restore(ctx, a.store, options)
	}
	return report, err
}

// expect finds out what the server should show, without one: the position is that of the last mark, the keys are those of base and increment folded.
func (r *bootResult) expect(ctx context.Context, config Config, dir string) error {
	options := aof.Options{Dir: dir, DirName: config.AOF.AppendDirName, FileName: config.AOF.AppendFileName}
	sound, err := aof.Verify(ctx, options)
	if err != nil {
		return err
	}
	if int64(sound.Position.Offset) != r.Offset {
		r.say(verifiedFailed, "what was restored ends at offset %d, and should end at %d", sound.Position.Offset, r.Offset)
		return nil
	}
	folder := filepath.Join(dir, config.AOF.AppendDirName)
	base, closeBase, err := openFoldFile(filepath.Join(folder, sound.Base.Name))
	if err != nil {
		return err
	}
	defer closeBase()
	var increment upload.FoldFile
	for _, info := range sound.Increments {
		file, closeFile, err := openFoldFile(filepath.Join(folder, info.Name))
		if err != nil {
			return err
		}
		defer closeFile()
		increment = file // a restore makes one
	}
	result, err := foldFiles(ctx, base, increment, io.Discard, foldOptions())
	if cannot, ok := errors.AsType[*upload.EngineError](err); ok {
		r.KeysLeast, r.KeysAtMost = 0, maxKeys
		r.Detail = cannot.Error()
		return nil
	}
	if err != nil {
		return err
	}
	r.KeysLeast, r.KeysAtMost = result.Keys-result.Carried, result.Keys+result.Carried
	return nil
}

// maxKeys stands for no limit.
const maxKeys = 1<<63 - 1

func openFoldFile(path string) (upload.FoldFile, func(), error) {
	file, err := os.Open(path)
	if err != nil {
		return upload.FoldFile{}, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return upload.FoldFile{}, nil, errors.Join(err, file.Close())
	}
	return upload.FoldFile{Name: path, R: file, Size: info.Size()}, func() { _ = file.Close() }, nil // read only: nothing to lose
}

// boot boots the server, compares, and ends it.
func (r *bootResult) boot(ctx context.Context, words []string, dir string, config Config, report upload.RestoreReport) {
	server, err := startServer(ctx, words, dir, config, report)
	if err != nil {
		r.say(verifiedInconclusive, "%v", err)
		return
	}
	defer server.stop()
	err = server.await(ctx)
	r.Server = server.version()
	switch {
	case ctx.Err() != nil:
		r.say(verifiedInconclusive, "%v", context.Cause(ctx))
		return
	case errors.Is(err, errRefused):
		result := verifiedFailed
		if server.lacksModule() || server.version() == nameless { // or it is no server
			result = verifiedInconclusive
		}
		r.say(result, "%s did not load it: %s", r.Server, server.lastWords())
		return
	case err != nil:
		r.say(verifiedInconclusive, "%v: %s", err, server.lastWords())
		return
	}
	if r.Keys, err = server.keys(ctx); err != nil {
		r.Keys = -1
		r.say(verifiedInconclusive, "ask %s for its keys: %v", r.Server, err)
		return
	}
	r.compare()
}

func (r *bootResult) compare() {
	want := strconv.FormatInt(r.KeysLeast, 10)
	if r.KeysLeast != r.KeysAtMost {
		want = fmt.Sprintf("%d to %d", r.KeysLeast, r.KeysAtMost)
	}
	switch {
	case r.KeysAtMost == maxKeys:
		r.say(verifiedOK, "%s loaded %d keys up to offset %d; how many there should be only a server can say", r.Server, r.Keys, r.Offset)
	case r.Keys >= r.KeysLeast && r.Keys <= r.KeysAtMost:
		r.say(verifiedOK, "%s loaded %d keys up to offset %d", r.Server, r.Keys, r.Offset)
	case r.Keys < r.KeysLeast && losesFields(r.Server):
		r.say(verifiedInconclusive, "%s loaded %d keys up to offset %d of %s: this version drops hashes whose fields have expired meanwhile when it loads a log", r.Server, r.Keys, r.Offset, want)
	default:
		r.say(verifiedFailed, "%s loaded %d keys up to offset %d, and should have %s", r.Server, r.Keys, r.Offset, want)
	}
}

// losesFields reports whether a server treats a field that expired before it loads the log as gone, whatever the log does with it after that (Redis
// t_hash.c:hashTypeGetValue, since 7.4).
func losesFields(server string) bool {
	version, isRedis := strings.CutPrefix(server, "redis-")
	return isRedis && !strings.HasPrefix(version, "7.0") && !strings.HasPrefix(version, "7.2")
}

// engineWords finds name and version in what `--version` prints: "Redis server v=8.0.2", "Valkey server v=9.1.0".
func engineWords() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(redis|valkey)\b[^\n]*?v(?:ersion)?=(\d+\.\d+[.\d]*)`)
}

// askVersion asks a server's binary what it is; the zero value: it does not say.
func askVersion(ctx context.Context, binary string) upload.Engine {
	ctx, cancel := context.WithTimeout(ctx, sideTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return upload.Engine{}
	}
	return parseVersion(out)
}

func parseVersion(text []byte) upload.Engine {
	found := engineWords().FindSubmatch(text)
	if found == nil {
		return upload.Engine{}
	}
	return upload.Engine{Name: strings.ToLower(string(found[1])), Version: string(found[2])}
}

// bootedServer is a server of ours on loopback.
type bootedServer struct {
	cmd    *exec.Cmd
	log    *tailBuffer
	client *redis.Client
	exited chan struct{}
}

// startServer starts a server on what was restored. It listens on 127.0.0.1 only, and asks for a password that nobody else knows.
func startServer(ctx context.Context, words []string, dir string, config Config, report upload.RestoreReport) (*bootedServer, error) {
	port, err := loopbackPort(ctx)
	if err != nil {
		return nil, err
	}
	password := rand.Text()
	args := append(append([]string{}, words[1:]...),
		"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--protected-mode", "yes", "--unixsocket", "", "--daemonize", "no", "--logfile", "", "--loglevel", "notice",
		"--dir", dir, "--save", "", "--appendonly", "yes", "--appenddirname", config.AOF.AppendDirName, "--appendfilename", config.AOF.AppendFileName,
		"--auto-aof-rewrite-percentage", "0", "--cluster-enabled", "no", "--replicaof", "127.0.0.1", "1", "--databases", strconv.Itoa(databasesOf(report.Settings)), "-")
	s := &bootedServer{cmd: exec.CommandContext(context.WithoutCancel(ctx), words[0], args...), log: &tailBuffer{}, exited: make(chan struct{})}
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, s.log, s.log
	s.cmd.Stdin = strings.NewReader("requirepass " + password + "\n")
	s.cmd.WaitDelay = sideTimeout
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that it ends as a whole where the command is a script
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	go func() {
		defer close(s.exited)
		_ = s.cmd.Wait() // its log says why
	}()
	s.client = redis.NewClient(&redis.Options{
		Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Password: password, Protocol: 2, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	return s, nil
}

// loopbackPort finds a port that is free now.
func loopbackPort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a port: %w", err)
	}
	addr, ok := listener.Addr().(*net.TCPAddr)
	if err := listener.Close(); err != nil || !ok {
		return 0, fmt.Errorf("find a port: %w", err)
	}
	return addr.Port, nil
}

// databasesOf reads how many databases the result needs.
func databasesOf(settings []string) int {
	n := 16
	for _, line := range settings {
		if text, ok := strings.CutPrefix(line, "databases "); ok {
			if more, err := strconv.Atoi(text); err == nil {
				n = max(n, more)
			}
		}
	}
	return n
}

var (
	errRefused = errors.New("the server ended")
	errSilent  = errors.New("the server does not answer")
)

const (
	askEvery = 100 * time.Millisecond
	// silentAfter is how long a server may accept no connection. While it loads it answers.
	silentAfter = time.Minute
)

// await returns nil when the server has loaded, or errRefused when it ends before.
func (s *bootedServer) await(ctx context.Context) error {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	heard := time.Now()
	for {
		info, err := s.client.Info(ctx, "server", "persistence").Result()
		if err == nil {
			heard = time.Now()
			if parseInfo(info)["loading"] == "0" {
				return nil
			}
		}
		if time.Since(heard) > silentAfter {
			return fmt.Errorf("%w: %w", errSilent, err)
		}
		select {
		case <-s.exited:
			return errRefused
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// keys counts those of all databases.
func (s *bootedServer) keys(ctx context.Context) (int64, error) {
	info, err := s.client.Info(ctx, "keyspace").Result()
	if err != nil {
		return 0, err
	}
	return parseInfo(info).keys(), nil
}

// stop ends the server, and what it may have started, by its id, and waits.
func (s *bootedServer) stop() {
	_ = s.client.Close()                                  // nothing is under way
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	<-s.exited
}

// nameless is a server that did not say what it is.
const nameless = "the server"

// version is what the server calls itself.
func (s *bootedServer) version() string {
	engine := parseVersion([]byte(s.log.String()))
	if engine.IsZero() {
		return nameless
	}
	return engine.String()
}

// lacksModule reports whether the server ended because a module is not there.
func (s *bootedServer) lacksModule() bool {
	text := s.log.String()
	return strings.Contains(text, "module") && (strings.Contains(text, "I can't load") || strings.Contains(text, "can't load") || strings.Contains(text, "Unknown command"))
}

// lastWords are the last lines of its log.
func (s *bootedServer) lastWords() string {
	lines := strings.Split(strings.TrimSpace(s.log.String()), "\n")
	return strings.TrimSpace(strings.Join(lines[max(0, len(lines)-3):], "; "))
}

// tailBuffer keeps the beginning and the end of what is written to it. Safe for concurrent use.
type tailBuffer struct {
	mu         sync.Mutex
	head, tail bytes.Buffer
}

const tailBytes = 8 << 10

// Write takes a piece.
func (b *tailBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(p)
	if room := tailBytes - b.head.Len(); room > 0 {
		take := min(room, len(p))
		b.head.Write(p[:take])
		p = p[take:]
	}
	b.tail.Write(p)
	if over := b.tail.Len() - tailBytes; over > 0 {
		b.tail.Next(over)
	}
	return n, nil
}

func (b *tailBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.head.String() + b.tail.String()
}
