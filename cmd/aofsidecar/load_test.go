package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clearEnvironment takes away what the machine that tests sets for us, until the test ends.
func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, envPrefix) {
			t.Setenv(name, "") // so that it is put back
			require.NoError(t, os.Unsetenv(name))
		}
	}
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestPrecedence(t *testing.T) {
	clearEnvironment(t)
	path := writeConfig(t, "upstream: {repl-timeout: 10s}\nlogging: {level: debug}\naof: {increment-size: 1gb}\nhttp: {ready-lag: 5s}\n")
	t.Setenv("AOFSIDECAR_UPSTREAM_REPL_TIMEOUT", "20s")
	t.Setenv("AOFSIDECAR_AOF_INCREMENT_SIZE", "2gb")
	t.Setenv("AOFSIDECAR_UPSTREAM_TLS_ENABLED", "yes")
	got, err := loadConfig(flagLayer{configPath: path, set: []string{"upstream.repl-timeout=30s"}, logLevel: "warn"})
	require.NoError(t, err)
	require.Equal(t, Duration(30*time.Second), got.config.Upstream.ReplTimeout, "flag over environment")
	require.Equal(t, Size(2<<30), got.config.AOF.IncrementSize, "environment over file")
	require.Equal(t, Duration(5*time.Second), got.config.HTTP.ReadyLag, "file over default")
	require.Equal(t, FsyncEverySec, got.config.AOF.AppendFsync, "default")
	require.Equal(t, LogLevel("warn"), got.config.Logging.Level)
	require.True(t, bool(got.config.Upstream.TLS.Enabled))
	require.Equal(t, "--set", got.origins["upstream.repl-timeout"])
	require.Equal(t, "environment AOFSIDECAR_AOF_INCREMENT_SIZE", got.origins["aof.increment-size"])
	require.Equal(t, path+":4", got.origins["http.ready-lag"])
	require.Equal(t, "default", got.origins["aof.appendfsync"])
}

func TestWhichFileIsRead(t *testing.T) {
	clearEnvironment(t)
	fromFlag, fromEnv := writeConfig(t, "http: {addr: ':1'}"), writeConfig(t, "http: {addr: ':2'}")
	t.Setenv(configPathEnv, fromEnv)
	got, err := loadConfig(flagLayer{configPath: fromFlag})
	require.NoError(t, err)
	require.Equal(t, ":1", got.config.HTTP.Addr)
	got, err = loadConfig(flagLayer{})
	require.NoError(t, err)
	require.Equal(t, ":2", got.config.HTTP.Addr)

	t.Setenv(configPathEnv, fromEnv+".gone")
	_, err = loadConfig(flagLayer{})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, exitUsage, judge(err).code)
}

func TestEmptyVariableCounts(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("AOFSIDECAR_HTTP_ADDR", "")
	got, err := loadConfig(flagLayer{configPath: writeConfig(t, "http: {addr: ':1'}")})
	require.NoError(t, err)
	require.Empty(t, got.config.HTTP.Addr)
}

func TestAllMistakesAtOnce(t *testing.T) {
	clearEnvironment(t)
	path := writeConfig(t, strings.Join([]string{
		"upstream:",
		"  addrr: h:1",                         // 2: unknown
		"  repl-timeout: 5",                    // 3: no unit
		"  password: ${AOFSIDECAR_NOT_SET_PW}", // 4: not set
		"aof:",
		"  appendfsync: allways", // 6
		"  dir: /a",
		"  dir: /b",           // 8: twice
		"  increment-size: 1", // 9: too small
		"http: 17",            // 10: a section
		"control:",
		"  socket: [a]", // 12: no single value
		"logging:",
		"  level:",           // 14: null
		"archives: {url: x}", // 15: unknown
	}, "\n"))
	t.Setenv("AOFSIDECAR_UPSTREAM_ADR", "x")
	t.Setenv("AOFSIDECAR_HTTP_PORT", "8080")
	t.Setenv("AOFSIDECAR_UPSTREAM_FACK", "shipped")
	_, err := loadConfig(flagLayer{configPath: path, set: []string{"nonsense", "ready-lag=3s"}})
	require.Equal(t, exitUsage, judge(err).code)

	var usage *UsageError
	require.ErrorAs(t, err, &usage)
	list, ok := usage.Err.(configErrors) //nolint:errorlint // the list itself is under test
	require.True(t, ok)
	got := map[string]string{}
	for _, one := range list {
		var key *KeyError
		require.ErrorAs(t, one, &key)
		got[key.Key] = key.Error()
	}
	for key, says := range map[string]string{
		"upstream.addrr":          "unknown key, did you mean upstream.addr? (" + path + ":2)",
		"upstream.repl-timeout":   path + ":3",
		"upstream.password":       "AOFSIDECAR_NOT_SET_PW is not set (" + path + ":4)",
		"aof.appendfsync":         `"allways" is not one of: always, everysec, no (` + path + ":6)",
		"aof.dir":                 "given twice, first in line 7 (" + path + ":8)",
		"aof.increment-size":      "at least 64kb (" + path + ":9)",
		"http":                    "is a section: its keys belong under it (" + path + ":10)",
		"control.socket":          "want a single value (" + path + ":12)",
		"logging.level":           "has no value",
		"archives":                "unknown key, did you mean archive? (" + path + ":15)",
		"AOFSIDECAR_UPSTREAM_ADR": "did you mean AOFSIDECAR_UPSTREAM_ADDR? (environment)",
		"AOFSIDECAR_HTTP_PORT":    "did you mean AOFSIDECAR_HTTP_ADDR? (environment)",
		"upstream.fack":           "shipped needs an archive: set archive.url, or use durable (environment AOFSIDECAR_UPSTREAM_FACK)",
		"***":                     "want section.key=value (--set)",
		"ready-lag":               "did you mean http.ready-lag? (--set)",
	} {
		require.Contains(t, got[key], says, key)
		delete(got, key)
	}
	require.Empty(t, got, "nothing else is wrong")
}

func TestKubernetesServiceLinksAreNoKeys(t *testing.T) {
	clearEnvironment(t)
	for name, value := range map[string]string{
		"AOFSIDECAR_SERVICE_HOST":                      "10.0.0.1",
		"AOFSIDECAR_SERVICE_PORT":                      "9379",
		"AOFSIDECAR_SERVICE_PORT_METRICS":              "9379",
		"AOFSIDECAR_PORT":                              "tcp://10.0.0.1:9379",
		"AOFSIDECAR_PORT_9379_TCP":                     "tcp://10.0.0.1:9379",
		"AOFSIDECAR_PORT_9379_TCP_PROTO":               "tcp",
		"AOFSIDECAR_PORT_9379_TCP_PORT":                "9379",
		"AOFSIDECAR_PORT_9379_TCP_ADDR":                "10.0.0.1",
		"AOFSIDECAR_METRICS_SERVICE_HOST":              "10.0.0.1",
		"AOFSIDECAR_METRICS_SERVICE_PORT_HTTP":         "9379",
		"AOFSIDECAR_METRICS_PORT":                      "tcp://10.0.0.1:9379",
		"AOFSIDECAR_METRICS_HEADLESS_PORT_53_UDP_ADDR": "10.0.0.1",
		"AOFSIDECAR_SERVERS_DIR":                       "/somewhere",
	} {
		t.Setenv(name, value)
	}
	_, err := loadConfig(flagLayer{configPath: writeConfig(t, "")})
	require.NoError(t, err)

	t.Setenv("AOFSIDECAR_PORT", "9379")
	_, err = loadConfig(flagLayer{configPath: writeConfig(t, "")})
	require.ErrorContains(t, err, "AOFSIDECAR_PORT: unknown key")
}

func TestErrorsDoNotShowSecrets(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("AOFSIDECAR_UPSTREAM_PASSWORD", "hunter2")
	_, err := loadConfig(flagLayer{configPath: writeConfig(t, "upstream: {password: hunter2, password-file: f}")})
	require.ErrorContains(t, err, "upstream.password-file")
	require.NotContains(t, err.Error(), "hunter2")
}
