package s3store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/upload"
)

const (
	// partAttempts is how often a part is sent before the whole body is begun again: about half a minute of a store that answers at once.
	partAttempts = 8
	// abortPatience is for giving up an upload after its context has ended.
	abortPatience = 5 * time.Second
	// abortAttempts is more than one, because a part that is still on its way may make the store fail ("AbortMultipartUpload": it may be necessary to abort several times).
	abortAttempts = 4
	// completePatience is how long a store may take to put the parts together; it says nothing meanwhile.
	completePatience = 15 * time.Minute
)

// multi is an upload in parts.
type multi struct {
	*put

	id *string

	done  sync.Mutex
	parts []types.CompletedPart
}

// multipart stores a body whose first part is read, and is not all of it.
func (p *put) multipart(ctx context.Context, first []byte) (object upload.Object, err error) {
	if p.cond.Absent { // found out before gigabytes are sent; the end decides
		there, err := p.s.head(ctx, "put", p.key)
		if err == nil {
			return there, &upload.StoreError{Op: "put", Key: p.key, Code: "PreconditionFailed", Err: upload.ErrExists}
		}
		if !errors.Is(err, upload.ErrNotFound) {
			return upload.Object{}, err
		}
	}
	m := &multi{put: p}
	if err := m.create(ctx); err != nil {
		return upload.Object{}, err
	}
	err = m.sendAll(ctx, first)
	if err == nil {
		object, err = m.complete(ctx)
	}
	if err != nil {
		return upload.Object{}, errors.Join(err, m.abort(ctx))
	}
	return object, nil
}

func (m *multi) create(ctx context.Context) error {
	in := &s3.CreateMultipartUploadInput{
		Bucket: &m.s.o.Bucket, Key: m.s.name(m.key),
		StorageClass: types.StorageClass(m.s.o.StorageClass), ServerSideEncryption: types.ServerSideEncryption(m.s.o.SSE), SSEKMSKeyId: optional(m.s.o.KMSKeyID),
	}
	if m.s.checksums {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32c, types.ChecksumTypeFullObject
	}
	out, err := call(ctx, m.s, place{"put", m.key, "CreateMultipartUpload", upload.Condition{}}, m.s.client.CreateMultipartUpload, in)
	if err != nil {
		return err
	}
	m.id = out.UploadId
	return nil
}

// sendAll reads the body and sends its parts, several at once.
func (m *multi) sendAll(ctx context.Context, data []byte) error {
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(m.s.o.Parallel)
	for number := 1; ; number++ {
		part := data
		// Waits while Parallel parts are on their way, with one more in memory: this one.
		group.Go(func() error {
			defer m.giveBack(&part)
			return m.send(sending, number, part)
		})
		if m.ended || sending.Err() != nil {
			break
		}
		if number == maxParts {
			_ = group.Wait() // what matters is that it does not fit
			return &upload.StoreError{Op: "put", Key: m.key, Code: "EntityTooLarge", Err: fmt.Errorf("body has more than %d parts; set Body.Hint", maxParts)}
		}
		size := m.plan.bytes(number + 1)
		var err error
		if data, err = m.fill(sending, (*m.buffer(size))[:0], size); err != nil {
			failed := group.Wait()
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if failed != nil {
				return failed // the body was not read to its end because of this
			}
			return err
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// send stores one part, again and again if need be: a part that fails need not be the end of all that was sent before.
func (m *multi) send(ctx context.Context, number int, data []byte) error {
	in := &s3.UploadPartInput{
		Bucket: &m.s.o.Bucket, Key: m.s.name(m.key), UploadId: m.id, PartNumber: aws.Int32(int32(number)), ContentLength: aws.Int64(int64(len(data))), //nolint:gosec // at most maxParts
		ChecksumCRC32C: m.s.checksum(crc32.Checksum(data, castagnoli())),
	}
	at := place{"put", m.key, "UploadPart", upload.Condition{}}
	var etag *string
	err := upload.RetryOptions{Attempts: partAttempts}.Again(ctx, "put", m.key, func() (int64, error) {
		watched, stop := upload.Watch(ctx, m.s.o.PartStall)
		defer stop()
		in.Body = moving(watched, data)
		out, err := call(watched, m.s, at, m.s.client.UploadPart, in)
		if err != nil {
			upload.Moved(ctx)
			if errors.Is(err, upload.ErrStalled) {
				err = &upload.StoreError{Op: "put", Key: m.key, Code: "Stalled", Temporary: true, Err: err}
			}
			return 0, err
		}
		etag = out.ETag
		return int64(len(data)), nil
	})
	if err != nil {
		return m.begunAgain(err)
	}
	m.done.Lock()
	defer m.done.Unlock()
	m.parts = append(m.parts, types.CompletedPart{PartNumber: in.PartNumber, ETag: etag, ChecksumCRC32C: in.ChecksumCRC32C})
	return nil
}

// begunAgain makes the loss of an upload, by a sweep or a rule of the bucket, Temporary: the next Put has another one.
func (m *multi) begunAgain(err error) error {
	var failure *upload.StoreError
	if errors.As(err, &failure) && failure.Code == "NoSuchUpload" {
		again := *failure
		again.Temporary = true
		return &again
	}
	return err
}

// complete makes the parts an object.
func (m *multi) complete(ctx context.Context) (upload.Object, error) {
	slices.SortFunc(m.parts, func(a, b types.CompletedPart) int { return cmp.Compare(*a.PartNumber, *b.PartNumber) })
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &m.s.o.Bucket, Key: m.s.name(m.key), UploadId: m.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: m.parts},
		IfNoneMatch: ifNoneMatch(m.cond), IfMatch: ifMatch(m.cond),
	}
	if m.s.checksums {
		in.ChecksumCRC32C, in.ChecksumType, in.MpuObjectSize = m.s.checksum(m.whole), types.ChecksumTypeFullObject, aws.Int64(m.read)
	}
	at := place{"put", m.key, "CompleteMultipartUpload", m.cond}
	object := upload.Object{Key: m.key, Size: m.read}
	unsure := false
	err := upload.RetryOptions{Attempts: partAttempts}.Again(ctx, "put", m.key, func() (int64, error) {
		stop := keepMoving(ctx)
		defer stop()
		out, err := call(ctx, m.s, at, m.s.client.CompleteMultipartUpload, in)
		if err == nil {
			object.ETag = aws.ToString(out.ETag)
			return 0, nil
		}
		if unsure {
			if there, ok := m.isThere(ctx); ok {
				object = there
				return 0, nil
			}
		}
		unsure = true
		return 0, err
	})
	return object, m.begunAgain(err)
}

// isThere says that the object is what was sent: an earlier attempt succeeded, and its answer was lost.
func (m *multi) isThere(ctx context.Context) (upload.Object, bool) {
	if !m.s.checksums {
		return upload.Object{}, false
	}
	in := &s3.HeadObjectInput{Bucket: &m.s.o.Bucket, Key: m.s.name(m.key), ChecksumMode: types.ChecksumModeEnabled}
	out, err := call(ctx, m.s, place{"put", m.key, "HeadObject", upload.Condition{}}, m.s.client.HeadObject, in)
	if err != nil || aws.ToInt64(out.ContentLength) != m.read || aws.ToString(out.ChecksumCRC32C) != crcText(m.whole) {
		return upload.Object{}, false
	}
	return upload.Object{Key: m.key, Size: m.read, ETag: aws.ToString(out.ETag), Modified: aws.ToTime(out.LastModified)}, true
}

// keepMoving keeps watches quiet until stop, or for completePatience.
func keepMoving(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithTimeout(ctx, completePatience)
	var ticking sync.WaitGroup
	ticking.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				upload.Moved(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		ticking.Wait()
	}
}

// abort gives the upload up, also when ctx has ended. What it cannot abort the next Sweep does.
func (m *multi) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
	defer cancel()
	err := upload.RetryOptions{First: 50 * time.Millisecond, Attempts: abortAttempts}.Again(ctx, "put", m.key, func() (int64, error) {
		return 0, m.s.abort(ctx, "put", m.key, m.s.name(m.key), m.id)
	})
	var failure *upload.StoreError
	if errors.As(err, &failure) && failure.Temporary || errors.Is(err, context.DeadlineExceeded) {
		return nil // the error of the upload says what is wrong
	}
	return err
}

// abort ends an upload; that there is none is no error.
func (s *Store) abort(ctx context.Context, op, key string, name, id *string) error {
	in := &s3.AbortMultipartUploadInput{Bucket: &s.o.Bucket, Key: name, UploadId: id}
	_, err := call(ctx, s, place{op, key, "AbortMultipartUpload", upload.Condition{}}, s.client.AbortMultipartUpload, in)
	var failure *upload.StoreError
	if errors.As(err, &failure) && failure.Code == "NoSuchUpload" {
		return nil
	}
	return err
}
