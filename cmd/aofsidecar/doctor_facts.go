package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// facts are what the doctor knows. An error beside a fact says why it is not known; the checks then say so.
type facts struct {
	config Config

	connectErr error
	info       serverInfo
	infoErr    error
	modules    []string
	settings   map[string]string // CONFIG GET
	settingErr error

	user     string // ACL WHOAMI
	denied   []string
	rightErr error  // the rights could not be asked for
	psync    string // the answer to a PSYNC from the present position; empty if it was not tried
	psyncErr error  // the refusal of that PSYNC

	rate    float64 // bytes of replication stream a second
	rateErr error

	dir      string // aof.dir, or the nearest folder above it that exists
	space    fsx.Space
	spaceErr error
}

// serverSettings are the ones that checks look at. All are known since Redis 7.0.
func serverSettings() []string {
	return []string{
		"repl-backlog-size", "client-output-buffer-limit", "repl-ping-replica-period", "repl-diskless-sync", "repl-diskless-sync-delay",
		"min-replicas-to-write", "shutdown-timeout", "maxmemory",
	}
}

// gatherFacts asks the upstream and looks at the disk. It changes nothing, and lets the upstream fork nothing: a PSYNC is only tried
// where it is certain to be answered by +CONTINUE. The write rate is measured over the given time.
func gatherFacts(ctx context.Context, config Config, measure time.Duration) *facts {
	f := &facts{config: config}
	f.lookAtDisk()
	access := upstreamAccess{config.Upstream}
	client := access.client()
	defer func() { _ = client.Close() }() // nothing is under way on it
	if f.connectErr = client.Ping(ctx).Err(); f.connectErr != nil && !isDenied(f.connectErr) {
		return f
	}
	f.connectErr = nil
	f.askInfo(ctx, client)
	f.askSettings(ctx, client)
	f.askRights(ctx, client)
	if f.rightErr != nil && f.infoErr == nil {
		f.tryPSYNC(ctx, access)
	}
	f.measureRate(ctx, client, measure)
	return f
}

// isDenied reports whether the upstream answered, and said that the user may not.
func isDenied(err error) bool { return strings.HasPrefix(err.Error(), "NOPERM") }

func (f *facts) lookAtDisk() {
	f.dir = filepath.Clean(f.config.AOF.Dir)
	for {
		_, err := os.Stat(f.dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || f.dir == filepath.Dir(f.dir) {
			break
		}
		f.dir = filepath.Dir(f.dir)
	}
	f.space, f.spaceErr = fsx.OS{}.Space(f.dir)
}

func (f *facts) askInfo(ctx context.Context, client *redis.Client) {
	text, err := client.Info(ctx).Result()
	f.info, f.modules, f.infoErr = parseInfo(text), parseModules(text), err
}

func (f *facts) askSettings(ctx context.Context, client *redis.Client) {
	args := []any{"CONFIG", "GET"}
	for _, name := range serverSettings() {
		args = append(args, name)
	}
	pairs, err := client.Do(ctx, args...).StringSlice()
	f.settings, f.settingErr = map[string]string{}, err
	for i := 0; i+1 < len(pairs); i += 2 {
		f.settings[pairs[i]] = pairs[i+1]
	}
}

// askRights has the upstream try the commands of a replica in its head.
func (f *facts) askRights(ctx context.Context, client *redis.Client) {
	f.user, f.rightErr = client.Do(ctx, "ACL", "WHOAMI").Text()
	if f.rightErr != nil {
		return
	}
	for _, command := range [][]any{{"PSYNC", "?", "-1"}, {"REPLCONF", "ack", "0"}, {"PING"}} {
		answer, err := client.Do(ctx, append([]any{"ACL", "DRYRUN", f.user}, command...)...).Text()
		if err != nil {
			f.rightErr = err
			return
		}
		if answer != "OK" {
			f.denied = append(f.denied, "+"+strings.ToLower(fmt.Sprint(command[0])))
		}
	}
}

// tryPSYNC asks to go on from where the upstream is. With a backlog that is answered by +CONTINUE and costs a line in its log;
// without one it would fork, so it is not tried.
func (f *facts) tryPSYNC(ctx context.Context, access upstreamAccess) {
	offset, err := strconv.ParseInt(f.info["master_repl_offset"], 10, 64)
	if err != nil || f.info["repl_backlog_active"] != "1" {
		return
	}
	client := access.client() // of its own: after the answer its connection carries the stream
	defer func() { _ = client.Close() }()
	f.psync, f.psyncErr = client.Do(ctx, "PSYNC", f.info["master_replid"], strconv.FormatInt(offset+1, 10)).Text()
}

// measureRate looks at the offset twice. Without a replica an upstream has no backlog and counts no offset: then what its
// clients send is taken, which is more than what it would replicate.
func (f *facts) measureRate(ctx context.Context, client *redis.Client, measure time.Duration) {
	if f.infoErr != nil {
		f.rateErr = f.infoErr
		return
	}
	field := "master_repl_offset"
	if f.info["repl_backlog_active"] != "1" {
		field = "total_net_input_bytes"
	}
	first, began, err := f.counter(ctx, client, field)
	if err != nil {
		f.rateErr = err
		return
	}
	select {
	case <-time.After(measure):
	case <-ctx.Done():
	}
	second, ended, err := f.counter(ctx, client, field)
	if err != nil {
		f.rateErr = err
		return
	}
	f.rate = max(0, float64(second-first)/ended.Sub(began).Seconds())
}

func (f *facts) counter(ctx context.Context, client *redis.Client, field string) (int64, time.Time, error) {
	text, err := client.Info(ctx, "replication", "stats").Result()
	if err != nil {
		return 0, time.Time{}, err
	}
	n, err := strconv.ParseInt(parseInfo(text)[field], 10, 64)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("read %s of INFO: %w", field, err)
	}
	return n, time.Now(), nil
}
