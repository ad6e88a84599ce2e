package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// What is switched off is said at each start, and nothing is said of what is as it should be.
func TestExposureIsSaid(t *testing.T) {
	password := []string{"upstream.password=s3cret"}
	for name, c := range map[string]struct {
		set     []string
		because []string
	}{
		"defaults":     {nil, nil},
		"TLS":          {[]string{"upstream.tls.enabled=yes"}, nil},
		"no certainty": {[]string{"upstream.tls.enabled=yes", "upstream.tls.insecure-skip-verify=yes"}, []string{"upstream.tls.insecure-skip-verify"}},
		"for all":      {password, []string{"--set upstream.password"}},
		"S3":           {[]string{"archive.url=s3://b/p"}, nil},
		"S3 here":      {[]string{"archive.url=s3://b/p", "archive.s3.endpoint=http://127.0.0.1:9"}, nil},
		"S3 there":     {[]string{"archive.url=s3://b/p", "archive.s3.endpoint=http://minio:9000"}, []string{"archive.s3.endpoint is http"}},
		"S3 with TLS":  {[]string{"archive.url=s3://b/p", "archive.s3.endpoint=https://minio:9000"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			effective, err := loadConfig(flagLayer{set: c.set})
			require.NoError(t, err)
			core, logs := observer.New(zap.DebugLevel)
			warnExposed(effective, zap.New(core))
			var because []string
			for _, entry := range logs.All() {
				require.Equal(t, zap.WarnLevel, entry.Level)
				require.NotContains(t, entry.Message, "s3cret")
				because = append(because, fmt.Sprint(entry.ContextMap()["because"]))
			}
			require.Equal(t, c.because, because)
		})
	}
	clearEnvironment(t)
	t.Setenv("AOFSIDECAR_UPSTREAM_PASSWORD", "s3cret")
	effective, err := loadConfig(flagLayer{})
	require.NoError(t, err)
	core, logs := observer.New(zap.DebugLevel)
	warnExposed(effective, zap.New(core))
	require.Zero(t, logs.Len())
}
