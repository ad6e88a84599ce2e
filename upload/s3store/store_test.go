package s3store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
	"github.com/aofsidecar/aofsidecar/upload"
	"github.com/aofsidecar/aofsidecar/upload/storetest"
)

var (
	gateway *s3gateway.Gateway
	buckets atomic.Int64
)

func TestMain(m *testing.M) {
	if s3gateway.Served() {
		return
	}
	goleak.VerifyTestMain(withGateway{m})
}

// withGateway runs the tests beside a server.
type withGateway struct{ *testing.M }

func (m withGateway) Run() int {
	dir, err := os.MkdirTemp("", "s3store")
	if err == nil {
		gateway, err = s3gateway.Start(context.Background(), dir)
	}
	code := 1
	if err == nil {
		code = m.M.Run()
		err = errors.Join(gateway.Close(), os.RemoveAll(dir))
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// setEnv gives the default chain credentials, and hides what the machine has.
func setEnv(t *testing.T, key, secret string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
		"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": t.TempDir() + "/none",
		"AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none", "HTTP_PROXY": "", "http_proxy": "",
	} {
		t.Setenv(name, value)
	}
}

// bucket makes a bucket, and returns how it is reached, through the proxy if there is one, and where its files are.
func bucket(t *testing.T, proxy *s3gateway.Proxy) (Options, string) {
	t.Helper()
	name := fmt.Sprintf("bucket-%d", buckets.Add(1))
	dir, err := gateway.Bucket(name)
	require.NoError(t, err)
	o := Options{Bucket: name, Prefix: "some/prefix", Region: s3gateway.Region, Endpoint: gateway.Endpoint(), PathStyle: true}
	if proxy != nil {
		o.Endpoint = proxy.Endpoint()
	}
	return o, dir
}

func open(t *testing.T, o Options) *Store {
	t.Helper()
	if os.Getenv("AWS_ACCESS_KEY_ID") != s3gateway.AccessKey {
		setEnv(t, s3gateway.AccessKey, s3gateway.SecretKey)
	}
	store, err := Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func leftovers(t *testing.T, store upload.Store) int {
	t.Helper()
	s, ok := store.(*Store)
	require.True(t, ok)
	out, err := s.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.o.Bucket})
	require.NoError(t, err)
	return len(out.Uploads)
}

func orphan(t *testing.T, store upload.Store, key string) {
	t.Helper()
	s, ok := store.(*Store)
	require.True(t, ok)
	out, err := s.client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &s.o.Bucket, Key: s.name(key)})
	require.NoError(t, err)
	_, err = s.client.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: &s.o.Bucket, Key: s.name(key), UploadId: out.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("half"),
	})
	require.NoError(t, err)
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) upload.Store {
		t.Helper()
		o, _ := bucket(t, nil)
		return open(t, o)
	}, storetest.Options{Large: 64 << 20, Leftovers: leftovers, Orphan: orphan})
}

func TestConformanceWithoutPrefixAndChecksums(t *testing.T) {
	setEnv(t, s3gateway.AccessKey, s3gateway.SecretKey)
	t.Setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
	storetest.Run(t, func(t *testing.T) upload.Store {
		t.Helper()
		o, _ := bucket(t, nil)
		o.Prefix = ""
		return open(t, o)
	}, storetest.Options{Large: 20 << 20, Leftovers: leftovers, Orphan: orphan})
}
