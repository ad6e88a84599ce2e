package filestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/upload"
)

// hashedSize is up to where an ETag is the content's.
const hashedSize = 64 << 10

// etagBytes of the SHA-256 are enough to tell contents apart that nobody made to be alike.
const etagBytes = 16

// Get reads part of an object; see [upload.Store].
func (s *Store) Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, upload.Object, error) {
	if err := upload.CheckKey(key); err != nil {
		return nil, upload.Object{}, err
	}
	var object upload.Object
	var r *reader
	err := s.within(ctx, "get", key, func(v volume) (err error) {
		f, err := v.OpenFile(v.path(key), os.O_RDONLY, 0)
		if err != nil {
			return err
		}
		if object, err = describeOpen(f, key); err != nil {
			return errors.Join(err, f.Close())
		}
		if from < 0 || from > object.Size {
			beyond := fmt.Errorf("read from byte %d of %d: %w", from, object.Size, unix.ERANGE)
			return errors.Join(beyond, f.Close())
		}
		if n < 0 || n > object.Size-from {
			n = object.Size - from
		}
		r = &reader{ctx: ctx, key: key, file: f, at: from, end: from + n}
		return nil
	})
	if err != nil {
		return nil, upload.Object{}, err
	}
	return r, object, nil
}

// reader is a part of a file. The file cannot change: what replaces it is another one.
type reader struct {
	ctx     context.Context //nolint:containedctx // of the Get that this is the body of
	key     string
	file    fsx.File
	at, end int64
}

func (r *reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	if r.at == r.end {
		return 0, io.EOF
	}
	n, err := r.file.ReadAt(p[:min(int64(len(p)), r.end-r.at)], r.at)
	r.at += int64(n)
	if n > 0 {
		upload.Moved(r.ctx)
	}
	switch {
	case errors.Is(err, io.EOF) && r.at < r.end:
		short := fmt.Errorf("the file ends at byte %d, and had more when it was opened: %w", r.at, io.ErrUnexpectedEOF)
		return n, &upload.StoreError{Op: "get", Key: r.key, Code: "Truncated", Err: short}
	case errors.Is(err, io.EOF):
		return n, nil
	}
	return n, storeError(r.ctx, "get", r.key, err)
}

func (r *reader) Close() error { return r.file.Close() }

// describe says what the file name is as an object.
func describe(v volume, name, key string) (_ upload.Object, err error) {
	f, err := v.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return upload.Object{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return describeOpen(f, key)
}

func describeOpen(f fsx.File, key string) (upload.Object, error) {
	info, err := f.Stat()
	if err != nil {
		return upload.Object{}, err
	}
	if !info.Mode().IsRegular() {
		return upload.Object{}, &fs.PathError{Op: "open", Path: key, Err: unix.EINVAL}
	}
	object := listed(key, info)
	if info.Size() > hashedSize {
		object.ETag = fmt.Sprintf("%s:%d:%d", fsx.Identity(info), info.Size(), info.ModTime().UnixNano())
		return object, nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(f, 0, info.Size())); err != nil {
		return upload.Object{}, err
	}
	object.ETag = hex.EncodeToString(hash.Sum(nil)[:etagBytes])
	return object, nil
}

// listed is what the directory knows of an object: no ETag.
func listed(key string, info fs.FileInfo) upload.Object {
	return upload.Object{Key: strings.Clone(key), Size: info.Size(), Modified: info.ModTime()}
}
