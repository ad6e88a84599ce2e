package storetest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/upload"
)

func (s *suite) listOrder() {
	// '-' and '.' come before '/', digits and letters behind it.
	keys := []string{"a-b", "a.b", "a/b", "a/b-c", "a0", "a0/b", "aa", "B", "b/c/d/e", "b/c.d", "z", "0"}
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == "a0" }) // beside "a0/b" it is no key of both stores
	for _, key := range keys {
		s.put(key, key)
	}
	slices.Sort(keys)
	s.Equal(keys, s.keys("", ""))
	for i, key := range keys {
		s.Equal(keys[i+1:], s.keys("", key), "after %s", key)
		s.Equal(keys[i:], s.keys("", key[:len(key)-1]+string(key[len(key)-1]-1)+"~"), "after what is not there, just before %s", key)
	}
	for _, prefix := range []string{"a", "a/", "a/b", "b/c", "b/c/", "z", "zz", "a0/b"} {
		want := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !strings.HasPrefix(key, prefix) })
		s.Equal(want, s.keys(prefix, ""), "prefix %s", prefix)
	}
	s.Equal([]string{"a/b-c"}, s.keys("a/", "a/b"))
	s.Empty(s.keys("a/", "b"))
	s.Equal([]string{"a/b", "a/b-c"}, s.keys("a/", "A"))
}

// listMany has more than a page of S3, which is 1000.
func (s *suite) listMany() {
	const many = 2_100
	var group errgroup.Group
	group.SetLimit(16)
	want := make([]string, many)
	for i := range many {
		want[i] = name(i)
		group.Go(func() error {
			_, err := s.store.Put(s.ctx, name(i), Body(nil), upload.Condition{})
			return err
		})
	}
	s.NoError(group.Wait())
	s.Equal(want, s.keys("dir/", ""))
	s.Equal(want[1000:], s.keys("dir/", want[999]))
	s.Equal(want[2000:], s.keys("dir/02", want[1999]))
	s.Equal(want[1000:2000], s.keys("dir/01", ""))
}

func (s *suite) listNothing() {
	s.Empty(s.keys("", ""))
	s.Empty(s.keys("none/", ""))
	s.put("a/b", "x")
	s.Empty(s.keys("none/", ""))
	s.Empty(s.keys("a/b/", ""))
	s.Empty(s.keys("", "a/b"))
}

func (s *suite) listStops() {
	for i := range 10 {
		s.put(name(i), "x")
	}
	seen := 0
	for _, err := range s.store.List(s.ctx, "", "") {
		s.NoError(err)
		if seen++; seen == 3 {
			break
		}
	}
	s.Equal(3, seen)
}

func (s *suite) sweep() {
	if s.o.Orphan == nil {
		n, err := s.store.Sweep(s.ctx, "", time.Now())
		s.NoError(err)
		s.Zero(n)
		return
	}
	s.put("a/b", "stays")
	s.o.Orphan(s.t, s.store, "a/orphan")
	s.o.Orphan(s.t, s.store, "b/orphan")
	s.leftoversOnly(2)
	for _, c := range []struct {
		prefix string
		before time.Time
		swept  int
	}{
		{"", time.Now().Add(-time.Hour), 0},
		{"none/", time.Now().Add(time.Hour), 0},
		{"a/", time.Now().Add(time.Hour), 1},
		{"a/", time.Now().Add(time.Hour), 0},
		{"", time.Now().Add(time.Hour), 1},
	} {
		n, err := s.store.Sweep(s.ctx, c.prefix, c.before)
		s.NoError(err)
		s.Equal(c.swept, n, "%+v", c)
	}
	s.leftoversOnly(0)
	s.Equal([]string{"a/b"}, s.keys("", ""))
}
