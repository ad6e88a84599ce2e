package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// What the checks measure by.
const (
	// oldestRedis is the first version whose stream has absolute expiry times only.
	oldestRedis = 7
	// backlogSeconds is how long a restart or a moved pod takes: a backlog that holds less means a full resync.
	backlogSeconds = 60
	// snapshotBytesPerSecond is a careful guess at how fast a snapshot gets here.
	snapshotBytesPerSecond = 50 << 20
)

// findings runs every check on the facts. Where there is no connection, nothing else can be said of the upstream.
func (f *facts) findings() []finding {
	connect := f.checkConnect()
	if connect.Result == resultFail {
		return []finding{connect, f.checkDisk()}
	}
	return []finding{
		connect, f.checkVersion(), f.checkRole(), f.checkRights(), f.checkInfo(), f.checkBacklog(), f.checkOutputBuffer(), f.checkTimeout(),
		f.checkDiskless(), f.checkMinReplicas(), f.checkFailover(), f.checkShutdown(), f.checkFsync(), f.checkModules(), f.checkDisk(),
	}
}

func (f *facts) checkConnect() finding {
	const check = "connect"
	addr := f.config.Upstream.Addr
	if f.connectErr == nil {
		return ok(check, "%s answers", addr)
	}
	message := fmt.Sprintf("%s: %v", addr, f.connectErr)
	text := f.connectErr.Error()
	login, isLogin := errors.AsType[*loginError](f.connectErr)
	if isLogin {
		text = login.Reply
	}
	_, isFile := errors.AsType[*fs.PathError](f.connectErr)
	switch {
	case isFile:
		return fail(check, message, "make that file readable for this user; `aofsidecar config --origin` says which setting names it")
	case strings.HasPrefix(text, "WRONGPASS"), strings.HasPrefix(text, "NOAUTH"):
		return fail(check, message, "set upstream.username and upstream.password-file")
	case strings.Contains(text, "tls:"), strings.Contains(text, "x509:"):
		return fail(check, message, "set upstream.tls.ca-file, and upstream.tls.server-name if the certificate names another host")
	case strings.HasPrefix(text, "LOADING"):
		return fail(check, message, "wait until the upstream has loaded its data")
	case isLogin:
		return fail(check, message, "compare upstream.username and upstream.password-file with the upstream's requirepass, users and rename-command")
	case bool(f.config.Upstream.TLS.Enabled) && f.config.Upstream.TLS.CertFile == "":
		return fail(check, message, "check upstream.addr; if the upstream wants a certificate (tls-auth-clients), set upstream.tls.cert-file and key-file")
	default:
		return fail(check, message, "check upstream.addr, upstream.tls.enabled and what is between the two")
	}
}

// unknown is the finding where INFO or CONFIG was refused. The mirror works without.
func unknown(check, what string, err error) finding {
	return warn(check, fmt.Sprintf("not known: %s: %v", what, err), "allow "+what+" to this user, see the ACL below")
}

func (f *facts) checkVersion() finding {
	const check = "version"
	if f.infoErr != nil {
		return unknown(check, "+info", f.infoErr)
	}
	if version := f.info["valkey_version"]; version != "" {
		return ok(check, "Valkey %s", version)
	}
	version := f.info["redis_version"]
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < oldestRedis {
		return fail(check, "Redis "+version+" replicates relative expiry times, which mean something else whenever the log is loaded",
			"upgrade the upstream to Redis 7.0 or later, or Valkey")
	}
	return ok(check, "Redis %s", version)
}

func (f *facts) checkRole() finding {
	const check = "role"
	if f.infoErr != nil {
		return unknown(check, "+info", f.infoErr)
	}
	cluster := ""
	if f.info["cluster_enabled"] == "1" {
		cluster = "; of a cluster: each primary needs a sidecar of its own"
	}
	if f.info["role"] != "slave" {
		return ok(check, "primary with %s replicas%s", f.info["connected_slaves"], cluster)
	}
	if f.info["master_link_status"] != "up" {
		return fail(check, "replica whose own link is down: it serves no replicas now", "mend that link, or point upstream.addr at the primary")
	}
	return ok(check, "replica, which costs the primary nothing%s", cluster)
}

func (f *facts) checkRights() finding {
	const check = "rights"
	switch {
	case len(f.denied) > 0:
		return fail(check, fmt.Sprintf("user %s lacks %s", f.user, strings.Join(f.denied, " ")),
			"ACL SETUSER "+f.user+" "+strings.Join(f.denied, " "))
	case f.rightErr == nil:
		return ok(check, "user %s may PSYNC, REPLCONF and PING", f.user)
	case f.psyncErr != nil && isDenied(f.psyncErr):
		return fail(check, f.psyncErr.Error(), "ACL SETUSER "+f.config.Upstream.Username+" +psync +replconf +ping")
	case strings.HasPrefix(f.psync, "CONTINUE"):
		return ok(check, "PSYNC is answered with +CONTINUE")
	default:
		return warn(check, fmt.Sprintf("not known: %v; a PSYNC was not tried because it could make the upstream fork", f.rightErr),
			"allow +acl|whoami +acl|dryrun to this user, or see what `aofsidecar run` says")
	}
}

func (f *facts) checkInfo() finding {
	const check = "info"
	if f.infoErr != nil {
		return warn(check, "INFO is denied: the received lag is not known, and the guard counts the keys of the base only", "allow +info to this user")
	}
	return ok(check, "INFO is allowed: the lag is known, the guard counts keys")
}

func (f *facts) checkBacklog() finding {
	const check = "backlog"
	size, err := f.size("repl-backlog-size")
	if err != nil {
		return unknown(check, "+config|get", err)
	}
	if f.rateErr != nil {
		return unknown(check, "+info", f.rateErr)
	}
	text := humanize.IBytes(uint64(size)) + " at " + f.rateText()
	if f.rate == 0 {
		return ok(check, "%s: nothing is written now", text)
	}
	seconds := float64(size) / f.rate
	message := fmt.Sprintf("%s: a link that is down for more than %s ends in a full resync", text, span(seconds))
	if seconds >= backlogSeconds {
		return finding{Check: check, Result: resultOK, Message: message}
	}
	wanted := Size(roundUp(int64(f.rate*backlogSeconds), 1<<20))
	return warn(check, message, fmt.Sprintf("CONFIG SET repl-backlog-size %s (for %d s)", wanted, backlogSeconds))
}

func (f *facts) checkOutputBuffer() finding {
	const check = "buffer"
	hard, soft, softSeconds, err := f.replicaBufferLimit()
	if err != nil {
		return unknown(check, "+config|get", err)
	}
	if f.rateErr != nil {
		return unknown(check, "+info", f.rateErr)
	}
	used, err := strconv.ParseInt(f.info["used_memory"], 10, 64)
	if err != nil {
		return warn(check, "INFO has no used_memory", "")
	}
	snapshot := float64(used) / snapshotBytesPerSecond
	needed := int64(f.rate * snapshot)
	text := fmt.Sprintf("a snapshot of up to %s takes %s or so, in which %s gather for the sidecar; limit %s (%s for %d s)",
		humanize.IBytes(uint64(used)), span(snapshot), humanize.IBytes(uint64(needed)), limit(hard), limit(soft), softSeconds)
	tooMuch := hard > 0 && needed > hard || soft > 0 && needed > soft && snapshot > float64(softSeconds)
	if !tooMuch {
		return finding{Check: check, Result: resultOK, Message: text}
	}
	return warn(check, text+": the upstream would drop the link, and full resyncs would not end",
		fmt.Sprintf("CONFIG SET client-output-buffer-limit \"replica %d %d %d\"", 2*needed, 2*needed, softSeconds))
}

func (f *facts) checkTimeout() finding {
	const check = "timeout"
	if f.settingErr != nil {
		return unknown(check, "+config|get", f.settingErr)
	}
	period, err := strconv.Atoi(f.settings["repl-ping-replica-period"])
	if err != nil {
		return unknown(check, "+config|get", fmt.Errorf("repl-ping-replica-period: %w", err))
	}
	ours := time.Duration(f.config.Upstream.ReplTimeout)
	if ours <= time.Duration(period)*time.Second {
		return fail(check, fmt.Sprintf("upstream.repl-timeout is %s and the upstream sends a PING each %d s: an idle link would be cut", ours, period),
			fmt.Sprintf("set upstream.repl-timeout to %ds or more", 3*period))
	}
	return ok(check, "upstream.repl-timeout %s, a PING each %d s", f.config.Upstream.ReplTimeout, period)
}

func (f *facts) checkDiskless() finding {
	const check = "diskless"
	if f.settingErr != nil {
		return unknown(check, "+config|get", f.settingErr)
	}
	if f.settings["repl-diskless-sync"] == "yes" {
		return ok(check, "a snapshot goes straight to the sidecar, %s s after it is asked for", f.settings["repl-diskless-sync-delay"])
	}
	return warn(check, "repl-diskless-sync is no: the upstream writes each snapshot to its own disk first", "CONFIG SET repl-diskless-sync yes")
}

func (f *facts) checkMinReplicas() finding {
	const check = "replicas"
	if f.settingErr != nil {
		return unknown(check, "+config|get", f.settingErr)
	}
	wanted := f.settings["min-replicas-to-write"]
	if wanted == "0" || wanted == "" {
		return ok(check, "min-replicas-to-write is off")
	}
	return warn(check, "min-replicas-to-write is "+wanted+", and the sidecar counts as a replica: with it, one real replica fewer is enough",
		"raise min-replicas-to-write by one if only real replicas should count")
}

func (f *facts) checkFailover() finding {
	const check = "failover"
	if f.config.Upstream.Ack == AckBehind {
		return ok(check, "upstream.ack is behind: FAILOVER never picks the sidecar; WAIT does not count it for the newest command, WAITAOF does")
	}
	const message = "upstream.ack is exact: FAILOVER without TO may pick the sidecar, and the upstream then stays read-only until FAILOVER ABORT"
	if f.infoErr == nil && f.info["connected_slaves"] == "0" {
		return ok(check, "%s; there is no replica to fail over to now", message)
	}
	return warn(check, message, "always use FAILOVER TO <host> <port>, or set upstream.ack to behind")
}

func (f *facts) checkShutdown() finding {
	const check = "shutdown"
	if f.config.Upstream.Ack == AckExact {
		return ok(check, "upstream.ack is exact: SHUTDOWN waits for the sidecar only until it has everything")
	}
	timeout := f.settings["shutdown-timeout"]
	if timeout == "" {
		timeout = "shutdown-timeout"
	}
	return warn(check, "upstream.ack is behind: each SHUTDOWN of the upstream waits its whole "+timeout+" s",
		"SHUTDOWN NOW, a smaller shutdown-timeout upstream, or upstream.ack exact")
}

func (f *facts) checkFsync() finding {
	const check = "waitaof"
	const after = ", and then for the archive, as upstream.fack is shipped: archive.ship-interval and an upload more"
	archived := f.config.Upstream.Fack == FackShipped
	switch f.config.AOF.AppendFsync {
	case FsyncNo:
		message := "aof.appendfsync is no: WAITAOF upstream does not get the sidecar's word in any useful time"
		if f.config.Archive.URL != "" {
			message += ", and the archive gets an increment only when it closes"
		}
		return warn(check, message, "set aof.appendfsync to everysec or always")
	case FsyncAlways:
		if archived {
			return ok(check, "aof.appendfsync is always: WAITAOF 0 1 waits for one fsync here%s", after)
		}
		return ok(check, "aof.appendfsync is always: WAITAOF 0 1 returns after one fsync here")
	case FsyncEverySec:
		if archived {
			return ok(check, "aof.appendfsync is everysec: WAITAOF 0 1 waits up to about a second for an fsync here%s", after)
		}
		return ok(check, "aof.appendfsync is everysec: WAITAOF 0 1 returns within about a second")
	default:
		return fail(check, fmt.Sprintf("aof.appendfsync is %q", f.config.AOF.AppendFsync), "always, everysec or no")
	}
}

func (f *facts) checkModules() finding {
	const check = "modules"
	if f.infoErr != nil {
		return unknown(check, "+info", f.infoErr)
	}
	if len(f.modules) > 0 {
		return warn(check, "the upstream has modules: a server needs them to load what they wrote",
			"load "+strings.Join(f.modules, ", ")+" in the server that is to boot from the mirror")
	}
	return ok(check, "none: a stock server loads what is mirrored")
}

func (f *facts) checkDisk() finding {
	const check = "disk"
	if f.spaceErr != nil {
		return fail(check, fmt.Sprintf("%s: %v", f.dir, f.spaceErr), "set aof.dir to a folder that can be made")
	}
	text := fmt.Sprintf("%s has %s free", f.dir, humanize.IBytes(uint64(f.space.Free)))
	used, err := strconv.ParseInt(f.info["used_memory"], 10, 64)
	if err != nil {
		return warn(check, text+"; how much a snapshot takes is not known", "leave at least twice the upstream's used_memory")
	}
	text += ", the upstream uses " + humanize.IBytes(uint64(used)) + " of memory"
	switch {
	case f.space.Free < used/2:
		return fail(check, text+": a snapshot will not fit", "a larger disk for aof.dir")
	case f.space.Free < 2*used:
		return warn(check, text+": during a full resync the old log and the new snapshot may not both fit", "leave at least twice that")
	default:
		return finding{Check: check, Result: resultOK, Message: text}
	}
}

// size reads a setting that is a number of bytes.
func (f *facts) size(name string) (int64, error) {
	if f.settingErr != nil {
		return 0, f.settingErr
	}
	n, err := strconv.ParseInt(f.settings[name], 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s is %q", name, f.settings[name])
	}
	return n, nil
}

// replicaBufferLimit reads the part for replicas of client-output-buffer-limit: "... slave 268435456 67108864 60 ...".
func (f *facts) replicaBufferLimit() (hard, soft, seconds int64, err error) {
	if f.settingErr != nil {
		return 0, 0, 0, f.settingErr
	}
	text := f.settings["client-output-buffer-limit"]
	words := strings.Fields(text)
	for i := 0; i+3 < len(words); i += 4 {
		if words[i] != "slave" && words[i] != "replica" {
			continue
		}
		var numbers [3]int64
		for j := range numbers {
			if numbers[j], err = strconv.ParseInt(words[i+1+j], 10, 64); err != nil {
				return 0, 0, 0, fmt.Errorf("client-output-buffer-limit: %w", err)
			}
		}
		return numbers[0], numbers[1], numbers[2], nil
	}
	return 0, 0, 0, fmt.Errorf("client-output-buffer-limit is %q", text)
}

func (f *facts) rateText() string { return humanize.IBytes(uint64(f.rate)) + "/s" }

func limit(n int64) string {
	if n == 0 {
		return "none"
	}
	return humanize.IBytes(uint64(n))
}

// span prints seconds without false precision.
func span(seconds float64) string {
	if seconds < 1 {
		return "less than 1s"
	}
	if seconds > 100*24*3600 {
		return "100 days"
	}
	return Duration(time.Duration(seconds * float64(time.Second)).Round(time.Second)).String()
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
