package s3store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/upload"
)

func TestOptionsAreChecked(t *testing.T) {
	good := Options{Bucket: "bucket", Region: "eu-central-1"}
	for name, change := range map[string]func(*Options){
		"no bucket":         func(o *Options) { o.Bucket = "" },
		"bucket with slash": func(o *Options) { o.Bucket = "../x" },
		"prefix":            func(o *Options) { o.Prefix = "a//b" },
		"part":              func(o *Options) { o.PartBytes = 1 << 20 },
		"glacier":           func(o *Options) { o.StorageClass = "GLACIER" },
		"deep archive":      func(o *Options) { o.StorageClass = "DEEP_ARCHIVE" },
		"sse":               func(o *Options) { o.SSE = "rot13" },
		"key without sse":   func(o *Options) { o.KMSKeyID = "key" },
		"key with SSE-S3":   func(o *Options) { o.SSE, o.KMSKeyID = "AES256", "key" },
		"endpoint":          func(o *Options) { o.Endpoint = "minio:9000" },
		"endpoint's scheme": func(o *Options) { o.Endpoint = "ftp://minio" },
		"endpoint's query":  func(o *Options) { o.Endpoint = "http://minio?x=y" },
		"credentials":       func(o *Options) { o.Endpoint = "http://AKIAKEY:topsecret@minio" },
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			change(&o)
			_, err := Open(t.Context(), o)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "topsecret")
		})
	}
}

func TestRegion(t *testing.T) {
	setEnv(t, "key", "secret")
	_, err := Open(t.Context(), Options{Bucket: "bucket"})
	require.ErrorContains(t, err, "no region")
	t.Setenv("AWS_REGION", "eu-west-1")
	store, err := Open(t.Context(), Options{Bucket: "bucket"})
	require.NoError(t, err)
	require.Equal(t, "eu-west-1", store.client.Options().Region)
	require.Equal(t, "s3://bucket", store.String())
	store, err = Open(t.Context(), Options{Bucket: "bucket", Prefix: "a/b", Region: "eu-north-1"})
	require.NoError(t, err)
	require.Equal(t, "eu-north-1", store.client.Options().Region)
	require.Equal(t, "s3://bucket/a/b", store.String())
}

// Every size that fits in an object of S3 (50 TB) has at most 10,000 parts, which are equal if the size is known, or hinted.
func TestPlan(t *testing.T) {
	s := &Store{o: Options{PartBytes: defaultPartBytes}}
	for _, size := range []int64{0, 1, 8 << 20, 10 << 30, 78 << 30, 79 << 30, 1 << 40, 40 << 40} {
		for _, body := range []upload.Body{{Size: size}, {Size: -1, Hint: size}} {
			if size == 0 && body.Size < 0 {
				continue
			}
			p := s.plan(body)
			require.Zero(t, p.bytes(1)%mib)
			require.LessOrEqual(t, (size+p.part-1)/p.part, int64(maxParts))
			last := int((size + p.part - 1) / p.part)
			require.Equal(t, p.bytes(1), p.bytes(max(1, last)))
		}
	}
	unknown, total := s.plan(upload.Body{Size: -1}), int64(0)
	for i := range maxParts {
		total += unknown.bytes(i + 1)
	}
	require.Greater(t, total, int64(480<<30))
	require.Equal(t, int64(defaultPartBytes), unknown.bytes(growAfter))
	require.Equal(t, int64(2*defaultPartBytes), unknown.bytes(growAfter+1))
}
