package s3store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/aofsidecar/aofsidecar/upload"
)

// Store is a bucket, or what is below a prefix in it. Safe for concurrent use.
type Store struct {
	client *s3.Client
	o      Options
	// checksums says that CRC32C is sent.
	checksums bool
	// buffers are *[]byte of o.PartBytes.
	buffers   sync.Pool
	transport *http.Transport
}

var _ upload.Store = (*Store)(nil)

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	idleConns        = 32
)

// Open returns the store that o describes. It reads the SDK's configuration, and sends no request. The caller closes it.
func Open(ctx context.Context, o Options) (*Store, error) {
	o.setDefaults()
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("open S3 store: %w", err)
	}
	load := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("open S3 store: %w", err)
	}
	if cfg.Region == "" {
		if o.Endpoint == "" && cfg.BaseEndpoint == nil {
			return nil, errors.New("open S3 store: no region: set archive.s3.region or AWS_REGION")
		}
		cfg.Region = "us-east-1"
	}
	if cfg.Credentials != nil {
		cfg.Credentials = &namedCredentials{cfg.Credentials}
	}
	s := &Store{o: o, transport: transportOf(cfg)}
	s.checksums = cfg.RequestChecksumCalculation != aws.RequestChecksumCalculationWhenRequired
	s.buffers.New = func() any { return new(make([]byte, o.PartBytes)) }
	s.client = s3.NewFromConfig(cfg, func(so *s3.Options) {
		so.UsePathStyle = o.PathStyle
		if o.Endpoint != "" {
			so.BaseEndpoint = aws.String(o.Endpoint)
		}
		so.HTTPClient = &http.Client{
			Transport: boundedAnswers{s.transport},
			// A bucket elsewhere is a mistake in the configuration; the signature would not fit there either.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		so.Retryer = aws.NopRetryer{}
		// Checksums are set and compared here, in headers; the SDK's own go in trailers, which many stores do not take.
		so.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		so.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		so.DisableLogOutputChecksumValidationSkipped = true
	})
	return s, nil
}

// transportOf has the proxy and the certificates of the SDK's configuration (AWS_CA_BUNDLE), and none of its timeouts for reading: what progress is, and how long to
// wait for it, the watches know.
func transportOf(cfg aws.Config) *http.Transport {
	client, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		client = awshttp.NewBuildableClient()
	}
	transport := client.GetTransport()
	transport.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	transport.TLSHandshakeTimeout = handshakeTimeout
	transport.MaxIdleConnsPerHost = idleConns
	transport.DisableCompression = true
	return transport
}

// Close ends the connections that are idle.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// String is the URL: "s3://bucket/prefix".
func (s *Store) String() string {
	return upload.Location{Bucket: s.o.Bucket, Prefix: s.o.Prefix}.String()
}

// name is the key in the bucket.
func (s *Store) name(key string) *string {
	if s.o.Prefix == "" {
		return aws.String(key)
	}
	return aws.String(s.o.Prefix + "/" + key)
}

// key is the key of a name in the bucket; false: it is none of ours.
func (s *Store) key(name string) (string, bool) {
	key := name
	if s.o.Prefix != "" {
		var ours bool
		if key, ours = strings.CutPrefix(name, s.o.Prefix+"/"); !ours {
			return "", false
		}
	}
	return key, upload.CheckKey(key) == nil
}

// call sends one request, and observes it. Its error is ready to be returned.
func call[In, Out any](
	ctx context.Context, s *Store, at place, do func(context.Context, *In, ...func(*s3.Options)) (*Out, error), in *In, opts ...func(*s3.Options),
) (*Out, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	began := time.Now()
	out, err := do(ctx, in, opts...)
	upload.Moved(ctx)
	code := "OK"
	if err != nil {
		err = at.fail(ctx, err)
		code = codeOf(err)
	}
	s.o.Observe(Request{Kind: at.kind, Code: code, Duration: time.Since(began)})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func codeOf(err error) string {
	if failure, ok := errors.AsType[*upload.StoreError](err); ok {
		return failure.Code
	}
	return "Canceled"
}

// namedCredentials make known which errors are the credential chain's.
type namedCredentials struct{ aws.CredentialsProvider }

func (c *namedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return creds, &credentialsError{err}
	}
	return creds, nil
}

// credentialsError is a failure to get credentials.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "get AWS credentials: " + e.err.Error() }

func (e *credentialsError) Unwrap() error { return e.err }
