package main

import (
	"bytes"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPasswordInArgumentsIsNotPrinted gives upstream.password in every wrong way that came to mind; what the commands print never has it.
func TestPasswordInArgumentsIsNotPrinted(t *testing.T) {
	for i, args := range [][]string{
		{"run", "--set", "upstream.password", "s3cret"},
		{"run", "--set=upstream.password", "s3cret"},
		{"--set", "upstream.password", "s3cret"},
		{"--set", "upstream.password", "s3cret", "config"},
		{"config", "--set", "upstream.password", "=", "s3cret"},
		{"config", "--set", "upstream.password", "=s3cret"},
		{"config", "--set", "upstream.pasword=s3cret"},
		{"config", "--set", "password=s3cret"},
		{"config", "--set", "redis.password=s3cret"},
		{"config", "--set", "upstream.password:s3cret"},
		{"config", "--set", "upstream.password:s3cret="},
		{"config", "--set", "upstream.password: s3cret=x"},
		{"config", "--set", "upstream.password s3cret="},
		{"config", "--set", "upstream.password.s3cret=x"},
		{"config", "--set", "upstream.password-s3cret=x"},
		{"config", "--set", "upstream.password-file-s3cret=x"},
		{"config", "--set", "upstream.password.cret=s3"},
		{"config", "--set", "upstream.pasword-s3cret=x"},
		{"config", "--set", "s3cret"},
		{"config", "--set", "s3cret="},
		{"config", "--set", "cret"},
		{"config", "--set", "cret="},
		{"config", "--set", "=s3cret"},
		{"config", "--set", "upstream.addr=s3cret"},
		{"config", "--set", "upstream.addr=redis:s3cret"},
		{"config", "--set", "upstream.addr=redis:6379:s3cret"},
		{"config", "--set", "upstream.addr=redis:6379,password=s3cret"},
		{"config", "--set", "upstream.addr=mirror:s3cret@redis:6379"},
		{"config", "--set", "upstream.addr=redis://redis:6379?password=s3cret"},
		{"config", "--set", "upstream.password-file=a\ns3cret"},
		{"config", "--set", "upstream.tls.enabled=yes", "--set", "upstream.tls.cert-file=f", "--set", "upstream.tls.key-file=-----BEGIN-----\ns3cret\n"},
		{"config", "--upstream.password=s3cret"},
		{"config", "--upstream.password", "s3cret"},
		{"config", "--upstream.password-s3cret"},
		{"config", "--upstream.password:s3cret"},
		{"config", "--password=s3cret"},
		{"config", "-as3cret"},
		{"config", "-a", "s3cret"},
		{"config", "--=s3cret"},
		{"config", "---s3cret"},
		{"config", "upstream.password=s3cret"},
		{"config", "s3cret"},
		{"upstream.password=s3cret"},
		{"s3cret"},
		{"help", "s3cret"},
		{"status", "s3cret"},
		{"doctor", "s3cret"},
		{"version", "s3cret"},
		{"unpin", "a", "s3cret"},
		{"verify", ".", "s3cret"},
		{"verify", "upstream.password=s3cret"},
		{"inspect", "upstream.password=s3cret"},
		{"inspect", "--set", "upstream.password", "s3cret", "."},
		{"config", "--config", "upstream.password=s3cret"},
		{"config", "--config", "upstream.password:s3cret"},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			clearEnvironment(t)
			checkRefused(t, args...)
		})
	}
}

// TestArchiveSecretsAreNotPrinted does the same with what an archive's URL and keys may hold.
func TestArchiveSecretsAreNotPrinted(t *testing.T) {
	for i, args := range [][]string{
		{"config", "--set", "archive.url=s3://AKIA:hushhush@bucket/prefix"},
		{"config", "--set", "archive.url=s3://bucket/prefix?secret=hushhush"},
		{"config", "--set", "archive.url=https://key:hushhush@bucket"},
		{"config", "--set", "archive.s3.endpoint=https://key:hushhush@host"},
		{"config", "--set", "archive.encryption.recipients=AGE-SECRET-KEY-1hushhush"},
		{"config", "--set", "archive.encryption.recipients=hushhush"},
		{"config", "--set", "archive.encryption.identity-file=a\nhushhush"},
		{"list", "--archive", "s3://AKIA:hushhush@bucket/prefix"},
		{"list", "--archive", "hushhush"},
		{"list", "hushhush"},
		{"prune", "--archive", "https://key:hushhush@bucket"},
		{"pin", "hushhush", "--archive=file:///nowhere"},
		{"pin", "a", "hushhush"},
		{"restore", "hushhush"},
		{"restore", "--output", "x", "--archive", "s3://AKIA:hushhush@bucket/prefix"},
		{"restore", "--output", "x", "--timeline", "hushhush"},
		{"verify", "--archive", "s3://AKIA:hushhush@bucket/prefix"},
		{"verify", "--archive=s3://AKIA:hushhush@bucket/prefix"},
		{"inspect", "s3://AKIA:hushhush@bucket/prefix"},
		{"inspect", "--archive", "s3://AKIA:hushhush@bucket/prefix"},
		{"unpin", "--archive", "s3://AKIA:hushhush@bucket/prefix", "a"},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			clearEnvironment(t)
			t.Chdir(t.TempDir())
			for _, more := range [][]string{nil, {"--json"}} {
				var out bytes.Buffer
				code := execute(append(args, more...), &out, &out)
				require.NotEqual(t, exitDone, code, "%q: %s", args, out.String())
				require.NotContains(t, out.String(), "hush", "%q", args)
			}
		})
	}
}

func TestPasswordInFileIsNotPrinted(t *testing.T) {
	for i, text := range []string{
		"upstream: {pasword: s3cret}",
		"upstream: {password:s3cret}",
		"upstream: {password=s3cret: x}",
		"upstream: {password s3cret: x}",
		"upstream: {password.s3cret: x}",
		"upstream: {password-s3cret: x}",
		"upstream: {password: {s3cret: x}}",
		"upstream: {password: [s3cret]}",
		"upstream.password: s3cret",
		"upstream.password.s3cret: x",
		"upstream:\n  password:s3cret\n",
		"upstream:\n  password: *s3cret\n",
		"upstream:\n  password: &s3cret\n    a: *s3cret\n",
		"upstream:\n  password: @s3cret\n",
		"upstream:\n  password: %s3cret\n",
		"upstream:\n  password: `s3cret\n",
		"upstream:\n  password: \"s3cret\n",
		"upstream:\n  password: \"\\s3cret\"\nx",
		"upstream:\n  password: !<s3cret\n",
		"upstream:\n  password: !s3cret!s3cret x\n",
		"upstream:\n  password: a: s3cret\n",
		"upstream:\n  password: ${s3cret\n",
		"upstream:\n  password: ${s3cret}\n",
		"upstream:\n  password: a${s3cret-x}\n",
		"upstream:\n  password: s3cret\n  password: s3cret\n",
		"upstream:\n  password: s3cret\n  password-file: s3cret\n",
		"upstream:\n  <<: {password: s3cret}\n",
		"upstream:\n  addr: redis:s3cret\n",
		"upstream:\n\tpassword: s3cret\n",
		"upstream: s3cret\n",
		"s3cret\n",
		"- s3cret\n",
		"%s3cret\n",
		"upstream: {password: s3cret}\n---\ns3cret\n",
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			clearEnvironment(t)
			checkRefused(t, "config", "--config", writeConfig(t, text))
		})
	}
}

func TestPasswordInEnvironmentIsNotPrinted(t *testing.T) {
	for name, value := range map[string]string{
		"AOFSIDECAR_UPSTREAM_PASWORD":         "s3cret",
		"AOFSIDECAR_PASSWORD":                 "s3cret",
		"AOFSIDECAR_UPSTREAM_PASSWORD_s3cret": "x",
		"AOFSIDECAR_UPSTREAM_PASSWORD:s3cret": "x",
		"AOFSIDECAR_UPSTREAM_PASSWORD s3cret": "x",
		"AOFSIDECAR_s3cret":                   "x",
		"AOFSIDECAR_UPSTREAM_ADDR":            "redis:s3cret",
		"AOFSIDECAR_UPSTREAM_PASSWORD_FILE":   "s3cret\nmore",
		"AOFSIDECAR_CONFIG":                   "upstream.password=s3cret",
	} {
		t.Run(strconv.Itoa(len(name)), func(t *testing.T) {
			clearEnvironment(t)
			t.Setenv(name, value)
			checkRefused(t, "config")
		})
	}
}

// checkRefused runs a command, with and without --json, that must not print the secret, nor what is left of it without its digit.
func checkRefused(t *testing.T, args ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, more := range [][]string{nil, {"--json"}} {
		var out bytes.Buffer
		code := execute(append(args, more...), &out, &out)
		if args[0] != "help" {
			require.NotEqual(t, exitDone, code, "%q: %s", args, out.String())
		}
		require.NotContains(t, out.String(), "cret", "%q", args)
		require.NotContains(t, out.String(), "s3", "%q", args)
	}
}

// What is shown of a mistaken name is enough to find it.
func TestMistakenNamesAreShown(t *testing.T) {
	clearEnvironment(t)
	for says, args := range map[string][]string{
		`unknown command "confg"`:                     {"confg"},
		"unexpected argument: config takes none":      {"config", "extra"},
		"--set upstream.password is without a value":  {"config", "--set", "upstream.password", "s3cret"},
		"upstream.pasword: unknown key, did you mean": {"config", "--set", "upstream.pasword=x"},
		"aof.compaction: unknown key":                 {"config", "--set", "aof.compaction=x"},
		"upstream.password***: unknown key":           {"config", "--set", "upstream.password.x=y"},
		"upstream.password: want section.key=value":   {"config", "--set", "upstream.password:x="},
		"unknown flag: --frob":                        {"config", "--frob"},
		"unknown flag: -a":                            {"config", "-as3cret"},
		"a setting is given by --set":                 {"verify", "upstream.password=s3cret"},
		"password.txt: no such file":                  {"config", "--config", "password.txt"},
		"verify takes one directory at most":          {"verify", "a", "b"},
		"flag needs an argument: --set":               {"config", "--set"},
		`invalid argument "x" for "--max-arg" flag`:   {"inspect", "--max-arg", "x"},
		"bad flag syntax":                             {"config", "--=s3cret"},
		"AOFSIDECAR_UPSTREAM_ADDRR: unknown key":      {"config"},
	} {
		t.Run(says, func(t *testing.T) {
			if len(args) == 1 && args[0] == "config" {
				t.Setenv("AOFSIDECAR_UPSTREAM_ADDRR", "x")
			}
			var out bytes.Buffer
			require.Equal(t, exitUsage, execute(args, &out, &out))
			require.Contains(t, out.String(), says)
		})
	}
}
