package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/aofsidecar/aofsidecar/aof"
)

func TestDefaultConfigIsValid(t *testing.T) {
	config := DefaultConfig()
	require.Empty(t, config.Validate())
}

func TestShippedConfigFileIsTheDefaults(t *testing.T) {
	const path = "../../config.yaml"
	clearEnvironment(t)
	got, err := loadConfig(flagLayer{configPath: path})
	require.NoError(t, err)
	require.Equal(t, DefaultConfig(), got.config)
	for key, origin := range got.origins {
		require.Contains(t, origin, path, "%s is missing in config.yaml", key)
	}
}

func TestShippedConfigFileExplainsEachKeyInOrder(t *testing.T) {
	text, err := os.ReadFile("../../config.yaml")
	require.NoError(t, err)
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &document))
	var keys []string
	var walk func(node *yaml.Node, prefix string)
	walk = func(node *yaml.Node, prefix string) {
		for i := 0; i < len(node.Content); i += 2 {
			name, value := node.Content[i], node.Content[i+1]
			if value.Kind == yaml.MappingNode {
				walk(value, prefix+name.Value+".")
				continue
			}
			keys = append(keys, prefix+name.Value)
			require.NotEmpty(t, value.LineComment, "%s has no comment", prefix+name.Value)
		}
	}
	walk(document.Content[0], "")
	var want []string
	for _, s := range settings() {
		want = append(want, s.key)
	}
	require.Equal(t, want, keys)
}

func TestVariableNamesAreUnique(t *testing.T) {
	seen := map[string]string{configPathEnv: "the path of the file"}
	for _, s := range settings() {
		require.Empty(t, seen[s.env], "%s: %s is taken", s.key, s.env)
		require.False(t, isForeignVariable(s.env, "1"), "%s would be ignored as a service link", s.env)
		seen[s.env] = s.key
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		key    string
		says   string
	}{
		{"no port", func(c *Config) { c.Upstream.Addr = "redis" }, "upstream.addr", "not host:port"},
		{"no host", func(c *Config) { c.Upstream.Addr = ":6379" }, "upstream.addr", "names no host"},
		{"port too big", func(c *Config) { c.Upstream.Addr = "h:65536" }, "upstream.addr", "1 to 65535"},
		{"user and password", func(c *Config) { c.Upstream.Addr = "user:s3cret@h:6379" }, "upstream.addr", "upstream.password-file"},
		{"url with a password", func(c *Config) { c.Upstream.Addr = "redis://user:s3cret@h:6379" }, "upstream.addr", "upstream.password-file"},
		{"socket url with a password", func(c *Config) { c.Upstream.Addr = "unix://u:s3cret@/run/s" }, "upstream.addr", "upstream.password-file"},
		{"url with a query", func(c *Config) { c.Upstream.Addr = "redis://h:6379?password=s3cret" }, "upstream.addr", "is a URL"},
		{"password for http", func(c *Config) { c.HTTP.Addr = "u:s3cret@:9379" }, "http.addr", "@"},
		{"url", func(c *Config) { c.Upstream.Addr = "redis://h:6379" }, "upstream.addr", "is a URL"},
		{"long socket", func(c *Config) { c.Upstream.Addr = "/" + strings.Repeat("s", 107) }, "upstream.addr", "at most 107"},
		{"two passwords", func(c *Config) { c.Upstream.Password.word, c.Upstream.PasswordFile = "a", "b" }, "upstream.password-file", "excludes"},
		{"repl-timeout", func(c *Config) { c.Upstream.ReplTimeout = 1 }, "upstream.repl-timeout", "at least 1s"},
		{"tls over a socket", func(c *Config) { c.Upstream.Addr, c.Upstream.TLS.Enabled = "/s", true }, "upstream.tls.enabled", "no TLS"},
		{"ca without tls", func(c *Config) { c.Upstream.TLS.CAFile = "ca" }, "upstream.tls.ca-file", "no effect"},
		{"cert without tls", func(c *Config) { c.Upstream.TLS.CertFile = "c" }, "upstream.tls.cert-file", "no effect"},
		{"key without tls", func(c *Config) { c.Upstream.TLS.KeyFile = "k" }, "upstream.tls.key-file", "no effect"},
		{"name without tls", func(c *Config) { c.Upstream.TLS.ServerName = "n" }, "upstream.tls.server-name", "no effect"},
		{"skip without tls", func(c *Config) { c.Upstream.TLS.InsecureSkipVerify = true }, "upstream.tls.insecure-skip-verify", "no effect"},
		{"key alone", func(c *Config) { c.Upstream.TLS = TLSConfig{Enabled: true, KeyFile: "k"} }, "upstream.tls.cert-file", "missing"},
		{"cert alone", func(c *Config) { c.Upstream.TLS = TLSConfig{Enabled: true, CertFile: "c"} }, "upstream.tls.key-file", "missing"},
		{"ca and skip", func(c *Config) {
			c.Upstream.TLS = TLSConfig{Enabled: true, CAFile: "c", InsecureSkipVerify: true}
		}, "upstream.tls.ca-file", "no effect"},
		{"no dir", func(c *Config) { c.AOF.Dir = "" }, "aof.dir", "empty"},
		{"path for a name", func(c *Config) { c.AOF.AppendDirName = "a/b" }, "aof.appenddirname", "is a path"},
		{"our own folder", func(c *Config) { c.AOF.AppendDirName = "retained" }, "aof.appenddirname", "own folder"},
		{"dots", func(c *Config) { c.AOF.AppendFileName = ".." }, "aof.appendfilename", "begins with a dot"},
		{"dot file", func(c *Config) { c.AOF.AppendFileName = ".aof" }, "aof.appendfilename", "begins with a dot"},
		{"dot folder", func(c *Config) { c.AOF.AppendDirName = ".d" }, "aof.appenddirname", "begins with a dot"},
		{"spaces", func(c *Config) { c.AOF.AppendFileName = "a b" }, "aof.appendfilename", "quote"},
		{"long name", func(c *Config) { c.AOF.AppendFileName = strings.Repeat("a", 129) }, "aof.appendfilename", "longer"},
		{"long folder", func(c *Config) { c.AOF.AppendDirName = strings.Repeat("a", 129) }, "aof.appenddirname", "longer"},
		{"small increments", func(c *Config) { c.AOF.IncrementSize = 1 }, "aof.increment-size", "64kb"},
		{"young bases", func(c *Config) { c.Rewrite.Interval = 1 }, "rewrite.interval", "1m"},
		{"little memory", func(c *Config) { c.Rewrite.MaxMemory = 1 }, "rewrite.max-memory", "1mb"},
		{"young increments", func(c *Config) { c.AOF.IncrementAge = 1 }, "aof.increment-age", "1s"},
		{"archive without a scheme", func(c *Config) { c.Archive.URL = "bucket/prefix" }, "archive.url", "neither s3://"},
		{"archive elsewhere", func(c *Config) { c.Archive.URL = "gs://bucket" }, "archive.url", "neither s3://"},
		{"no bucket", func(c *Config) { c.Archive.URL = "s3:///prefix" }, "archive.url", "names no bucket"},
		{"no directory", func(c *Config) { c.Archive.URL = "file://host/path" }, "archive.url", "file:///path"},
		{"archive url with a key", func(c *Config) { c.Archive.URL = "s3://id:s3cret@bucket" }, "archive.url", "credentials"},
		{"archive url with a query", func(c *Config) { c.Archive.URL = "s3://bucket?secret=s3cret" }, "archive.url", "query"},
		{"shipped to nowhere", func(c *Config) { c.Upstream.Fack = FackShipped }, "upstream.fack", "set archive.url"},
		{"ship-interval", func(c *Config) { c.Archive.ShipInterval = 1 }, "archive.ship-interval", "100ms"},
		{"segment-size", func(c *Config) { c.Archive.SegmentSize = 1 }, "archive.segment-size", "64kb"},
		{"no recipient", func(c *Config) { c.Archive.Encryption.Recipients = Words{"s3cret"} }, "archive.encryption.recipients", "not an age recipient"},
		{"secret for a recipient", func(c *Config) {
			c.Archive.Encryption.Recipients = Words{"AGE-SECRET-KEY-1s3cret"}
		}, "archive.encryption.recipients", "is a secret key"},
		{"identity for its file", func(c *Config) { c.Archive.Encryption.IdentityFile = "# x\ns3cret" }, "archive.encryption.identity-file", "more than one line"},
		{"encryption without a lease", func(c *Config) {
			c.Archive.Encryption.Recipients, c.Archive.Lease.Enabled = Words{"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"}, false
		}, "archive.lease.enabled", "must be true with archive.encryption.recipients"},
		{"ttl", func(c *Config) { c.Archive.Lease.TTL = 1 }, "archive.lease.ttl", "3s"},
		{"short retention", func(c *Config) { c.Archive.Retention.Duration = 1 }, "archive.retention.duration", "1m"},
		{"no bases", func(c *Config) { c.Archive.Retention.MinBases = 0 }, "archive.retention.min-bases", "at least 1"},
		{"verify too often", func(c *Config) { c.Archive.Verify.Interval = 1 }, "archive.verify.interval", "1m"},
		{"nothing to boot", func(c *Config) {
			c.Archive.Verify = ArchiveTestConfig{Interval: Duration(time.Hour), Level: VerifyBoot}
		}, "archive.verify.boot-command", "missing"},
		{"endpoint", func(c *Config) { c.Archive.S3.Endpoint = "minio:9000" }, "archive.s3.endpoint", "URL like"},
		{"endpoint with a password", func(c *Config) { c.Archive.S3.Endpoint = "http://u:s3cret@minio:9000" }, "archive.s3.endpoint", "without user"},
		{"sse", func(c *Config) { c.Archive.S3.SSE = "kms" }, "archive.s3.sse", "aws:kms"},
		{"key without kms", func(c *Config) { c.Archive.S3.KMSKeyID = "k" }, "archive.s3.kms-key-id", "no effect"},
		{"region of a directory", func(c *Config) { c.Archive.URL, c.Archive.S3.Region = "file:///a", "r" }, "archive.s3.region", "no effect"},
		{"http port", func(c *Config) { c.HTTP.Addr = "localhost" }, "http.addr", "not host:port"},
		{"ready lag", func(c *Config) { c.HTTP.ReadyLag = 0 }, "http.ready-lag", "more than 0s"},
		{"socket", func(c *Config) { c.Control.Socket = "c.sock" }, "control.socket", "absolute"},
		{"linger", func(c *Config) { c.ShutdownLinger = -1 }, "shutdown-linger", "negative"},
		{"timeout", func(c *Config) { c.ShutdownTimeout = 0 }, "shutdown-timeout", "1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := DefaultConfig()
			c.change(&config)
			errs := config.Validate()
			require.Len(t, errs, 1)
			require.Equal(t, c.key, errs[0].Key)
			require.ErrorContains(t, errs[0], c.says)
			require.NotContains(t, errs[0].Error(), "s3cret")
		})
	}
}

// TestNamesThatTheLogTakes holds the rule for names equal to that of package aof: what config accepts, run opens.
func TestNamesThatTheLogTakes(t *testing.T) {
	config := DefaultConfig()
	config.AOF.Dir = t.TempDir()
	config.AOF.AppendDirName, config.AOF.AppendFileName = strings.Repeat("d", 128), strings.Repeat("f", 128)
	require.Empty(t, config.Validate())
	log, err := aof.Open(t.Context(), logOptions(config, aof.Observer{}))
	require.NoError(t, err)
	require.NoError(t, log.Close())
}

func TestEndpoint(t *testing.T) {
	for addr, want := range map[string][2]string{
		"h:1": {"tcp", "h:1"}, "/s": {"unix", "/s"}, "unix:///s": {"unix", "/s"}, "[::1]:6379": {"tcp", "[::1]:6379"},
	} {
		network, address := (&UpstreamConfig{Addr: addr}).endpoint()
		require.Equal(t, want, [2]string{network, address})
	}
}
