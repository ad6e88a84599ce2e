package e2e_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
)

// A sidecar that has a password, keys of S3, an identity of age and somebody's data shows none of them: not in the list of processes, in what its ports and its
// commands say, in its log, nor in what a SIGQUIT has it print. The kernel writes no core of it.
func TestSecretsStayInside(t *testing.T) {
	const password, datum = "pass-word-that-nobody-sees", "datum-that-nobody-sees"
	family := testenv.Pick(t, "redis-8.0")
	upstream := testenv.StartServer(t, family, testenv.WithPassword(password))
	a := newArchive(t, true)
	folder := t.TempDir()
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	passwordFile, identityFile := filepath.Join(folder, "password"), filepath.Join(folder, "identity")
	require.NoError(t, os.WriteFile(passwordFile, []byte(password+"\n"), 0o600))
	require.NoError(t, os.WriteFile(identityFile, []byte(identity.String()+"\n"), 0o600))
	port := testenv.FreePort(t)
	set := append(slices.Clone(a.set), "upstream.addr="+upstream.Addr(), "upstream.password-file="+passwordFile, "http.addr=127.0.0.1:"+strconv.Itoa(port),
		"archive.encryption.recipients="+identity.Recipient().String(), "archive.encryption.identity-file="+identityFile)
	m, err := testenv.NewSidecar(program, filepath.Join(folder, "mirror"), upstream.Addr(), set...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	m.Env(a.env...)
	require.NoError(t, m.Start(t.Context()))
	_, err = m.Await(t.Context(), "streaming", testenv.SidecarStatus.Streaming)
	require.NoError(t, err)
	require.NoError(t, upstream.Client().Set(t.Context(), datum, datum, 0).Err())
	mirror{m}.awaitShipped(t, upstream)

	shown := map[string]string{}
	for _, name := range []string{"cmdline", "comm", "status", "limits", "maps"} {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(m.PID()), name))
		require.NoError(t, err)
		shown["/proc/PID/"+name] = string(text)
	}
	require.Regexp(t, `(?m)^Max core file size +0 `, shown["/proc/PID/limits"])
	environ, err := os.Stat(filepath.Join("/proc", strconv.Itoa(m.PID()), "environ"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o400), environ.Mode().Perm(), "it has the keys of S3, and is for the same user")
	for _, path := range []string{"/metrics", "/status", "/healthz", "/readyz"} {
		shown[path] = httpText(t, "http://127.0.0.1:"+strconv.Itoa(port)+path)
	}
	for _, args := range [][]string{
		{"status"},
		{"status", "--json"},
		{"config"},
		{"config", "--origin"},
		{"doctor"},
		{"doctor", "--json"},
		{"list"},
		{"list", "--json"},
		{"verify"},
		{"verify", "--archive", "--deep"},
		{"prune"},
		{"restore", "--output", filepath.Join(folder, "target"), "--json"},
	} {
		for _, setting := range append(set, "control.socket="+m.Socket(), "aof.dir="+m.Dir()) {
			args = append(args, "--set", setting)
		}
		got := commandWith(t, a.env, program, args...)
		shown[fmt.Sprint(args[:2])] = got.stdout + got.stderr
	}
	require.NoError(t, syscall.Kill(m.PID(), syscall.SIGQUIT))
	code, err := m.Exit(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, code)
	shown["log and SIGQUIT"] = m.Log()
	require.Contains(t, m.Log(), "goroutine ", "it printed something")
	for where, text := range shown {
		require.NotEmpty(t, text, where)
		for _, secret := range []string{password, s3gateway.SecretKey, identity.String(), datum} {
			require.NotContains(t, text, secret, where)
		}
	}
}

func httpText(t *testing.T, url string) string {
	t.Helper()
	return testenv.Eventually(t, url, func(ctx context.Context) (string, bool) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		require.NoError(t, err)
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
		if err != nil {
			return err.Error(), false
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		return string(text), err == nil && len(text) > 0
	})
}

// Who looks for a bug asks for a core, by the variable that has Go end with one.
func TestCoresOnDemand(t *testing.T) {
	ours, err := os.ReadFile("/proc/self/limits")
	require.NoError(t, err)
	m := newMirror(t, "127.0.0.1:1")
	m.Env("GOTRACEBACK=crash")
	m.start(t)
	m.await(t, "there", func(testenv.SidecarStatus) bool { return true })
	theirs, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(m.PID()), "limits"))
	require.NoError(t, err)
	line := func(text []byte) string {
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "Max core file size") {
				return line
			}
		}
		return ""
	}
	require.NotEmpty(t, line(ours))
	require.Equal(t, line(ours), line(theirs))
}
