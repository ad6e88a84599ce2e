package s3store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/aofsidecar/aofsidecar/upload"
)

// List yields objects in order of their keys, a request for each thousand; see [upload.Store]. An answer that is not sorted, as a directory
// bucket of S3 Express gives, is an error.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[upload.Object, error] {
	return func(yield func(upload.Object, error) bool) {
		at := place{"list", prefix, "ListObjectsV2", upload.Condition{}}
		in := &s3.ListObjectsV2Input{Bucket: &s.o.Bucket, Prefix: s.name(prefix)}
		if after != "" {
			in.StartAfter = s.name(after)
		}
		last, page := after, pages{}
		for {
			out, err := call(ctx, s, at, s.client.ListObjectsV2, in)
			if err != nil {
				yield(upload.Object{}, err)
				return
			}
			objects := s.ours(out.Contents, after)
			for _, object := range objects {
				if object.Key <= last {
					bad := fmt.Errorf("the store lists %q after %q", object.Key, last)
					yield(upload.Object{}, &upload.StoreError{Op: "list", Key: prefix, Code: "NotSorted", Err: bad})
					return
				}
				last = object.Key
				if !yield(object, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) || aws.ToString(out.NextContinuationToken) == "" {
				return
			}
			if err := page.next(aws.ToString(out.NextContinuationToken), len(objects)); err != nil {
				yield(upload.Object{}, &upload.StoreError{Op: "list", Key: prefix, Code: "NoEnd", Err: err})
				return
			}
			in.ContinuationToken = out.NextContinuationToken
		}
	}
}

// ours are the objects that have keys, but for the one named after, which some stores list.
func (s *Store) ours(contents []types.Object, after string) []upload.Object {
	var objects []upload.Object
	for _, o := range contents {
		if key, ours := s.key(aws.ToString(o.Key)); ours && key != after {
			objects = append(objects, upload.Object{Key: key, Size: aws.ToInt64(o.Size), ETag: aws.ToString(o.ETag), Modified: aws.ToTime(o.LastModified)})
		}
	}
	return objects
}

// Delete removes an object; see [upload.Store]. In a bucket with versions it leaves a delete marker, and the versions are the bucket's to keep.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := upload.CheckKey(key); err != nil {
		return err
	}
	in := &s3.DeleteObjectInput{Bucket: &s.o.Bucket, Key: s.name(key)}
	_, err := call(ctx, s, place{"delete", key, "DeleteObject", upload.Condition{}}, s.client.DeleteObject, in)
	if errors.Is(err, upload.ErrNotFound) {
		return nil
	}
	return err
}

// Sweep aborts the multipart uploads below prefix that were begun before; see [upload.Store].
func (s *Store) Sweep(ctx context.Context, prefix string, before time.Time) (int, error) {
	swept := 0
	in := &s3.ListMultipartUploadsInput{Bucket: &s.o.Bucket, Prefix: s.name(prefix)}
	page := pages{}
	for {
		out, err := call(ctx, s, place{"sweep", prefix, "ListMultipartUploads", upload.Condition{}}, s.client.ListMultipartUploads, in)
		if err != nil {
			return swept, err
		}
		mine := 0
		for _, u := range out.Uploads {
			key, ours := s.key(aws.ToString(u.Key))
			if ours {
				mine++
			}
			if !ours || !aws.ToTime(u.Initiated).Before(before) {
				continue
			}
			if err := s.abort(ctx, "sweep", key, u.Key, u.UploadId); err != nil {
				return swept, err
			}
			swept++
		}
		if !aws.ToBool(out.IsTruncated) || aws.ToString(out.NextKeyMarker) == "" {
			return swept, nil
		}
		if err := page.next(aws.ToString(out.NextKeyMarker)+" "+aws.ToString(out.NextUploadIdMarker), mine); err != nil {
			return swept, &upload.StoreError{Op: "sweep", Key: prefix, Code: "NoEnd", Err: err}
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
}
