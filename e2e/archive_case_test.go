package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
)

// archive is an archive of a test: a directory, or a bucket of a real S3 server with a proxy before it.
type archive struct {
	url     string
	dir     string // where its objects are
	set     []string
	env     []string
	gateway *s3gateway.Gateway // nil: a directory
	proxy   *s3gateway.Proxy
}

// newArchive makes one. Its lease is short, so that a sidecar that was killed ships again soon.
func newArchive(t *testing.T, s3 bool) *archive {
	t.Helper()
	a := &archive{set: []string{"archive.lease.ttl=3s", "archive.ship-interval=200ms", "archive.segment-size=64kb"}}
	if !s3 {
		a.dir = filepath.Join(t.TempDir(), "archive")
		a.url = "file://" + a.dir
		a.set = append(a.set, "archive.url="+a.url)
		return a
	}
	a.gateway = s3gateway.New(t)
	a.proxy = s3gateway.NewProxy(t, a.gateway.Addr())
	dir, err := a.gateway.Bucket("backups")
	require.NoError(t, err)
	a.dir, a.url = filepath.Join(dir, "prod"), "s3://backups/prod"
	a.env = []string{
		"AWS_ACCESS_KEY_ID=" + s3gateway.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3gateway.SecretKey, "AWS_EC2_METADATA_DISABLED=true",
	}
	a.set = append(a.set, "archive.url="+a.url, "archive.s3.endpoint="+a.proxy.Endpoint(), "archive.s3.region="+s3gateway.Region,
		"archive.s3.force-path-style=true")
	return a
}

// eachArchive runs a test with a directory, and beside it with a bucket.
func eachArchive(t *testing.T, test func(t *testing.T, a *archive)) {
	t.Helper()
	for name, s3 := range map[string]bool{"file": false, "s3": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newArchive(t, s3))
		})
	}
}

// seal has what is shipped encrypted, and what is restored decrypted.
func (a *archive) seal(t *testing.T) {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "identity")
	require.NoError(t, os.WriteFile(file, []byte(identity.String()+"\n"), 0o600))
	a.set = append(a.set, "archive.encryption.recipients="+identity.Recipient().String(), "archive.encryption.identity-file="+file)
}

// newMirror prepares a sidecar that ships to the archive.
func (a *archive) newMirror(t *testing.T, upstream string, set ...string) mirror {
	t.Helper()
	m := newMirror(t, upstream, append(append([]string{}, a.set...), set...)...)
	m.Env(a.env...)
	return m
}

// command runs a command about the archive.
func (a *archive) command(t *testing.T, args ...string) result {
	t.Helper()
	return a.commandOf(t, []string{program}, args...)
}

// commandFor is command, and kills it after a while.
func (a *archive) commandFor(t *testing.T, limit time.Duration, args ...string) result {
	t.Helper()
	return a.commandOf(t, []string{"timeout", "--signal=KILL", strconv.FormatFloat(limit.Seconds(), 'f', 3, 64), program}, args...)
}

func (a *archive) commandOf(t *testing.T, runs []string, args ...string) result {
	t.Helper()
	args = slices.Concat(runs[1:], args)
	for _, setting := range a.set {
		args = append(args, "--set", setting)
	}
	got := commandWith(t, a.env, runs[0], args...)
	require.NotContains(t, got.stdout+got.stderr, s3gateway.SecretKey)
	return got
}

// ok runs a command that must succeed.
func (a *archive) ok(t *testing.T, args ...string) result {
	t.Helper()
	got := a.command(t, args...)
	require.Zero(t, got.code, "%v: %+v", args, got)
	return got
}

// breakFor makes the archive unreachable, or bad at it, until the result is called.
func (a *archive) breakFor(t *testing.T) (mend func()) {
	t.Helper()
	if a.proxy == nil {
		away := a.dir + ".away"
		require.NoError(t, os.Rename(a.dir, away))
		return func() { require.NoError(t, os.Rename(away, a.dir)) }
	}
	a.proxy.Plan(
		s3gateway.Fault{Kind: s3gateway.LoseAnswer, Match: s3gateway.On("PutObject"), Times: 2},
		s3gateway.Fault{Kind: s3gateway.Answer, Status: 503, Code: "SlowDown", Times: 4},
		s3gateway.Fault{Kind: s3gateway.Truncate, Match: s3gateway.On("GetObject"), At: 3, Times: 2},
		s3gateway.Fault{Kind: s3gateway.Reset},
	)
	return func() { a.proxy.Plan() }
}

// archivePoint is a moment of the upstream, and a stock replica that stands still there.
type archivePoint struct {
	offset int64
	at     time.Time
	here   *testenv.Server
}

// freeze keeps an upstream as it is until the test ends: it would expire keys, and what was shipped before would not.
func freeze(t *testing.T, upstream *testenv.Server) {
	t.Helper()
	release, err := testenv.Freeze(t.Context(), upstream.Client())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, release(context.WithoutCancel(t.Context()))) })
}

// notePoint stops the upstream's writes, waits until the mirror has them all on its disk, and keeps a replica of that state. A replica of nowhere expires
// nothing, so that it can be compared whenever the archive is restored. To find it by its time the archive must have it before a SIGKILL: what is on the mirror's
// disk without a mark is then received again, at a later time.
func notePoint(t *testing.T, upstream *testenv.Server, m mirror) archivePoint {
	t.Helper()
	release, err := testenv.Freeze(t.Context(), upstream.Client())
	require.NoError(t, err)
	defer func() { require.NoError(t, release(context.WithoutCancel(t.Context()))) }()
	here := testenv.StartServer(t, upstream.Family, testenv.ReplicaOf(upstream))
	testenv.CaughtUp(t, upstream, here)
	require.NoError(t, here.Client().Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err())
	for {
		offset, err := offsetOf(t.Context(), upstream)
		require.NoError(t, err)
		m.await(t, "in step, and on its disk", func(s testenv.SidecarStatus) bool { return s.Log.Durable >= offset })
		at := time.Now()
		testenv.Eventually(t, "the next millisecond: times in the log have no more digits", func(context.Context) (time.Duration, bool) {
			return time.Since(at), time.Since(at) > 2*time.Millisecond
		})
		still, err := offsetOf(t.Context(), upstream)
		require.NoError(t, err)
		if still == offset { // else a PING has come, which no pause holds up
			return archivePoint{offset: offset, at: at, here: here}
		}
	}
}

// restoration is what tests read of `restore --json`.
type restoration struct {
	Done     bool   `json:"done"`
	Timeline string `json:"timeline"`
	Offset   int64  `json:"offset"`
	Path     string `json:"path"`
}

// restore restores into a fresh directory.
func (a *archive) restore(t *testing.T, args ...string) (dir string, got restoration) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "restored")
	out := a.ok(t, append([]string{"restore", "--json", "--output", dir}, args...)...)
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &got))
	return dir, got
}

// byOffset and byTime are what restore is told.
func (p archivePoint) byOffset() []string {
	return []string{"--offset", strconv.FormatInt(p.offset, 10)}
}

func (p archivePoint) byTime() []string {
	return []string{"--timestamp", p.at.UTC().Format(time.RFC3339Nano)}
}

// awaitShipped waits until the archive has all of the upstream's stream so far.
func (m mirror) awaitShipped(t *testing.T, upstream *testenv.Server) testenv.SidecarStatus {
	t.Helper()
	offset, err := offsetOf(t.Context(), upstream)
	require.NoError(t, err)
	return m.awaitWithin(t, 2*time.Minute, "shipped up to "+strconv.FormatInt(offset, 10), func(s testenv.SidecarStatus) bool {
		return s.Archive.HasShipped && s.Archive.Shipped >= offset && s.Archive.Timeline == s.Log.Timeline
	})
}

// requireNoSecrets wants that nothing which could be read of the sidecar has a secret.
func (a *archive) requireNoSecrets(t *testing.T, m mirror) {
	t.Helper()
	require.NotContains(t, m.Log(), s3gateway.SecretKey)
}
