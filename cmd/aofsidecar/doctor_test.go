package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// healthyFacts are those of an upstream that nothing is wrong with.
func healthyFacts() *facts {
	return &facts{
		config: DefaultConfig(),
		info: serverInfo{
			"redis_version": "8.0.2", "role": "master", "connected_slaves": "0", "used_memory": "1073741824", "repl_backlog_active": "1",
		},
		settings: map[string]string{
			"repl-backlog-size": "104857600", "client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
			"repl-ping-replica-period": "10", "repl-diskless-sync": "yes", "repl-diskless-sync-delay": "5",
			"min-replicas-to-write": "0", "shutdown-timeout": "10",
		},
		user: "mirror", rate: 1 << 20, dir: "/data", space: fsx.Space{Free: 10 << 30, Total: 20 << 30},
	}
}

func TestDoctorFindsNothingWrong(t *testing.T) {
	report := newReport(healthyFacts().findings(), "")
	require.True(t, report.OK)
	seen := map[string]bool{}
	for _, f := range report.Findings {
		require.Equal(t, resultOK, f.Result, "%+v", f)
		require.Empty(t, f.Next)
		require.False(t, seen[f.Check], "%s twice", f.Check)
		seen[f.Check] = true
	}
}

func TestDoctorChecks(t *testing.T) {
	denied := errors.New("NOPERM this user has no permissions")
	for _, c := range []struct {
		name   string
		change func(*facts)
		check  string
		result result
		says   string
		next   string
	}{
		{"no answer", func(f *facts) { f.connectErr = errors.New("dial: refused") }, "connect", resultFail, "refused", "upstream.addr"},
		{"password file", func(f *facts) {
			f.connectErr = fmt.Errorf("read password file: %w", &fs.PathError{Op: "open", Path: "p", Err: fs.ErrPermission})
		}, "connect", resultFail, "open p", "readable"},
		{"password", func(f *facts) { f.connectErr = errors.New("WRONGPASS no") }, "connect", resultFail, "WRONGPASS", "password-file"},
		{"certificate", func(f *facts) { f.connectErr = errors.New("x509: unknown authority") }, "connect", resultFail, "x509", "ca-file"},
		{"no certificate of ours", func(f *facts) {
			f.connectErr, f.config.Upstream.TLS.Enabled = errors.New("connection reset"), true
		}, "connect", resultFail, "reset", "cert-file"},
		{"loading", func(f *facts) { f.connectErr = errors.New("LOADING data") }, "connect", resultFail, "LOADING", "wait"},
		{"too old", func(f *facts) { f.info["redis_version"] = "6.2.16" }, "version", resultFail, "relative expiry", "7.0"},
		{"valkey", func(f *facts) { f.info["redis_version"], f.info["valkey_version"] = "7.2.4", "9.1.2" }, "version", resultOK, "Valkey 9.1.2", ""},
		{"version not known", func(f *facts) { f.infoErr = denied }, "version", resultWarn, "not known", "+info"},
		{"replica", func(f *facts) { f.info["role"], f.info["master_link_status"] = "slave", "up" }, "role", resultOK, "costs the primary nothing", ""},
		{"replica without a link", func(f *facts) { f.info["role"], f.info["master_link_status"] = "slave", "down" }, "role", resultFail, "link is down", "primary"},
		{"cluster", func(f *facts) { f.info["cluster_enabled"] = "1" }, "role", resultOK, "each primary", ""},
		{"rights", func(f *facts) { f.denied = []string{"+psync", "+ping"} }, "rights", resultFail, "lacks +psync +ping", "ACL SETUSER mirror +psync +ping"},
		{"rights not known", func(f *facts) { f.rightErr = denied }, "rights", resultWarn, "not tried", "+acl|dryrun"},
		{"PSYNC worked", func(f *facts) { f.rightErr, f.psync = denied, "CONTINUE aaa" }, "rights", resultOK, "+CONTINUE", ""},
		{"PSYNC refused", func(f *facts) { f.rightErr, f.psyncErr = denied, denied }, "rights", resultFail, "NOPERM", "+psync +replconf +ping"},
		{"no INFO", func(f *facts) { f.infoErr, f.rateErr = denied, denied }, "info", resultWarn, "INFO is denied", "+info"},
		{"small backlog", func(f *facts) { f.rate = 10 << 20 }, "backlog", resultWarn, "more than 10s", "CONFIG SET repl-backlog-size 600mb"},
		{"idle", func(f *facts) { f.rate = 0 }, "backlog", resultOK, "nothing is written", ""},
		{"backlog not known", func(f *facts) { f.settingErr = denied }, "backlog", resultWarn, "NOPERM", "+config|get"},
		{"odd backlog", func(f *facts) { f.settings["repl-backlog-size"] = "many" }, "backlog", resultWarn, `"many"`, ""},
		{"hard limit", func(f *facts) { f.rate, f.info["used_memory"] = 20<<20, "1073741824" }, "buffer", resultWarn, "would not end", `"replica 858993`},
		{"soft limit", func(f *facts) { f.rate, f.info["used_memory"] = 2<<20, "4294967296" }, "buffer", resultWarn, "would not end", "CONFIG SET client-output-buffer-limit"},
		{"no limit", func(f *facts) { f.rate, f.settings["client-output-buffer-limit"] = 1<<30, "replica 0 0 0" }, "buffer", resultOK, "limit none", ""},
		{"odd limit", func(f *facts) { f.settings["client-output-buffer-limit"] = "normal 0 0 0" }, "buffer", resultWarn, "normal 0 0 0", ""},
		{"limit not a number", func(f *facts) { f.settings["client-output-buffer-limit"] = "replica a b c" }, "buffer", resultWarn, "invalid syntax", ""},
		{"no used_memory", func(f *facts) { delete(f.info, "used_memory") }, "buffer", resultWarn, "used_memory", ""},
		{"impatient", func(f *facts) { f.config.Upstream.ReplTimeout = Duration(10 * time.Second) }, "timeout", resultFail, "would be cut", "30s or more"},
		{"period not known", func(f *facts) { delete(f.settings, "repl-ping-replica-period") }, "timeout", resultWarn, "not known", ""},
		{"disk-backed", func(f *facts) { f.settings["repl-diskless-sync"] = "no" }, "diskless", resultWarn, "own disk", "repl-diskless-sync yes"},
		{"min-replicas", func(f *facts) { f.settings["min-replicas-to-write"] = "1" }, "replicas", resultWarn, "counts as a replica", "raise"},
		{"replicas", func(f *facts) { f.info["connected_slaves"] = "2" }, "failover", resultWarn, "read-only until FAILOVER ABORT", "FAILOVER TO"},
		{"behind", func(f *facts) { f.config.Upstream.Ack = AckBehind }, "failover", resultOK, "never picks", ""},
		{"behind and SHUTDOWN", func(f *facts) { f.config.Upstream.Ack = AckBehind }, "shutdown", resultWarn, "whole 10 s", "SHUTDOWN NOW"},
		{"never synced", func(f *facts) { f.config.AOF.AppendFsync = FsyncNo }, "waitaof", resultWarn, "is no", "everysec"},
		{"always synced", func(f *facts) { f.config.AOF.AppendFsync = FsyncAlways }, "waitaof", resultOK, "returns after one fsync", ""},
		{"synced and shipped", func(f *facts) { f.config.Upstream.Fack = FackShipped }, "waitaof", resultOK, "then for the archive", ""},
		{"always synced and shipped", func(f *facts) {
			f.config.AOF.AppendFsync, f.config.Upstream.Fack = FsyncAlways, FackShipped
		}, "waitaof", resultOK, "then for the archive", ""},
		{"never synced and archived", func(f *facts) {
			f.config.AOF.AppendFsync, f.config.Archive.URL = FsyncNo, "file:///a"
		}, "waitaof", resultWarn, "only when it closes", "everysec"},
		{"modules", func(f *facts) { f.modules = []string{"bf", "search"} }, "modules", resultWarn, "has modules", "load bf, search"},
		{"no space", func(f *facts) { f.space.Free = 500 << 20 }, "disk", resultFail, "will not fit", "larger disk"},
		{"little space", func(f *facts) { f.space.Free = 1536 << 20 }, "disk", resultWarn, "may not both fit", "twice"},
		{"size not known", func(f *facts) { f.info = serverInfo{} }, "disk", resultWarn, "not known", "used_memory"},
		{"no disk", func(f *facts) { f.spaceErr = errors.New("EIO") }, "disk", resultFail, "EIO", "aof.dir"},
	} {
		t.Run(c.name, func(t *testing.T) {
			facts := healthyFacts()
			c.change(facts)
			for _, f := range facts.findings() {
				if f.Check != c.check {
					continue
				}
				require.Equal(t, c.result, f.Result, "%+v", f)
				require.Contains(t, f.Message, c.says)
				require.Contains(t, f.Next, c.next)
				return
			}
			require.Fail(t, "no such check", c.check)
		})
	}
}

func TestDoctorWithoutAConnectionLooksAtTheDiskOnly(t *testing.T) {
	facts := healthyFacts()
	facts.connectErr, facts.info = errors.New("refused"), nil
	report := newReport(facts.findings(), "")
	require.False(t, report.OK)
	require.Len(t, report.Findings, 2)
}

func TestReportText(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, newReport([]finding{ok("connect", "h:1 answers"), warn("backlog", "small", "grow it")}, "m").write(&out))
	require.Equal(t, `ok    connect      h:1 answers
warn  backlog      small
                   Try: grow it

ACL, enough to mirror:
  ACL SETUSER m on >PASSWORD resetkeys resetchannels -@all +psync +replconf +ping
ACL, with lag, guard and doctor:
  ACL SETUSER m on >PASSWORD resetkeys resetchannels -@all +psync +replconf +ping +info +config|get +acl|whoami +acl|dryrun
`, out.String())
}

func TestParseModules(t *testing.T) {
	text := "# Modules\r\nmodule:name=vectorset,ver=1\r\nmodule:name=lua,ver=1\r\nmodule:name=bf,ver=20612,api=1\r\n# CPU\r\n"
	require.Equal(t, []string{"bf"}, parseModules(text))
	require.Empty(t, parseModules("# Modules\r\n"))
}

func TestSpan(t *testing.T) {
	for seconds, want := range map[float64]string{0: "less than 1s", 61: "1m1s", 1e12: "100 days", 7200: "2h"} {
		require.Equal(t, want, span(seconds))
	}
}
