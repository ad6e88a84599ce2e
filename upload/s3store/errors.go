package s3store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/aofsidecar/aofsidecar/upload"
)

// place is what a request is for.
type place struct {
	op   string // put, get, list, delete, sweep
	key  string
	kind string // S3's word for the request
	cond upload.Condition
}

// fail makes err of the SDK one of package upload.
func (at place) fail(ctx context.Context, err error) error {
	var known *upload.StoreError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &known):
		return err
	}
	failure := &upload.StoreError{Op: at.op, Key: at.key, Err: err}
	var answer *smithyhttp.ResponseError
	var api smithy.APIError
	var creds *credentialsError
	switch {
	case errors.As(err, &creds):
		failure.Code, failure.Err = "NoCredentials", creds
	case errors.As(err, &answer) && answer.HTTPStatusCode() != 0: // 0: none came
		failure.Code = "HTTP" + strconv.Itoa(answer.HTTPStatusCode())
		if errors.As(err, &api) && api.ErrorCode() != "" && api.ErrorCode() != "UnknownError" {
			failure.Code = plain(api.ErrorCode(), maxCode-len("..."))
		}
		failure.Err = saidError{err}
		failure.After = retryAfter(answer.HTTPResponse().Header, time.Now())
		at.judge(failure, answer.HTTPStatusCode())
	default:
		failure.Code, failure.Temporary = network(err)
	}
	return failure
}

// judge decides what an answer means. Codes are S3's, of its "Error responses", and those of the well-known stores that speak it.
func (at place) judge(failure *upload.StoreError, status int) {
	is := func(meaning error) { failure.Err = fmt.Errorf("%w: %w", meaning, failure.Err) }
	switch failure.Code {
	case "NoSuchBucket", "NoSuchUpload":
		return
	case "ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "RequestTimeTooSkewed", "IncompleteBody", "Throttling", "ThrottlingException",
		"BadDigest", "XAmzContentSHA256Mismatch", "TooManyRequests", "SlowDown", "SlowDownRead", "SlowDownWrite", "Busy", "ServiceUnavailable", "InternalError":
		// A clock that is off is corrected by the SDK from this answer; a wrong digest is damage on the way.
		failure.Temporary = true
		return
	case "NotImplemented":
		if at.cond != (upload.Condition{}) {
			is(upload.ErrUnconditional)
		}
		return
	}
	switch {
	case status == http.StatusPreconditionFailed && at.cond.Absent:
		is(upload.ErrExists)
	case status == http.StatusPreconditionFailed, absent(failure.Code) && at.cond.ETag != "":
		is(upload.ErrChanged)
	case absent(failure.Code):
		is(upload.ErrNotFound)
	case at.op == "delete" && retains(failure.Code, status):
		is(upload.ErrRetained)
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusTemporaryRedirect:
		failure.Temporary = true
	default: // 2xx: an answer that could not be read
		failure.Temporary = status >= http.StatusInternalServerError && status != http.StatusNotImplemented || status < http.StatusMultipleChoices
	}
}

// absent says that a 404 is about the object, and not about the bucket or who asked. HEAD has no code in its answer.
func absent(code string) bool {
	return code == "NoSuchKey" || code == "NotFound" || code == "HTTP404"
}

// retains says that a DELETE was refused as such, and not for who asked: object lock, bucket policy, a retention of the store.
func retains(code string, status int) bool {
	switch code {
	case "AccessDenied", "ObjectLocked", "MethodNotAllowed", "RetentionPolicyNotMet", "ObjectUnderActiveHold", "ObjectImmutable", "FileImmutable", "WORMProtected":
		return true
	}
	return code == "HTTP403" && status == http.StatusForbidden
}

// maxRetryAfter bounds what a header may ask for before it is a mistake.
const maxRetryAfter = time.Hour

// retryAfter reads seconds or a date (RFC 9110, 10.2.3).
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return min(max(0, time.Duration(seconds)*time.Second), maxRetryAfter)
	}
	if date, err := http.ParseTime(value); err == nil {
		return min(max(0, date.Sub(now)), maxRetryAfter)
	}
	return 0
}

// network says of an error without an answer what it is, and whether it may go by itself. A certificate that is not trusted does not.
func network(err error) (code string, temporary bool) {
	var (
		untrusted x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		host      x509.HostnameError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		dns       *net.DNSError
		timeout   net.Error
		send      *smithyhttp.RequestSendError
		errno     syscall.Errno
	)
	switch {
	case errors.As(err, &untrusted), errors.As(err, &invalid), errors.As(err, &host), errors.As(err, &verify), errors.As(err, &record),
		errors.Is(err, http.ErrSchemeMismatch):
		return "TLS", false
	case errors.As(err, &dns):
		return "DNS", true
	case errors.As(err, &timeout) && timeout.Timeout():
		return "Timeout", true
	case errors.Is(err, syscall.ECONNREFUSED):
		return "ConnectionRefused", true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "ConnectionReset", true
	case errors.As(err, &send), errors.As(err, &errno), errors.As(err, &timeout):
		return "Network", true
	}
	return "Request", false // the SDK did not send it
}
