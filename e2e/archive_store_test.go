package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// A store that does not know conditional writes, or takes no notice of them, is found out at the start. Without a lease the sidecar ships to it.
func TestArchiveWithoutConditions(t *testing.T) {
	conditional := func(r *http.Request) bool {
		return r.Method == http.MethodPut && (r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Match") != "")
	}
	for name, fault := range map[string]s3gateway.Fault{
		"refused": {Kind: s3gateway.Answer, Match: conditional, Status: http.StatusNotImplemented, Code: "NotImplemented"},
		"ignored": {Kind: s3gateway.Forgive, Match: conditional},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			family := testenv.Pick(t, "valkey-8.0")
			upstream := testenv.StartServer(t, family)
			require.NoError(t, upstream.Client().Set(t.Context(), "a", 1, 0).Err())
			a := newArchive(t, true)
			a.proxy.Plan(fault)
			m := a.newMirror(t, upstream.Addr())
			m.start(t)
			code, err := m.Exit(t.Context())
			require.NoError(t, err)
			require.Equal(t, 2, code, m.Log())
			require.Contains(t, m.Log(), "the store knows no conditional writes")
			require.Contains(t, m.Log(), "Try: set archive.lease.enabled: false")
			looked := a.command(t, "doctor", "--measure", "100ms", "--set", "upstream.addr="+upstream.Addr(), "--set", "aof.dir="+t.TempDir())
			require.Equal(t, 1, looked.code, "%+v", looked)
			require.Regexp(t, "(?m)^fail +conditions ", looked.stdout)

			m.Set("archive.lease.enabled=false")
			m.start(t)
			m.awaitShipped(t, upstream)
			requireCleanEnd(t, family, m)
			dir, _ := a.restore(t)
			testenv.RequireEqual(t, upstream, testenv.BootFromAOF(t, family, dir), testenv.IgnoreUnreplicated())
		})
	}
}

// The doctor names the two rights that are easily left out, as the work goes on without them for a while: to be told that an object is not there, and to find uploads that never ended.
func TestDoctorMissesRights(t *testing.T) {
	t.Parallel()
	upstream := testenv.StartServer(t, testenv.Pick(t, "redis-8.0"))
	a := newArchive(t, true)
	denied := func(match func(*http.Request) bool) s3gateway.Fault {
		return s3gateway.Fault{Kind: s3gateway.Answer, Match: match, Status: http.StatusForbidden, Code: "AccessDenied"}
	}
	lease := func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/lease.json")
	}
	a.proxy.Plan(denied(s3gateway.On("ListMultipartUploads")), denied(lease))
	looked := a.command(t, "doctor", "--measure", "100ms", "--set", "upstream.addr="+upstream.Addr(), "--set", "aof.dir="+t.TempDir())
	require.Equal(t, 1, looked.code, "%+v", looked)
	require.Regexp(t, `(?m)^warn +multipart .*AccessDenied.*\n +.*s3:ListBucketMultipartUploads`, looked.stdout)
	require.Regexp(t, `(?m)^fail +lease .*AccessDenied.*\n +.*allow GET below this prefix, and LIST of it`, looked.stdout)
}

// Credentials that last for seconds are refused for a while: first with a wrong key, then as expired. The mirror goes on, says so, and when they are good again ships all of it.
func TestArchiveCredentialsExpire(t *testing.T) {
	t.Parallel()
	family := testenv.Pick(t, "redis-7.0")
	upstream := testenv.StartServer(t, family)
	a := newArchive(t, true)
	home := t.TempDir()
	keys := filepath.Join(home, "keys")
	say := func(id, secret string) { // a new id each time, as they have: the SDK keeps what it derives from a key by its id
		require.NoError(t, os.WriteFile(keys, fmt.Appendf(nil, `"AccessKeyId":%q,"SecretAccessKey":%q`, id, secret), 0o600))
	}
	say(s3gateway.AccessKey, s3gateway.SecretKey)
	script := filepath.Join(home, "credentials")
	require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, `#!/bin/sh
printf '{"Version":1,%%s,"Expiration":"%%s"}' "$(cat '%s')" "$(date -u -d '+2 seconds' +%%Y-%%m-%%dT%%H:%%M:%%SZ)"
`, keys), 0o700)) //nolint:gosec // a program of the test
	config := filepath.Join(home, "config")
	require.NoError(t, os.WriteFile(config, []byte("[default]\ncredential_process = "+script+"\n"), 0o600))
	static := a.env
	a.env = []string{"AWS_CONFIG_FILE=" + config, "AWS_EC2_METADATA_DISABLED=true", "HOME=" + home}
	m := a.newMirror(t, upstream.Addr())
	a.env = static
	m.start(t)
	work := newWorkload(t, newSeed(t), upstream, workload.Options{NoFlush: true, NoFieldTTL: true})
	tr := startTraffic(t, upstream, work)
	m.awaitShipped(t, upstream)

	const wrong = "not-the-secret-key"
	refused := func(code string) {
		status := m.await(t, "refused: "+code, func(s testenv.SidecarStatus) bool {
			return s.Streaming() && strings.Contains(s.Archive.Error, code) && !s.Archive.LeaseHeld
		})
		require.True(t, status.Ready, status.NotReady)
		offset, err := offsetOf(t.Context(), upstream)
		require.NoError(t, err)
		m.await(t, "mirroring all the same", func(s testenv.SidecarStatus) bool { return s.Log.Durable >= offset })
	}
	say("another", wrong)
	refused("XAdminUserNotFound") // as versitygw calls it
	a.proxy.Plan(s3gateway.Fault{Kind: s3gateway.Answer, Status: http.StatusForbidden, Code: "ExpiredToken"})
	say(s3gateway.AccessKey, s3gateway.SecretKey)
	refused("ExpiredToken")
	a.proxy.Plan()

	tr.stop(t)
	freeze(t, upstream)
	m.awaitShipped(t, upstream)
	require.EqualValues(t, 1, requireResyncs(t, upstream).full)
	require.Zero(t, m.await(t, "in step", testenv.SidecarStatus.Streaming).Archive.GapCount)
	requireCleanEnd(t, family, m)
	require.NotContains(t, m.Log(), wrong)
	a.requireNoSecrets(t, m)
	a.ok(t, "verify", "--archive", "--deep")
	dir, _ := a.restore(t)
	testenv.RequireEqual(t, upstream, testenv.BootFromAOF(t, family, dir), testenv.IgnoreUnreplicated())
}

// A sidecar that verifies its archive now and then boots a server from it, and finds out when that is no longer possible.
func TestArchiveIsVerifiedByBoot(t *testing.T) {
	for _, s3 := range []bool{false, true} {
		if !s3 && !full {
			continue // it takes two minutes
		}
		t.Run(map[bool]string{true: "s3", false: "file"}[s3], func(t *testing.T) {
			t.Parallel()
			family := testenv.Pick(t, "valkey-9.1")
			upstream := testenv.StartServer(t, family)
			require.NoError(t, upstream.Client().Set(t.Context(), "a", 1, 0).Err())
			a := newArchive(t, s3)
			m := a.newMirror(t, upstream.Addr(), "archive.verify.interval=1m", "archive.verify.level=boot", "archive.verify.boot-command="+family.Server())
			m.start(t)
			m.awaitShipped(t, upstream)
			verified := m.awaitWithin(t, 3*time.Minute, "verified", func(s testenv.SidecarStatus) bool { return s.Archive.Verification != nil })
			require.Equal(t, "ok", verified.Archive.Verification.Result, verified.Archive.Verification.Detail)
			require.Equal(t, "boot", verified.Archive.Verification.Level)
			require.WithinDuration(t, time.Now(), verified.Archive.LastVerified["boot"], 3*time.Minute)
			bases, err := filepath.Glob(filepath.Join(a.dir, "timelines", "*", "base", "*"))
			require.NoError(t, err)
			require.NotEmpty(t, bases)
			for _, base := range bases {
				require.NoError(t, os.WriteFile(base, []byte("no base"), 0o600))
			}
			failed := m.awaitWithin(t, 3*time.Minute, "found out", func(s testenv.SidecarStatus) bool { return s.Archive.Verification.Result != "ok" })
			require.Equal(t, "failed", failed.Archive.Verification.Result)
			require.Contains(t, failed.Archive.Verification.Detail, "/base/")
			require.Equal(t, verified.Archive.LastVerified, failed.Archive.LastVerified)
			require.True(t, failed.Ready, failed.NotReady)
			requireCleanEnd(t, family, m)
		})
	}
}
