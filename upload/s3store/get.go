package s3store

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/aofsidecar/aofsidecar/upload"
)

// Get reads part of an object; see [upload.Store].
func (s *Store) Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, upload.Object, error) {
	if err := upload.CheckKey(key); err != nil {
		return nil, upload.Object{}, err
	}
	if from < 0 {
		return nil, upload.Object{}, beyond(key, from, 0)
	}
	if n == 0 {
		return s.nothing(ctx, key, from)
	}
	in := &s3.GetObjectInput{Bucket: &s.o.Bucket, Key: s.name(key)}
	var opts []func(*s3.Options)
	whole := from == 0 && n < 0
	switch {
	case whole && s.checksums:
		// Not the input's ChecksumMode: with it the SDK compares, and its error cannot be told from others.
		opts = append(opts, s3.WithAPIOptions(smithyhttp.SetHeaderValue("x-amz-checksum-mode", "ENABLED")))
	case n > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", from, from+n-1))
	case !whole:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", from))
	}
	at := place{"get", key, "GetObject", upload.Condition{}}
	out, err := call(ctx, s, at, s.client.GetObject, in, opts...)
	var failure *upload.StoreError
	if errors.As(err, &failure) && (failure.Code == "InvalidRange" || failure.Code == "HTTP416") {
		return s.nothing(ctx, key, from) // an empty object, or the end of one
	}
	if err != nil {
		return nil, upload.Object{}, err
	}
	object := upload.Object{Key: key, Size: aws.ToInt64(out.ContentLength), ETag: aws.ToString(out.ETag), Modified: aws.ToTime(out.LastModified)}
	r := &reader{ctx: ctx, at: at, body: out.Body, left: object.Size, compare: whole}
	if want := aws.ToString(out.ChecksumCRC32C); whole && !strings.Contains(want, "-") {
		r.want = want
	}
	if in.Range != nil {
		if object.Size, err = sizeOf(aws.ToString(out.ContentRange), from, r.left); err != nil {
			bad := &upload.StoreError{Op: "get", Key: key, Code: "BadRange", Err: err}
			return nil, upload.Object{}, errors.Join(bad, out.Body.Close())
		}
	}
	return r, object, nil
}

// nothing is an empty part of an object.
func (s *Store) nothing(ctx context.Context, key string, from int64) (io.ReadCloser, upload.Object, error) {
	object, err := s.head(ctx, "get", key)
	if err != nil {
		return nil, upload.Object{}, err
	}
	if from > object.Size {
		return nil, upload.Object{}, beyond(key, from, object.Size)
	}
	return io.NopCloser(strings.NewReader("")), object, nil
}

func beyond(key string, from, size int64) error {
	return &upload.StoreError{Op: "get", Key: key, Code: "InvalidRange", Err: fmt.Errorf("read from byte %d of %d", from, size)}
}

// head describes an object.
func (s *Store) head(ctx context.Context, op, key string) (upload.Object, error) {
	in := &s3.HeadObjectInput{Bucket: &s.o.Bucket, Key: s.name(key)}
	out, err := call(ctx, s, place{op, key, "HeadObject", upload.Condition{}}, s.client.HeadObject, in)
	if err != nil {
		return upload.Object{}, err
	}
	return upload.Object{Key: key, Size: aws.ToInt64(out.ContentLength), ETag: aws.ToString(out.ETag), Modified: aws.ToTime(out.LastModified)}, nil
}

// sizeOf reads Content-Range, "bytes 5-9/100" (RFC 9110, 14.4), which must be what was asked for.
func sizeOf(text string, from, length int64) (int64, error) {
	bad := fmt.Errorf("asked from byte %d on, and got %d bytes of %q", from, length, text)
	span, total, ok := strings.Cut(strings.TrimPrefix(text, "bytes "), "/")
	if !ok {
		return 0, bad
	}
	size, err := strconv.ParseInt(total, 10, 64)
	if err != nil || span != fmt.Sprintf("%d-%d", from, from+length-1) || from+length > size {
		return 0, bad
	}
	return size, nil
}

// reader is the body of an answer.
type reader struct {
	ctx     context.Context //nolint:containedctx // of the Get that this is the body of
	at      place
	body    io.ReadCloser
	left    int64
	compare bool   // sum is kept, for all of the object comes
	want    string // the object's CRC32C; empty: not known
	sum     uint32
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if int64(n) > r.left {
		n = int(r.left)
	}
	r.left -= int64(n)
	if n > 0 {
		upload.Moved(r.ctx)
	}
	if r.compare {
		r.sum = crc32.Update(r.sum, castagnoli(), p[:n])
	}
	switch {
	case err == nil:
		return n, nil
	case r.ctx.Err() != nil:
		return n, context.Cause(r.ctx)
	case errors.Is(err, io.EOF) && r.left == 0:
		if r.want != "" && crcText(r.sum) != r.want {
			return n, &upload.StoreError{Op: "get", Key: r.at.key, Code: "BadDigest", Err: upload.ErrChecksum}
		}
		return n, io.EOF
	}
	code, _ := network(err)
	if errors.Is(err, io.EOF) {
		code, err = "Truncated", io.ErrUnexpectedEOF
	}
	// Whatever cut the body, the rest may be asked for.
	return n, &upload.StoreError{Op: "get", Key: r.at.key, Code: code, Temporary: true, Err: err}
}

// Close ends the request. An unread rest costs the connection.
func (r *reader) Close() error { return r.body.Close() }
