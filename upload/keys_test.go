package upload_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/upload"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]upload.Location{
		"s3://bucket":                {Bucket: "bucket"},
		"s3://bucket/":               {Bucket: "bucket"},
		"s3://my.bucket/a/b-c_d/":    {Bucket: "my.bucket", Prefix: "a/b-c_d"},
		"file:///var/lib/archive":    {Dir: "/var/lib/archive"},
		"file://localhost/a//b/../c": {Dir: "/a/c"},
		"file:///with%20space":       {Dir: "/with space"},
	} {
		got, err := upload.ParseURL(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestParseURLRefuses(t *testing.T) {
	for _, text := range []string{
		"", "bucket/prefix", "/path", "s3:", "s3://", "s3:///prefix", "s3://bucket:9000/a", "s3://bucket/a//b", "s3://bucket/../b", "s3://bucket/.a", "s3://bucket/a b",
		"s3://bucket?region=x", "s3://bucket/a?", "s3://bucket/a#b", "s3://bucket/a#", "s3://bu cket/", "http://host/bucket", "gs://bucket", "file://", "file:", "file:path",
		"file://host/path", "file:///", "file:///a?b=c", "file:///a/../..", "file:///a%00b", "s3://%zz",
	} {
		_, err := upload.ParseURL(text)
		require.Error(t, err, text)
	}
}

func TestParseURLKeepsSecrets(t *testing.T) {
	for _, text := range []string{"s3://AKIAKEY:topsecret@bucket/prefix", "s3://bucket/?secret-access-key=topsecret", "s3://AKIAKEY:topsecret@bu cket/", "file://AKIAKEY:topsecret@/a"} {
		_, err := upload.ParseURL(text)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "topsecret")
		require.NotContains(t, err.Error(), "AKIAKEY")
	}
}

// What is accepted says itself, and does not lead out of the bucket or the directory.
func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{"s3://bucket/a/b", "file:///a/b", "s3://b/" + strings.Repeat("x/", 900), "file:///../..", "s3://..", "s3://b/%2e%2e/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		location, err := upload.ParseURL(text)
		if err != nil {
			return
		}
		if location.Bucket == "" {
			require.True(t, strings.HasPrefix(location.Dir, "/"))
			require.NotContains(t, strings.Split(location.Dir, "/"), "..")
			return
		}
		again, err := upload.ParseURL(location.String())
		require.NoError(t, err)
		require.Equal(t, location, again)
		require.NoError(t, upload.CheckKey(location.Bucket))
		if location.Prefix != "" {
			require.NoError(t, upload.CheckKey(location.Prefix))
		}
	})
}
