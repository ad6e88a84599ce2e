package storetest

import (
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/upload"
)

func (s *suite) absent() {
	made, err := s.store.Put(s.ctx, "a/b", Body([]byte("first")), upload.Condition{Absent: true})
	s.NoError(err)
	_, err = s.store.Put(s.ctx, "a/b", Body([]byte("second")), upload.Condition{Absent: true})
	s.fails(err, upload.ErrExists)
	s.Equal("first", s.get("a/b"))
	_, object, err := s.read("a/b", 0, 0)
	s.NoError(err)
	s.Equal(made.ETag, object.ETag)
	s.NoError(s.store.Delete(s.ctx, "a/b"))
	_, err = s.store.Put(s.ctx, "a/b", Stream([]byte("third")), upload.Condition{Absent: true})
	s.NoError(err)
	s.Equal("third", s.get("a/b"))
	s.leftoversOnly(0)
}

func (s *suite) etag() {
	_, err := s.store.Put(s.ctx, "lease", Body([]byte("x")), upload.Condition{ETag: `"0123456789abcdef0123456789abcdef"`})
	s.fails(err, upload.ErrChanged)
	first := s.put("lease", "first")
	second, err := s.store.Put(s.ctx, "lease", Body([]byte("other")), upload.Condition{ETag: first.ETag})
	s.NoError(err)
	_, err = s.store.Put(s.ctx, "lease", Body([]byte("third")), upload.Condition{ETag: first.ETag})
	s.fails(err, upload.ErrChanged)
	s.Equal("other", s.get("lease"))
	_, err = s.store.Put(s.ctx, "lease", Stream([]byte("third")), upload.Condition{ETag: second.ETag})
	s.NoError(err)
	s.Equal("third", s.get("lease"))
	s.NoError(s.store.Delete(s.ctx, "lease"))
	_, err = s.store.Put(s.ctx, "lease", Body([]byte("fourth")), upload.Condition{ETag: second.ETag})
	s.fails(err, upload.ErrChanged)
	s.leftoversOnly(0)
}

// contenders is how many want to win.
const contenders = 24

func (s *suite) oneOfManyCreates() {
	for round := range 5 {
		key := name(round)
		winner := s.contend(key, upload.Condition{Absent: true}, upload.ErrExists)
		s.Equal(winner, s.get(key))
	}
	s.leftoversOnly(0)
}

func (s *suite) oneOfManyReplaces() {
	object := s.put("lease", "0123456789")
	for range 5 {
		winner := s.contend("lease", upload.Condition{ETag: object.ETag}, upload.ErrChanged)
		s.Equal(winner, s.get("lease"))
		var err error
		_, object, err = s.read("lease", 0, 0)
		s.NoError(err)
	}
	s.leftoversOnly(0)
}

// contend has many put under one condition, and returns what the one wrote who won.
func (s *suite) contend(key string, cond upload.Condition, lost error) string {
	s.t.Helper()
	var group errgroup.Group
	won := make(chan string, contenders)
	for i := range contenders {
		group.Go(func() error {
			data := fmt.Sprintf("contender %d of %v", i, cond) // an ETag may be the content's, so none is put twice
			for {
				_, err := s.store.Put(s.ctx, key, Body([]byte(data)), cond)
				var failure *upload.StoreError
				switch {
				case err == nil:
					won <- data
					return nil
				case errors.Is(err, lost):
					return nil
				case errors.As(err, &failure) && failure.Temporary: // two at once may be told to come again
					continue
				}
				return err
			}
		})
	}
	s.NoError(group.Wait())
	s.Len(won, 1)
	return <-won
}

// largeAbsent has a large object that is there: nothing is changed, and nothing stays of the attempt.
func (s *suite) largeAbsent() {
	data := Random(s.o.Large)
	_, err := s.store.Put(s.ctx, "a", Stream(data), upload.Condition{Absent: true})
	s.NoError(err)
	_, err = s.store.Put(s.ctx, "a", Stream(data[1:]), upload.Condition{Absent: true})
	s.fails(err, upload.ErrExists)
	_, object, err := s.read("a", 0, 0)
	s.NoError(err)
	s.Equal(s.o.Large, object.Size)
	var group errgroup.Group
	won := make(chan int, 3)
	for i := range 3 {
		group.Go(func() error {
			_, err := s.store.Put(s.ctx, "b", Stream(data[i:]), upload.Condition{Absent: true})
			if errors.Is(err, upload.ErrExists) {
				return nil
			}
			won <- i
			return err
		})
	}
	s.NoError(group.Wait())
	s.Len(won, 1)
	_, object, err = s.read("b", 0, 0)
	s.NoError(err)
	s.Equal(s.o.Large-int64(<-won), object.Size)
	s.leftoversOnly(0)
}

func (s *suite) conditional() {
	s.NoError(upload.Conditional(s.ctx, s.store, "scratch/probe"))
	s.nothingLeft()
}

func (s *suite) manyPutsAtOnce() {
	var group errgroup.Group
	const many = 50
	for i := range many {
		group.Go(func() error {
			_, err := s.store.Put(s.ctx, name(i), Body([]byte(name(i))), upload.Condition{Absent: i%2 == 0})
			return err
		})
	}
	s.NoError(group.Wait())
	s.Len(s.keys("", ""), many)
	for i := range many {
		s.Equal(name(i), s.get(name(i)))
	}
}
