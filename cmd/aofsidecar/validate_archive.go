package main

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/aofsidecar/aofsidecar/upload"
)

func (a *ArchiveConfig) validate(v *validator) {
	if a.URL != "" {
		v.check(checkArchiveURL(a.URL), "archive.url")
	}
	v.require(a.ShipInterval >= Duration(100*time.Millisecond), "archive.ship-interval", "must be at least 100ms")
	v.require(a.SegmentSize >= 64<<10 && a.SegmentSize <= 1<<30, "archive.segment-size", "must be at least 64kb and at most 1gb")
	for _, recipient := range a.Encryption.Recipients {
		v.check(checkRecipient(recipient), "archive.encryption.recipients")
	}
	v.check(checkPath(a.Encryption.IdentityFile), "archive.encryption.identity-file")
	v.require(bool(a.Lease.Enabled) || len(a.Encryption.Recipients) == 0, "archive.lease.enabled",
		"must be true with archive.encryption.recipients: of what nobody here can read, only the lease says of which history it is")
	v.require(a.Lease.TTL >= Duration(3*time.Second), "archive.lease.ttl", "must be at least 3s")
	v.require(a.Retention.Duration >= Duration(time.Minute), "archive.retention.duration", "must be at least 1m")
	v.require(a.Retention.MinBases >= 1, "archive.retention.min-bases", "must be at least 1")
	v.require(a.Verify.Interval == 0 || a.Verify.Interval >= Duration(time.Minute), "archive.verify.interval", "must be 0s or at least 1m")
	v.require(a.Verify.Level != VerifyBoot || a.Verify.Interval == 0 || a.Verify.BootCommand != "", "archive.verify.boot-command", "is missing: level boot needs a server to start")
	a.S3.validate(v, a.URL)
}

func (s *S3Config) validate(v *validator, archive string) {
	if s.Endpoint != "" {
		u, err := url.Parse(s.Endpoint)
		v.require(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil, "archive.s3.endpoint", "must be a URL like https://host:port, without user and password")
	}
	switch s.SSE {
	case "", "AES256", "aws:kms", "aws:kms:dsse":
	default:
		v.require(false, "archive.s3.sse", "must be AES256, aws:kms, aws:kms:dsse or empty")
	}
	v.require(s.KMSKeyID == "" || strings.HasPrefix(s.SSE, "aws:kms"), "archive.s3.kms-key-id", "has no effect unless archive.s3.sse is aws:kms or aws:kms:dsse")
	if !strings.HasPrefix(archive, "file:") {
		return
	}
	const ignored = "has no effect on an archive in a directory"
	v.require(s.Region == "", "archive.s3.region", ignored)
	v.require(s.Endpoint == "", "archive.s3.endpoint", ignored)
	v.require(!bool(s.ForcePathStyle), "archive.s3.force-path-style", ignored)
	v.require(s.StorageClass == "", "archive.s3.storage-class", ignored)
	v.require(s.SSE == "", "archive.s3.sse", ignored)
}

// checkArchiveURL wants s3://bucket[/prefix] or file:///path. Errors do not repeat it: what people write into a URL may hold a key.
func checkArchiveURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("is not a URL")
	case u.User != nil:
		return errors.New("has a user or password: credentials come from the AWS SDK's environment and files")
	case u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(text, "?") || strings.HasSuffix(text, "#"):
		return errors.New("has a query or a fragment: the keys of archive.s3 say such things")
	case u.Scheme == "s3" && u.Host == "":
		return errors.New("names no bucket: write s3://bucket/prefix")
	case u.Scheme == "file" && (u.Host != "" || u.Path == "" || u.Path == "/"):
		return errors.New("names no directory: write file:///path")
	case u.Scheme != "s3" && u.Scheme != "file":
		return errors.New("is neither s3://bucket/prefix nor file:///path")
	}
	if _, err := upload.ParseURL(text); err != nil {
		return errors.New("has other characters in bucket or prefix than letters, digits, dots, - and _, or is no absolute path")
	}
	return nil
}

// checkRecipient wants an age public key. It does not repeat it: a secret key may be what stands there.
func checkRecipient(text string) error {
	if strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-") {
		return errors.New("is a secret key: a recipient is the public one (age1...)")
	}
	_, err := parseRecipient(text)
	return err
}

// parseRecipient reads an age public key, classic or post-quantum.
func parseRecipient(text string) (age.Recipient, error) {
	if recipient, err := age.ParseX25519Recipient(text); err == nil {
		return recipient, nil
	}
	if recipient, err := age.ParseHybridRecipient(text); err == nil {
		return recipient, nil
	}
	return nil, errors.New("is not an age recipient (age1...)")
}
