package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing/iotest"
	"time"

	"github.com/aofsidecar/aofsidecar/upload"
)

func (s *suite) readsWhatWasPut() {
	before := time.Now().Add(-time.Minute)
	for _, data := range []string{"", "x", strings.Repeat("0123456789abcdef", 10_000)} {
		for key, body := range map[string]upload.Body{"a/known": Body([]byte(data)), "a/unknown": Stream([]byte(data))} {
			made, err := s.store.Put(s.ctx, key, body, upload.Condition{})
			s.NoError(err)
			got, object, err := s.read(key, 0, -1)
			s.NoError(err)
			s.Equal(data, string(got))
			s.Equal(key, object.Key)
			s.Equal(int64(len(data)), object.Size)
			s.NotEmpty(object.ETag)
			s.True(object.Modified.After(before), "%v", object.Modified)
			s.Equal(object.Key, made.Key)
			s.Equal(object.Size, made.Size)
			s.Equal(object.ETag, made.ETag)
			for listed, err := range s.store.List(s.ctx, key, "") {
				s.NoError(err)
				s.Equal(object.Key, listed.Key)
				s.Equal(object.Size, listed.Size)
				s.True(listed.Modified.After(before))
			}
		}
	}
}

func (s *suite) replaces() {
	first := s.put("a", "first")
	second := s.put("a", "and now longer")
	s.NotEqual(first.ETag, second.ETag)
	s.Equal("and now longer", s.get("a"))
	s.put("a", "")
	s.Empty(s.get("a"))
}

func (s *suite) getRanges() {
	const data = "0123456789"
	s.put("a", data)
	s.put("empty", "")
	for _, c := range []struct {
		from, n int64
		want    string
	}{
		{0, -1, data},
		{0, 0, ""},
		{0, 1, "0"},
		{3, 4, "3456"},
		{9, 1, "9"},
		{9, -1, "9"},
		{5, -1, "56789"},
		{5, 100, "56789"},
		{0, 10, data},
		{0, 11, data},
		{10, -1, ""},
		{10, 0, ""},
		{10, 5, ""},
	} {
		got, object, err := s.read("a", c.from, c.n)
		s.NoError(err, "%+v", c)
		s.Equal(c.want, string(got), "%+v", c)
		s.Equal(int64(len(data)), object.Size, "%+v", c)
		s.NotEmpty(object.ETag, "%+v", c)
	}
	for _, n := range []int64{-1, 0, 1} {
		got, object, err := s.read("empty", 0, n)
		s.NoError(err, "%d", n)
		s.Empty(got)
		s.Zero(object.Size)
	}
	for _, from := range []int64{-1, 11, 1 << 40} {
		_, _, err := s.read("a", from, 1)
		var failure *upload.StoreError
		s.ErrorAs(err, &failure, "%d", from)
		s.False(failure.Temporary, "%v", err)
	}
}

func (s *suite) notFound() {
	s.put("a/b", "x")
	for _, key := range []string{"none", "a", "a/c", "b/c/d"} {
		for _, n := range []int64{-1, 0, 1} {
			_, _, err := s.read(key, 0, n)
			if key == "a" { // a directory, in a store that has them
				s.Error(err)
				continue
			}
			s.fails(err, upload.ErrNotFound)
		}
	}
}

func (s *suite) deletes() {
	s.put("a/b", "x")
	s.put("a/c", "y")
	s.NoError(s.store.Delete(s.ctx, "a/b"))
	_, _, err := s.read("a/b", 0, -1)
	s.fails(err, upload.ErrNotFound)
	s.Equal([]string{"a/c"}, s.keys("", ""))
	s.NoError(s.store.Delete(s.ctx, "a/b"))
	s.NoError(s.store.Delete(s.ctx, "never/was"))
	s.put("a/b", "again")
	s.Equal("again", s.get("a/b"))
}

func (s *suite) refusesKeys() {
	bad := []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", ".hidden", "a/.hidden", "a b", "a\x00", "a\nb", "ä", "a?b", "a%2fb", `a\b`,
		strings.Repeat("x", 256), strings.Repeat("x/", 1024) + "x",
	}
	for _, key := range bad {
		_, err := s.store.Put(s.ctx, key, Body(nil), upload.Condition{})
		s.Error(err, "%q", key)
		var failure *upload.StoreError
		s.ErrorAs(err, &failure, "%q", key)
		s.False(failure.Temporary)
		_, _, err = s.read(key, 0, -1)
		s.ErrorAs(err, &failure, "%q", key)
		s.ErrorAs(s.store.Delete(s.ctx, key), &failure, "%q", key)
	}
	s.nothingLeft()
}

// prefixIsNoPath has prefixes that end within a name.
func (s *suite) prefixIsNoPath() {
	for _, key := range []string{"ab/c", "ab-d", "abc", "b"} {
		s.put(key, "x")
	}
	s.Equal([]string{"ab-d", "ab/c", "abc"}, s.keys("ab", ""))
	s.Equal([]string{"ab/c"}, s.keys("ab/", ""))
	s.Equal([]string{"ab/c", "abc"}, s.keys("ab", "ab-d"))
}

func (s *suite) large() {
	data := Random(s.o.Large)
	for key, body := range map[string]upload.Body{"known": Body(data), "unknown": Stream(data)} {
		made, err := s.store.Put(s.ctx, key, body, upload.Condition{})
		s.NoError(err)
		s.Equal(s.o.Large, made.Size)
		got, object, err := s.read(key, 0, -1)
		s.NoError(err)
		s.True(bytes.Equal(data, got))
		s.Equal(made.ETag, object.ETag)
		middle := s.o.Large / 2
		got, _, err = s.read(key, middle, 1000)
		s.NoError(err)
		s.Equal(data[middle:middle+1000], got)
		got, _, err = s.read(key, s.o.Large-1, -1)
		s.NoError(err)
		s.Equal(data[s.o.Large-1:], got)
	}
	s.leftoversOnly(0)
}

func (s *suite) leftoversOnly(n int) {
	s.t.Helper()
	if s.o.Leftovers != nil {
		s.Equal(n, s.o.Leftovers(s.t, s.store))
	}
}

var errBody = errors.New("the body broke")

func (s *suite) bodyFails() {
	for _, good := range []int64{0, 1000, s.o.Large / 2} {
		// A body that breaks off in the way of a truncated file has not ended.
		for i, broken := range []error{errBody, io.ErrUnexpectedEOF, fmt.Errorf("wrapped: %w", io.EOF)} {
			opened, closed := 0, 0
			body := upload.Body{Size: -1, Open: func() (io.ReadCloser, error) {
				opened++
				return &closing{io.MultiReader(bytes.NewReader(Random(good)), iotest.ErrReader(broken)), func() { closed++ }}, nil
			}}
			if i == 0 {
				body.Size = s.o.Large
			}
			_, err := s.store.Put(s.ctx, "a", body, upload.Condition{})
			s.ErrorIs(err, broken)
			var failure *upload.StoreError
			s.ErrorAs(err, &failure)
			s.False(failure.Temporary)
			s.Positive(opened)
			s.Equal(opened, closed)
			s.nothingLeft()
		}
	}
	_, err := s.store.Put(s.ctx, "a", upload.Body{Open: func() (io.ReadCloser, error) { return nil, errBody }}, upload.Condition{})
	s.ErrorIs(err, errBody)
	s.nothingLeft()
}

type closing struct {
	io.Reader

	onClose func()
}

func (c *closing) Close() error {
	c.onClose()
	return nil
}

// bodyOfOtherSize has bodies that are a byte longer or shorter than they say.
func (s *suite) bodyOfOtherSize() {
	for _, size := range []int64{0, 1000, s.o.Large} {
		for _, said := range []int64{size - 1, size + 1} {
			if said < 0 {
				continue
			}
			body := Body(Random(size))
			body.Size = said
			_, err := s.store.Put(s.ctx, "a", body, upload.Condition{})
			var failure *upload.StoreError
			s.ErrorAs(err, &failure, "%d, said %d", size, said)
			s.False(failure.Temporary)
			s.nothingLeft()
		}
	}
}

var errEnough = errors.New("enough")

func (s *suite) cancelledPut() {
	for i, at := range []int64{0, s.o.Large / 2, s.o.Large - 1} {
		ctx, cancel := context.WithCancelCause(s.ctx)
		data := Random(s.o.Large)
		body := upload.Body{Size: -1, Open: func() (io.ReadCloser, error) {
			cancelling := &hookReader{data: data, at: at, hook: func() { cancel(errEnough) }}
			return io.NopCloser(cancelling), nil
		}}
		_, err := s.store.Put(ctx, "a", body, upload.Condition{})
		s.ErrorIs(err, errEnough)
		s.nothingButAnUpload(i + 1)
		cancel(nil)
	}
}

// hookReader calls hook when it has given at bytes.
type hookReader struct {
	data []byte
	at   int64
	pos  int64
	hook func()
}

func (r *hookReader) Read(p []byte) (int, error) {
	if r.pos == r.at {
		r.hook()
	}
	if r.pos == int64(len(r.data)) {
		return 0, io.EOF
	}
	end := min(int64(len(p)), int64(len(r.data))-r.pos)
	if r.pos < r.at {
		end = min(end, r.at-r.pos)
	}
	n := copy(p, r.data[r.pos:r.pos+end])
	r.pos += int64(n)
	return n, nil
}

func (s *suite) cancelledGet() {
	_, err := s.store.Put(s.ctx, "a", Body(Random(s.o.Large)), upload.Condition{})
	s.NoError(err)
	ctx, cancel := context.WithCancelCause(s.ctx)
	r, _, err := s.store.Get(ctx, "a", 0, -1)
	s.NoError(err)
	_, err = io.CopyN(io.Discard, r, 10)
	s.NoError(err)
	cancel(errEnough)
	_, err = io.Copy(io.Discard, r)
	s.ErrorIs(err, errEnough)
	s.NoError(r.Close())
	_, _, err = s.store.Get(ctx, "a", 0, -1)
	s.ErrorIs(err, errEnough)
	s.ErrorIs(s.store.Delete(ctx, "a"), errEnough)
	for _, err := range s.store.List(ctx, "", "") {
		s.ErrorIs(err, errEnough)
	}
}

// readersSeeWholeObjects reads while the object is replaced: it is always one of those that were put.
func (s *suite) readersSeeWholeObjects() {
	const size, rounds = 100_000, 20
	content := func(i int) string { return strings.Repeat(string(rune('a'+i)), size) }
	s.put("a", content(0))
	var done atomic.Bool
	result := make(chan error, 1)
	go func() {
		defer done.Store(true)
		for i := 1; i < rounds; i++ {
			if _, err := s.store.Put(s.ctx, "a", Body([]byte(content(i))), upload.Condition{}); err != nil {
				result <- err
				return
			}
		}
		result <- nil
	}()
	for !done.Load() {
		got := s.get("a")
		s.Equal(strings.Repeat(got[:1], size), got)
	}
	s.NoError(<-result)
	s.Equal(content(rounds-1), s.get("a"))
}

func (s *suite) stringIsURL() {
	_, err := upload.ParseURL(s.store.String())
	s.NoError(err)
}
