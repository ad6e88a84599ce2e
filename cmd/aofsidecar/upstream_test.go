package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestCredentialsAreReadAfresh(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	access := upstreamAccess{UpstreamConfig{Username: "mirror", PasswordFile: path}}
	for _, password := range []string{"first", "second one"} {
		writeFile(t, path, password+"\r\n")
		username, got, err := access.credentials(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"mirror", password}, []string{username, got})
	}
	writeFile(t, path, "\n")
	_, _, err := access.credentials(t.Context())
	require.ErrorContains(t, err, "is empty")
	writeFile(t, path, strings.Repeat("x", maxSecretBytes+1))
	_, _, err = access.credentials(t.Context())
	require.ErrorContains(t, err, "no small file")
	require.NoError(t, os.Remove(path))
	_, _, err = access.credentials(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)

	_, password, err := upstreamAccess{UpstreamConfig{Password: Secret{"given"}}}.credentials(t.Context())
	require.NoError(t, err)
	require.Equal(t, "given", password)
}

func TestTLSConfiguration(t *testing.T) {
	files := testenv.NewTLS(t)
	none, err := upstreamAccess{UpstreamConfig{Addr: "h:1"}}.tls(t.Context())
	require.NoError(t, err)
	require.Nil(t, none)

	settings := TLSConfig{Enabled: true, CAFile: files.CA, CertFile: files.ClientCert, KeyFile: files.ClientKey}
	config, err := upstreamAccess{UpstreamConfig{Addr: "redis.example:1", TLS: settings}}.tls(t.Context())
	require.NoError(t, err)
	require.Equal(t, "redis.example", config.ServerName)
	require.Len(t, config.Certificates, 1)
	require.NotNil(t, config.RootCAs)
	require.False(t, config.InsecureSkipVerify)

	settings.ServerName = "other.example"
	config, err = upstreamAccess{UpstreamConfig{Addr: "redis.example:1", TLS: settings}}.tls(t.Context())
	require.NoError(t, err)
	require.Equal(t, "other.example", config.ServerName)

	for says, broken := range map[string]TLSConfig{
		"read CA file":              {Enabled: true, CAFile: "gone"},
		"has no certificate in PEM": {Enabled: true, CAFile: files.ClientKey},
		"read certificate":          {Enabled: true, CertFile: files.ClientCert, KeyFile: "gone"},
	} {
		_, err := upstreamAccess{UpstreamConfig{Addr: "h:1", TLS: broken}}.tls(t.Context())
		require.ErrorContains(t, err, says)
	}
}

func TestSideConnection(t *testing.T) {
	family := testenv.Pick(t, "redis-7.0")
	files := testenv.NewTLS(t)
	plain := testenv.StartServer(t, family, testenv.WithPassword("hunter2"), testenv.WithUnixSocket())
	secure := testenv.StartServer(t, family, testenv.WithTLS(files))
	mutual := TLSConfig{Enabled: true, CAFile: files.CA, CertFile: files.ClientCert, KeyFile: files.ClientKey}
	for _, c := range []struct {
		name   string
		config UpstreamConfig
		says   string
	}{
		{"password", UpstreamConfig{Addr: plain.Addr(), Password: Secret{"hunter2"}}, ""},
		{"unix socket", UpstreamConfig{Addr: plain.Socket(), Password: Secret{"hunter2"}}, ""},
		{"wrong password", UpstreamConfig{Addr: plain.Addr(), Password: Secret{"hunter3"}}, "WRONGPASS"},
		{"no password", UpstreamConfig{Addr: plain.Addr()}, "NOAUTH"},
		{"mutual TLS", UpstreamConfig{Addr: secure.Addr(), TLS: mutual}, ""},
		// With TLS 1.3 the refusal may be lost behind a reset: any error will do.
		{"no certificate of ours", UpstreamConfig{Addr: secure.Addr(), TLS: TLSConfig{Enabled: true, CAFile: files.CA}}, "e"},
		{"another authority", UpstreamConfig{Addr: secure.Addr(), TLS: TLSConfig{Enabled: true, CAFile: testenv.NewTLS(t).CA}}, "x509"},
		{"another name", UpstreamConfig{Addr: secure.Addr(), TLS: TLSConfig{Enabled: true, CAFile: files.CA, ServerName: "other"}}, "x509"},
		{"nobody", UpstreamConfig{Addr: "127.0.0.1:1"}, "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := upstreamAccess{c.config}.client()
			defer func() { require.NoError(t, client.Close()) }()
			err := client.Ping(t.Context()).Err()
			if c.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.says)
				require.NotContains(t, err.Error(), "hunter")
			}
		})
	}
}

// A server whose AUTH and HELLO are renamed repeats user and password in its error: neither log nor report may.
func TestRefusedLoginRepeatsNothing(t *testing.T) {
	for _, name := range []string{"redis-7.0", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			server := testenv.StartServer(t, testenv.Pick(t, name), testenv.WithUser("mirror", "on", ">s3cret", "~*", "+@all"),
				testenv.WithConfig(`rename-command AUTH ""`, `rename-command HELLO ""`))
			config := mirrorConfig(t, server)
			config.Upstream.Username, config.Upstream.Password = "mirror", Secret{"s3cret"}

			found := gatherFacts(t.Context(), config, time.Millisecond).checkConnect()
			require.Equal(t, resultFail, found.Result)
			require.Contains(t, found.Message, "AUTH is renamed")
			require.NotContains(t, found.Message+found.Next, "s3cret")
			require.NotContains(t, found.Message, "mirror")

			status := startMirror(t, config).await(t, "login to be refused", func(s Status) bool { return s.Upstream.LastFailure != nil })
			require.Equal(t, "refused", status.Upstream.LastFailure.Class)
			require.Contains(t, status.Upstream.LastFailure.Message, "AUTH is renamed")
			require.NotContains(t, status.Upstream.LastFailure.Message, "s3cret")
			require.NotContains(t, status.NotReady, "s3cret")
		})
	}
}

// What stands between us and a server may answer anything, in any form.
func TestLoginAnswersRepeatNothing(t *testing.T) {
	for _, answer := range []string{
		"-ERR unknown command 'HELLO', with args beginning with: '2' 'AUTH' 'mirror' 's3cret' \r\n",
		"-WRONGPASS s3cret\r\n", "-LOADING s3cret\r\n", "-NOAUTH s3cret\r\n", "-READONLY s3cret\r\n", "-MOVED 1 s3cret\r\n", "-s3cret\r\n",
		"s3cret\r\n", "$s3cret\r\n", "*s3cret\r\n", ":s3cret\r\n", "*2\r\n:s3cret\r\n", "_s3cret\r\n", "!6\r\ns3cret\r\n",
		"*2\r\n-s3cret\r\n-s3cret\r\n", "+s3cret\r\n", "=10\r\ntxt:s3cret\r\n", "",
	} {
		t.Run(fmt.Sprintf("%.12q", answer), func(t *testing.T) {
			config := DefaultConfig()
			config.Upstream.Addr = answerAlways(t, answer)
			config.Upstream.Username, config.Upstream.Password = "mirror", Secret{"s3cret"}
			config.AOF.Dir = t.TempDir()
			found := gatherFacts(t.Context(), config, time.Millisecond).checkConnect()
			require.Equal(t, resultFail, found.Result)
			require.NotContains(t, fmt.Sprintf("%+v", found), "s3cret")
		})
	}
}

// answerAlways listens until the test ends, gives every login this answer, and then closes the connection.
func answerAlways(t *testing.T, answer string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			in := resp.NewReader(conn)
			for range 2 { // HELLO, AUTH
				if _, err := in.Next(); err != nil || answer == "" {
					break
				}
				_, _ = io.WriteString(conn, answer)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	return listener.Addr().String()
}
