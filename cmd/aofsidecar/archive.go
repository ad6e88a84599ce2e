package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"filippo.io/age"

	"github.com/aofsidecar/aofsidecar/upload"
	"github.com/aofsidecar/aofsidecar/upload/filestore"
	"github.com/aofsidecar/aofsidecar/upload/s3store"
)

const (
	// stallAfter is how long a transfer may stand still before it is begun again.
	stallAfter = 30 * time.Second
	// shipAttempts is how often a request of the uploader is tried before it is reported; the uploader itself goes on for ever.
	shipAttempts = 5
	// readAttempts is how often one of a command is, without anything having moved, before the command fails: some minutes.
	readAttempts = 8
)

// archive is an archive as the configuration says that it is reached.
type archive struct {
	url      string // without secrets
	store    upload.Store
	raw      upload.Store // without what is around it
	requests *upload.Requests
	config   ArchiveConfig
}

// NoArchiveError says that there is nothing at the URL of an archive.
type NoArchiveError struct{ URL string }

func (e *NoArchiveError) Error() string { return "no archive at " + e.URL }

// errNoURL says that a command about the archive does not know which.
var errNoURL = errors.New("no archive given")

// openArchive opens the archive at url, or that of archive.url if it is empty, for a command that reads it, or changes what is there. Credentials are asked for when
// the first request is made.
func openArchive(ctx context.Context, config Config, url string) (*archive, error) {
	if url == "" {
		url = config.Archive.URL
	}
	if url == "" {
		return nil, &UsageError{Err: errNoURL, Hint: "--archive s3://bucket/prefix, or set archive.url"}
	}
	if err := checkArchiveURL(url); err != nil {
		return nil, &UsageError{Err: fmt.Errorf("the archive's URL %w", err), Hint: "--archive s3://bucket/prefix, or file:///path"}
	}
	store, err := openStore(ctx, config.Archive, url, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NoArchiveError{URL: url}
	}
	if err != nil {
		return nil, err
	}
	return decorate(config.Archive, url, store, upload.RetryOptions{Attempts: readAttempts, Max: maxReadWait}, nil), nil
}

// maxReadWait bounds the waits between the tries of a command: somebody sits before it.
const maxReadWait = 10 * time.Second

// shipArchive returns the archive that a sidecar ships to. It asks nothing of it yet, and need not be there.
func shipArchive(config ArchiveConfig, seen func(upload.Request)) *archive {
	late := &lateStore{url: config.URL, open: func(ctx context.Context) (upload.Store, error) { return openStore(ctx, config, config.URL, true) }}
	return decorate(config, config.URL, late, upload.RetryOptions{Attempts: shipAttempts}, seen)
}

// decorate puts around a store what every archive has: requests that stand still are ended, each is counted, and what may pass is tried again.
func decorate(config ArchiveConfig, url string, store upload.Store, retry upload.RetryOptions, seen func(upload.Request)) *archive {
	requests := &upload.Requests{}
	watched := requests.Watch(upload.Stall(store, stallAfter), seen)
	return &archive{url: url, store: upload.Retry(watched, retry), raw: store, requests: requests, config: config}
}

// openStore opens the store at a checked URL. A directory that is not there is made, or is an fs.ErrNotExist.
func openStore(ctx context.Context, config ArchiveConfig, url string, create bool) (upload.Store, error) {
	at, err := upload.ParseURL(url)
	if err != nil {
		return nil, err
	}
	if at.Bucket != "" {
		return s3store.Open(ctx, s3Options(config.S3, at))
	}
	if create {
		return filestore.Create(at.Dir)
	}
	return filestore.Open(at.Dir)
}

func s3Options(config S3Config, at upload.Location) s3store.Options {
	return s3store.Options{
		Bucket: at.Bucket, Prefix: at.Prefix,
		Region: config.Region, Endpoint: config.Endpoint, PathStyle: bool(config.ForcePathStyle),
		StorageClass: config.StorageClass, SSE: config.SSE, KMSKeyID: config.KMSKeyID,
	}
}

// sealer makes the objects of an archive.
func (c *ArchiveConfig) sealer() (*upload.Sealer, error) {
	options := upload.SealOptions{NoCompression: c.Compression == CompressNone}
	for _, text := range c.Encryption.Recipients {
		recipient, err := parseRecipient(text)
		if err != nil {
			return nil, fmt.Errorf("archive.encryption.recipients: %w", err)
		}
		options.Recipients = append(options.Recipients, recipient)
	}
	return upload.NewSealer(options)
}

// identities are the secret keys that open what is encrypted; the file is read afresh. No error repeats what is in it.
func (c *ArchiveConfig) identities() ([]age.Identity, error) {
	if c.Encryption.IdentityFile == "" {
		return nil, nil
	}
	text, err := readBounded(c.Encryption.IdentityFile)
	if err != nil {
		return nil, fmt.Errorf("read archive.encryption.identity-file: %w", err)
	}
	identities, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("archive.encryption.identity-file: %s has what is no age identity, or none", c.Encryption.IdentityFile)
	}
	return identities, nil
}

// done gives the archive back, and adds to a command's error what goes wrong with that.
func (a *archive) done(err *error) {
	if closer, ok := a.raw.(io.Closer); ok {
		*err = errors.Join(*err, closer.Close())
	}
}

// isNotFound reports whether there is no such object.
func isNotFound(err error) bool { return errors.Is(err, upload.ErrNotFound) }
