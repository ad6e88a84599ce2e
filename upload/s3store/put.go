package s3store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/aofsidecar/aofsidecar/upload"
)

// castagnoli is CRC32C, for which processors have an instruction. Package crc32 makes that table once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Put stores body under key; see [upload.Store].
func (s *Store) Put(ctx context.Context, key string, body upload.Body, cond upload.Condition) (object upload.Object, err error) {
	if err := upload.CheckKey(key); err != nil {
		return upload.Object{}, err
	}
	if ctx.Err() != nil {
		return upload.Object{}, context.Cause(ctx)
	}
	from, err := body.Open()
	if err != nil {
		return upload.Object{}, bodyError(ctx, key, err)
	}
	p := &put{s: s, key: key, cond: cond, size: body.Size, plan: s.plan(body), from: bufio.NewReaderSize(from, peekBytes)}
	defer func() {
		p.release()
		if closed := from.Close(); closed != nil && err == nil {
			err = bodyError(ctx, key, closed)
		}
	}()
	first, err := p.first(ctx)
	if err != nil {
		return upload.Object{}, err
	}
	if p.ended {
		defer p.giveBack(&first)
		return p.single(ctx, first)
	}
	return p.multipart(ctx, first)
}

// bodyError is a failure of the body, whatever it was: the store did nothing wrong.
func bodyError(ctx context.Context, key string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &upload.StoreError{Op: "put", Key: key, Code: "Body", Err: fmt.Errorf("read body: %w", err)}
}

const (
	// peekBytes is enough to see whether there is more.
	peekBytes = 4 << 10
	// smallBytes is what a body of unknown size gets before it is known to be larger.
	smallBytes = 256 << 10
)

// put is one Put.
type put struct {
	s    *Store
	key  string
	cond upload.Condition
	size int64 // said; -1: not
	plan plan
	from *bufio.Reader

	read  int64 // of the body
	whole uint32
	ended bool
	spare []*[]byte // buffers of the store's that are not in use
	mu    sync.Mutex
}

// first reads the first part, into no more memory than it needs.
func (p *put) first(ctx context.Context) ([]byte, error) {
	limit := p.plan.bytes(1)
	want := min(limit, smallBytes)
	if p.size >= 0 {
		want = min(limit, p.size)
	}
	if want == limit {
		return p.fill(ctx, (*p.buffer(limit))[:0], limit)
	}
	data, err := p.fill(ctx, make([]byte, 0, want), want)
	if err != nil || p.ended {
		return data, err
	}
	return p.fill(ctx, append((*p.buffer(limit))[:0], data...), limit)
}

// fill reads until data has limit bytes, or the body ends, which must be where it said.
func (p *put) fill(ctx context.Context, data []byte, limit int64) ([]byte, error) {
	had := len(data)
	var err error
	for int64(len(data)) < limit && err == nil {
		var n int
		n, err = p.from.Read(data[len(data):limit])
		data = data[:len(data)+n]
	}
	p.read += int64(len(data) - had)
	p.whole = crc32.Update(p.whole, castagnoli(), data[had:])
	if err == nil {
		_, err = p.from.Peek(1)
	}
	// Only this word is the end: a body that breaks off with io.ErrUnexpectedEOF has failed.
	p.ended = err == io.EOF // a wrapped EOF is no end
	switch {
	case err != nil && !p.ended:
		return nil, bodyError(ctx, p.key, err)
	case p.size >= 0 && (p.read > p.size || p.ended && p.read != p.size || !p.ended && p.read == p.size):
		return nil, bodyError(ctx, p.key, fmt.Errorf("it was said to have %d bytes, and has another number (%d so far)", p.size, p.read))
	}
	return data, nil
}

// buffer returns one of at least n bytes.
func (p *put) buffer(n int64) *[]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.spare) > 0 {
		last := p.spare[len(p.spare)-1]
		p.spare = p.spare[:len(p.spare)-1]
		if int64(cap(*last)) >= n {
			return last
		}
	}
	if n <= p.s.o.PartBytes {
		if pooled, ok := p.s.buffers.Get().(*[]byte); ok {
			return pooled
		}
	}
	return new(make([]byte, n))
}

func (p *put) giveBack(buffer *[]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spare = append(p.spare, buffer)
}

// release returns buffers to the store, whose other Puts may want them.
func (p *put) release() {
	for _, buffer := range p.spare {
		if int64(cap(*buffer)) == p.s.o.PartBytes {
			p.s.buffers.Put(buffer)
		}
	}
}

// single stores what fits in a part.
func (p *put) single(ctx context.Context, data []byte) (upload.Object, error) {
	in := &s3.PutObjectInput{
		Bucket: &p.s.o.Bucket, Key: p.s.name(p.key), Body: moving(ctx, data), ContentLength: aws.Int64(int64(len(data))),
		IfNoneMatch: ifNoneMatch(p.cond), IfMatch: ifMatch(p.cond),
		StorageClass: types.StorageClass(p.s.o.StorageClass), ServerSideEncryption: types.ServerSideEncryption(p.s.o.SSE), SSEKMSKeyId: optional(p.s.o.KMSKeyID),
		ChecksumCRC32C: p.s.checksum(crc32.Checksum(data, castagnoli())),
	}
	out, err := call(ctx, p.s, place{"put", p.key, "PutObject", p.cond}, p.s.client.PutObject, in)
	if err != nil {
		return upload.Object{}, err
	}
	return upload.Object{Key: p.key, Size: int64(len(data)), ETag: aws.ToString(out.ETag)}, nil
}

func ifNoneMatch(cond upload.Condition) *string {
	if cond.Absent {
		return aws.String("*")
	}
	return nil
}

func ifMatch(cond upload.Condition) *string { return optional(cond.ETag) }

// optional is text for a field that is left out if empty.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// checksum is sum as S3 writes it; nil if none is sent.
func (s *Store) checksum(sum uint32) *string {
	if !s.checksums {
		return nil
	}
	return aws.String(crcText(sum))
}

func crcText(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// moving is data as the body of a request; that it is read says that the transfer goes on.
func moving(ctx context.Context, data []byte) io.ReadSeeker {
	return &movingReader{Reader: bytes.NewReader(data), ctx: ctx}
}

type movingReader struct {
	*bytes.Reader

	ctx context.Context //nolint:containedctx // of the request that this is the body of
}

func (r *movingReader) Read(p []byte) (int, error) {
	upload.Moved(r.ctx)
	return r.Reader.Read(p)
}
