package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// Every way in to an upstream that refuses strangers.
func TestAccess(t *testing.T) {
	files := testenv.NewTLS(t)
	ways := map[string]struct {
		server []testenv.Option
		set    []string
	}{
		"requirepass": {
			server: []testenv.Option{testenv.WithPassword("pass word\"'")},
			set:    []string{"upstream.password=pass word\"'"},
		},
		"the smallest ACL": {
			server: []testenv.Option{testenv.WithUser("mirror", "on", ">secret", "resetkeys", "resetchannels", "-@all", "+psync", "+replconf", "+ping")},
			set:    []string{"upstream.username=mirror", "upstream.password=secret"},
		},
		"TLS": {
			server: []testenv.Option{testenv.WithTLS(files), testenv.WithConfig("tls-auth-clients no")},
			set:    []string{"upstream.tls.enabled=true", "upstream.tls.ca-file=" + files.CA},
		},
		"mutual TLS": {
			server: []testenv.Option{testenv.WithTLS(files)},
			set: []string{
				"upstream.tls.enabled=true", "upstream.tls.ca-file=" + files.CA,
				"upstream.tls.cert-file=" + files.ClientCert, "upstream.tls.key-file=" + files.ClientKey,
			},
		},
		"unix socket": {server: []testenv.Option{testenv.WithUnixSocket()}},
	}
	for _, family := range testenv.Servers(t) {
		for name, way := range ways {
			t.Run(family.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				upstream := testenv.StartServer(t, family, way.server...)
				addr := upstream.Addr()
				if name == "unix socket" {
					addr = upstream.Socket()
				}
				require.NoError(t, upstream.Client().Set(t.Context(), "before", "value", 0).Err())
				m := startMirror(t, addr, way.set...)
				require.NoError(t, upstream.Client().Set(t.Context(), "after", "value", 0).Err())
				requireMirrored(t, upstream, m, "everysec")
				// And again, with everything read afresh.
				require.NoError(t, upstream.Client().Do(t.Context(), "CLIENT", "KILL", "TYPE", "replica").Err())
				m.await(t, "back", func(s testenv.SidecarStatus) bool { return s.Streaming() && s.Upstream.PartialResyncs == 1 })
				require.NoError(t, upstream.Client().Set(t.Context(), "later", "value", 0).Err())
				requireMirrored(t, upstream, m, "everysec")
				require.LessOrEqual(t, strings.Count(m.Log(), "the upstream denies INFO"), 1)
				requireCleanEnd(t, family, m)
			})
		}
	}
}

// refusals counts the lines that ask for somebody.
func refusals(m mirror) int { return strings.Count(m.Log(), "somebody has to change something") }

// Refused, the sidecar says so once, in words that help, and tries again slowly: it is no brute-force attack on the upstream's password.
func TestRefused(t *testing.T) {
	files, strangers := testenv.NewTLS(t), testenv.NewTLS(t)
	ways := map[string]struct {
		server []testenv.Option
		set    []string
		says   string
	}{
		"wrong password":     {[]testenv.Option{testenv.WithPassword("right")}, []string{"upstream.password=wrong"}, "WRONGPASS"},
		"no password":        {[]testenv.Option{testenv.WithPassword("right")}, nil, "a password is needed"},
		"no file":            {[]testenv.Option{testenv.WithPassword("right")}, []string{"upstream.password-file=/nowhere/password"}, "/nowhere/password"},
		"missing right":      {[]testenv.Option{testenv.WithUser("mirror", "on", ">secret", "+replconf", "+ping")}, []string{"upstream.username=mirror", "upstream.password=secret"}, "+psync"},
		"no right to answer": {[]testenv.Option{testenv.WithUser("mirror", "on", ">secret", "+psync", "+ping")}, []string{"upstream.username=mirror", "upstream.password=secret"}, "+replconf"},
		"strange authority":  {[]testenv.Option{testenv.WithTLS(files)}, []string{"upstream.tls.enabled=true", "upstream.tls.ca-file=" + strangers.CA}, "certificate"},
		"no certificate":     {[]testenv.Option{testenv.WithTLS(files)}, []string{"upstream.tls.enabled=true", "upstream.tls.ca-file=" + files.CA}, "certificate"},
	}
	for _, family := range testenv.Servers(t) {
		for name, way := range ways {
			t.Run(family.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				upstream := testenv.StartServer(t, family, way.server...)
				m := newMirror(t, upstream.Addr(), way.set...)
				m.start(t)
				tries := 1
				if full {
					tries = 2
				}
				status := m.awaitWithin(t, 2*time.Minute, "refused", func(s testenv.SidecarStatus) bool {
					return s.Upstream.Phase == "backing off" && s.Upstream.LastFailure.InRow == tries
				})
				require.Equal(t, "refused", status.Upstream.LastFailure.Class)
				require.Contains(t, status.Upstream.LastFailure.Message, way.says)
				require.Greater(t, time.Until(status.Upstream.NextTry), 20*time.Second)
				require.Equal(t, 1, refusals(m), m.Log())
				require.NotContains(t, m.Log(), "right\"")
				code, err := m.Stop(t.Context())
				require.NoError(t, err)
				require.Zero(t, code)
			})
		}
	}
}

// A password that is rotated in password-file is taken at the next connection: nobody restarts the sidecar.
func TestPasswordRotates(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family, testenv.WithPassword("first"))
			file := filepath.Join(t.TempDir(), "password")
			write := func(password string) { require.NoError(t, os.WriteFile(file, []byte(password+"\n"), 0o600)) }
			write("first")
			m := startMirror(t, upstream.Addr(), "upstream.password-file="+file)

			rotate := func(password string) {
				// The connections that are there stay authenticated.
				require.NoError(t, upstream.Client().ConfigSet(t.Context(), "requirepass", password).Err())
				require.NoError(t, upstream.Client().Do(t.Context(), "CLIENT", "KILL", "TYPE", "replica").Err())
			}
			write("second")
			rotate("second")
			m.await(t, "back", func(s testenv.SidecarStatus) bool { return s.Streaming() && s.Upstream.PartialResyncs == 1 })
			require.Zero(t, refusals(m))

			// The other way round it is refused once, and comes back by itself within half a minute.
			rotate("third")
			m.await(t, "refused", func(s testenv.SidecarStatus) bool {
				return s.Upstream.Phase == "backing off" && s.Upstream.LastFailure.Class == "refused"
			})
			write("third")
			m.awaitWithin(t, time.Minute, "back again", func(s testenv.SidecarStatus) bool {
				return s.Streaming() && s.Upstream.PartialResyncs == 2
			})
			require.Equal(t, 1, refusals(m), m.Log())
			require.NoError(t, upstream.Client().Set(t.Context(), "key", "value", 0).Err())
			requireMirrored(t, upstream, m, "everysec")
			require.EqualValues(t, 1, requireResyncs(t, upstream).full)
		})
	}
}
