package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	// plainMode is the first argument that makes this program a plain transfer.
	plainMode = "plain"

	directionPut = "put"
	directionGet = "get"
)

// transfer is what shipping and restoring are compared with: it moves a file to an object of the archive's bucket, or an object to a file, with the SDK's
// transfer manager and its defaults. A file that it makes is on stable storage at the end, as a restored one is.
func transfer(ctx context.Context, direction, endpoint, key, path string) (err error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("configure the SDK: %w", err)
	}
	manager := transfermanager.New(s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.BaseEndpoint, o.UsePathStyle = aws.String(endpoint), true
	}))
	switch direction {
	case directionPut:
		return plainPut(ctx, manager, key, path)
	case directionGet:
		return plainGet(ctx, manager, key, path)
	}
	return fmt.Errorf("a plain transfer is %s or %s, not %q", directionPut, directionGet, direction)
}

func plainPut(ctx context.Context, manager *transfermanager.Client, key, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	_, err = manager.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: aws.String(archiveBucket), Key: aws.String(key), Body: io.Reader(f)})
	if err != nil {
		return fmt.Errorf("put object: %w", err)
	}
	return nil
}

func plainGet(ctx context.Context, manager *transfermanager.Client, key, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	_, err = manager.DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: aws.String(archiveBucket), Key: aws.String(key), WriterAt: f})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("get object: %w", err)
	}
	return nil
}
