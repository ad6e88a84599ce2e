package s3store

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/aofsidecar/aofsidecar/upload"
)

// Options say which bucket, and how it is reached. What is empty comes from the SDK's configuration: environment, shared files.
type Options struct {
	// Bucket is required. Prefix is what its keys begin with, without a slash at the ends; may be empty.
	Bucket, Prefix string
	// Region; empty: of the SDK's configuration, or "us-east-1" if there is an Endpoint.
	Region string
	// Endpoint is the URL of what speaks S3; empty: AWS, or the SDK's configuration.
	Endpoint string
	// PathStyle puts the bucket into the path and not into the host's name.
	PathStyle bool
	// StorageClass of new objects; empty: the bucket's. Those that must be thawed before they can be read are refused.
	StorageClass string
	// SSE is "", "AES256", "aws:kms" or "aws:kms:dsse"; KMSKeyID names a key for the last two, empty: the account's.
	SSE, KMSKeyID string
	// PartBytes is the size of a part, at least 5 MiB; 0: 8 MiB. Parallel is how many go at once; 0: 4.
	PartBytes int64
	Parallel  int
	// PartStall is how long a part may make no progress before it is sent again; 0: 30 s.
	PartStall time.Duration
	// Observe is told of each request when its answer has come, from whatever goroutine made it; nil: nobody.
	Observe func(Request)
}

// Request is one request to the store.
type Request struct {
	// Kind is S3's word: "PutObject", "UploadPart".
	Kind string
	// Code is "OK", or as in upload.StoreError.
	Code     string
	Duration time.Duration
}

const (
	defaultPartBytes = 8 << 20
	minPartBytes     = 5 << 20
	defaultParallel  = 4
	defaultPartStall = 30 * time.Second
)

func (o *Options) setDefaults() {
	if o.PartBytes == 0 {
		o.PartBytes = defaultPartBytes
	}
	if o.Parallel <= 0 {
		o.Parallel = defaultParallel
	}
	if o.PartStall <= 0 {
		o.PartStall = defaultPartStall
	}
	if o.Observe == nil {
		o.Observe = func(Request) {}
	}
}

func (o *Options) check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if upload.CheckKey(o.Bucket) != nil {
		fail("%q is no bucket", o.Bucket)
	}
	if o.Prefix != "" && upload.CheckKey(o.Prefix) != nil {
		fail("prefix %q has parts that are no key", o.Prefix)
	}
	if o.PartBytes < minPartBytes {
		fail("parts of %d bytes: S3 wants %d at least", o.PartBytes, minPartBytes)
	}
	if slices.Contains([]types.StorageClass{types.StorageClassGlacier, types.StorageClassDeepArchive}, types.StorageClass(o.StorageClass)) {
		fail("storage class %s: its objects cannot be read when a restore needs them", o.StorageClass)
	}
	if o.SSE != "" && !slices.Contains([]string{"AES256", "aws:kms", "aws:kms:dsse"}, o.SSE) {
		fail("server-side encryption %q: want AES256, aws:kms or aws:kms:dsse", o.SSE)
	}
	if o.KMSKeyID != "" && (o.SSE == "" || o.SSE == "AES256") {
		fail("a KMS key without server-side encryption aws:kms or aws:kms:dsse")
	}
	errs = append(errs, o.checkEndpoint())
	return errors.Join(errs...)
}

// checkEndpoint repeats nothing of an endpoint that may have credentials in it.
func (o *Options) checkEndpoint() error {
	if o.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(o.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the endpoint is not http://host or https://host")
	case u.User != nil:
		return errors.New("the endpoint has credentials in it; they come from the AWS credential chain")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("the endpoint has parameters")
	}
	return nil
}
